"""Loading: optimised graphs are kept, held against what they said, and made anew when damaged."""

import os
from dataclasses import replace

import numpy as np
import pytest

from zoo.errors import NotRunnable, TooLarge
from zoo.serving import optimising
from zoo.serving.batches import choose_most_together, pad_to
from zoo.serving.dense import open_graph
from zoo.serving.loading import Loading
from zoo.serving.network import Feeds
from zoo.serving.optimised import GraphCache
from zoo.serving.optimising import warm
from zoo.serving.pair import Pair, Runners

HEAVY_BYTES = 12_000


@pytest.fixture
def cache(tmp_path):
    return GraphCache(folder=tmp_path / "graphs", most_bytes=2**20)


@pytest.fixture
def loading(cache):
    return Loading(device="cpu", cache=cache)


@pytest.fixture
def write(tmp_path, graph):
    def write(**more):
        path = tmp_path / "model.onnx"
        path.write_bytes(graph(**more))
        return path

    return write


@pytest.fixture
def heavy(tmp_path, graph):
    """Write a graph whose weights are worth a file of their own."""
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415  # slow

    drawn = np.random.default_rng(1).normal(size=(HEAVY_BYTES // 12, 3)).astype(np.float32)
    value = numpy_helper.from_array(drawn, "wide")
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats", "axes"], ["means"], keepdims=0),
        helper.make_node("Constant", [], ["weights"], value=value),
        helper.make_node("Transpose", ["weights"], ["turned"], perm=[1, 0]),
        helper.make_node("MatMul", ["means", "turned"], ["hidden"]),
        helper.make_node("Tanh", ["hidden"], ["bent"]),
        helper.make_node("MatMul", ["bent", "weights"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
    ]
    path = tmp_path / "heavy.onnx"
    path.write_bytes(graph(nodes=nodes))
    return path


def test_the_second_time_the_optimised_graph_is_opened(loading, write, cache):
    first = loading.load("a", write())
    again = loading.load("a", write())
    assert (first.is_from_cache, again.is_from_cache) == (False, True)
    assert np.array_equal(warm(first.predictor, 3), warm(again.predictor, 3))
    assert again.predictor.labels == first.predictor.labels
    assert again.predictor.preprocessing == first.predictor.preprocessing
    assert again.most_together == first.most_together
    assert len(list(cache.folder.iterdir())) == 2


def test_weights_lie_beside_the_optimised_graph(loading, heavy, cache):
    first, again = loading.load("a", heavy), loading.load("a", heavy)
    assert sorted(path.suffix for path in cache.folder.iterdir()) == [".bin", ".json", ".onnx"]
    assert np.array_equal(warm(first.predictor, 3), warm(again.predictor, 3))
    (weights,) = cache.folder.glob("*.bin")
    # They are mapped, which the C library's figures do not count.
    assert again.size_bytes >= weights.stat().st_size >= HEAVY_BYTES
    assert weights.stat().st_mode & 0o777 == 0o444  # Rewritten in place they would end a server.


def test_what_was_prepared_is_there_when_it_is_loaded(loading, heavy, cache, monkeypatch):
    loading.prepare("a", heavy)
    written = set(cache.folder.iterdir())
    monkeypatch.setattr("zoo.serving.loading.optimise", None)
    loading.prepare("a", heavy)
    assert loading.load("a", heavy).is_from_cache
    assert written == set(cache.folder.iterdir())


def test_what_cannot_be_prepared_is_told_when_it_is_loaded(loading, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"no graph")
    loading.prepare("a", path)
    with pytest.raises(NotRunnable):
        loading.load("a", path)


@pytest.mark.parametrize("count", [1, 2])
def test_runs_that_fill_the_cores_stay_on_one_each(cache, write, count):
    others = [0]
    runners = Runners(count=count, others=lambda: others[0])
    loading = Loading(device="cpu", cache=cache, runners=runners)
    predictor = loading.load("a", write()).predictor
    if count == 1:
        assert not isinstance(predictor.session, Pair)
        return
    used = [_count_runs(getattr(predictor.session, side)) for side in ("wide", "narrow")]
    pair = replace(predictor.session, wide=used[0], narrow=used[1])
    predictor = replace(predictor, session=pair)
    for runners.busy, others[0] in ((1, 0), (2, 0), (1, 0), (2, 0), (2, 0), (1, 1)):
        assert warm(predictor).shape == (1, 3)
    assert [type(one).runs for one in used] == [2, 4]


def _count_runs(session):
    class Counted:
        runs = 0

        def run(self, *given):
            Counted.runs += 1
            return session.run(*given)

    return Counted()


def test_what_is_measured_is_no_less_than_the_file(loading, write):
    path = write()
    served = loading.load("a", path)
    assert served.size_bytes >= path.stat().st_size
    assert served.load_ns > 0


def test_another_graph_is_another_entry(loading, write):
    loading.load("a", write())
    assert not loading.load("b", write()).is_from_cache


def damage_graph(folder):
    (path,) = folder.glob("*.onnx")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def damage_note(folder):
    (path,) = folder.glob("*.json")
    path.write_text('{"answer": [1e999], "most_together": "many"}')


def nest_note(folder):
    (path,) = folder.glob("*.json")
    path.write_text("[" * 100_000)


def note_something_else(folder):
    (path,) = folder.glob("*.json")
    path.write_text('{"answer": [0.9, 0.05, 0.05], "most_together": 1}')


def halve_weights(folder):
    (path,) = folder.glob("*.bin")
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def zero_weights(folder):
    (path,) = folder.glob("*.bin")
    path.chmod(0o600)
    path.write_bytes(bytes(path.stat().st_size))


def lose_weights(folder):
    (path,) = folder.glob("*.bin")
    path.unlink()


def lose_graph(folder):
    (path,) = folder.glob("*.onnx")
    path.unlink()


def put_another_graph(folder, graph):
    (path,) = folder.glob("*.onnx")
    path.write_bytes(graph)


@pytest.mark.parametrize(
    "damage", [damage_graph, damage_note, nest_note, note_something_else, lose_graph]
)
def test_a_damaged_entry_is_made_anew(loading, write, cache, damage):
    loading.load("a", write())
    damage(cache.folder)
    served = loading.load("a", write())
    assert not served.is_from_cache
    assert warm(served.predictor).shape == (1, 3)
    assert loading.load("a", write()).is_from_cache


@pytest.mark.parametrize("damage", [halve_weights, zero_weights, lose_weights])
def test_an_entry_of_damaged_weights_is_made_anew(loading, heavy, cache, damage):
    expected = warm(loading.load("a", heavy).predictor)
    damage(cache.folder)
    served = loading.load("a", heavy)
    assert not served.is_from_cache
    assert np.array_equal(warm(served.predictor), expected)


def test_an_entry_that_answers_something_else_is_made_anew(loading, write, cache, graph):
    from onnx import TensorProto, helper  # noqa: PLC0415  # slow

    nodes = [  # the negative of what the graph says
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats", "axes"], ["scores"], keepdims=0),
        helper.make_node("Neg", ["scores"], ["other"]),
        helper.make_node("Softmax", ["other"], ["probabilities"], axis=1),
    ]
    expected = warm(loading.load("a", write()).predictor)
    put_another_graph(cache.folder, graph(nodes=nodes))
    served = loading.load("a", write())
    assert not served.is_from_cache
    assert np.array_equal(warm(served.predictor), expected)


def test_a_folder_that_cannot_be_written_serves_all_the_same(tmp_path, write):
    (tmp_path / "file").write_bytes(b"")
    cache = GraphCache(folder=tmp_path / "file" / "graphs", most_bytes=2**20)
    served = Loading(device="cpu", cache=cache).load("a", write())
    assert warm(served.predictor).shape == (1, 3)


def test_the_least_used_graphs_make_room(loading, write, cache):
    size = loading.load("a", write()) and max(p.stat().st_size for p in cache.folder.iterdir())
    small = Loading(device="cpu", cache=GraphCache(folder=cache.folder, most_bytes=int(size * 2.5)))
    small.load("b", write())
    for path in cache.folder.iterdir():
        os.utime(path, (1, 1))
    assert small.load("a", write()).is_from_cache
    small.load("c", write())
    assert small.load("a", write()).is_from_cache
    assert small.load("c", write()).is_from_cache
    assert not small.load("b", write()).is_from_cache


def test_what_a_killed_process_left_goes(loading, write, cache):
    left = cache.folder / "new-left"
    left.mkdir(parents=True)
    (left / "model.onnx").write_bytes(b"half")
    os.utime(left, (1, 1))
    loading.load("a", write())
    assert not left.exists()


def test_a_graph_that_fails_on_its_first_picture_is_refused(loading, write, cache):
    from onnx import TensorProto, helper  # noqa: PLC0415  # slow

    nodes = [  # 0 / 0
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats", "axes"], ["scores"], keepdims=0),
        helper.make_node("Sub", ["scores", "scores"], ["nought"]),
        helper.make_node("Div", ["nought", "nought"], ["probabilities"]),
    ]
    with pytest.raises(NotRunnable, match="no numbers"):
        loading.load("a", write(nodes=nodes))
    assert not cache.folder.exists() or not list(cache.folder.iterdir())


@pytest.mark.parametrize(
    ("costs", "most"),
    [
        ({1: 10, 2: 10, 4: 9, 8: 8}, 1),  # as dear as alone: nothing more is tried
        ({1: 10, 2: 9.2, 4: 9.3, 8: 8}, 1),  # less than a tenth is gained
        ({1: 10, 2: 8.3, 4: 8.4, 8: 8}, 2),
        ({1: 10, 2: 9.5, 4: 8.9, 8: 7}, 8),
        ({1: 10, 2: 12, 4: 1, 8: 1}, 1),
    ],
)
def test_runs_are_shared_where_that_is_a_tenth_cheaper(costs, most):
    assert choose_most_together(costs.__getitem__) == most


@pytest.fixture
def joined(tmp_path, graph):
    """Write a graph that lays the channels of two layers behind each other, for a third."""
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415  # slow

    random = np.random.default_rng(2)
    drawn = {"a": (2, 3), "b": (4, 3), "c": (3, 6)}
    constants = {name: random.normal(size=(*sides, 1, 1)) / 20 for name, sides in drawn.items()}
    nodes = [
        *(
            helper.make_node(
                "Constant", [], [name], value=numpy_helper.from_array(value.astype(np.float32))
            )
            for name, value in constants.items()
        ),
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["channels first"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["channels first", "a"], ["first"]),
        helper.make_node("Conv", ["channels first", "b"], ["second"]),
        helper.make_node("Concat", ["first", "second"], ["both"], axis=1),
        helper.make_node("Conv", ["both", "c"], ["third"]),
        helper.make_node("GlobalAveragePool", ["third"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
    ]
    path = tmp_path / "joined.onnx"
    path.write_bytes(graph(nodes=nodes))
    return path


@pytest.mark.parametrize(("share", "is_whole"), [(0.9, False), (0.99, True), (1.2, True)])
def test_layers_are_run_apart_where_that_is_cheaper(loading, joined, monkeypatch, share, is_whole):
    cache = loading.cache
    monkeypatch.setattr(optimising, "share_of", lambda *_: share)
    answer = warm(loading.load("a", joined).predictor)
    kept, _ = cache.find("a")
    assert (b"Concat" in kept.read_bytes()) == is_whole
    np.testing.assert_allclose(answer, warm(open_graph(joined)), rtol=1e-5)
    np.testing.assert_array_equal(warm(loading.load("a", joined).predictor), answer)
    assert not [path for path in cache.folder.iterdir() if path.is_dir()]


@pytest.mark.parametrize("is_graph", [False, True])
def test_layers_run_apart_that_fail_or_say_something_else_are_left(
    graph, joined, monkeypatch, loading, is_graph
):
    spoiled = graph() if is_graph else b"no graph"
    monkeypatch.setattr("zoo.serving.parts.part_joins", lambda _: spoiled)
    monkeypatch.setattr(optimising, "share_of", lambda *_: 0.1)
    answer = warm(loading.load("a", joined).predictor)
    kept, _ = loading.cache.find("a")
    assert b"Concat" in kept.read_bytes()
    np.testing.assert_allclose(answer, warm(open_graph(joined)), rtol=1e-5)


def test_a_rewritten_graph_is_held_against_the_other_on_dark_pictures_too(
    loading, joined, monkeypatch
):
    class Certain:
        """Says the same of noise, and of what is dark whatever it is told to."""

        preprocessing = open_graph(joined).preprocessing

        def __init__(self, of_dark):
            self.of_dark = of_dark

        def predict(self, images):
            dark = images.mean(axis=(1, 2, 3)) < 10
            return np.where(dark[:, np.newaxis], self.of_dark, [[1, 0, 0]]).astype(np.float32)

    sure, other = Certain([0.9, 0.1, 0]), Certain([0.1, 0.9, 0])
    assert optimising._say_the_same(sure, sure)
    assert not optimising._say_the_same(sure, other)
    monkeypatch.setattr(optimising, "_say_the_same", lambda *_: False)
    monkeypatch.setattr(optimising, "share_of", lambda *_: 0.1)
    loading.load("a", joined)
    kept, _ = loading.cache.find("a")
    assert b"Concat" in kept.read_bytes()


def test_a_fault_of_the_rewriting_does_not_cost_the_load(loading, joined, monkeypatch, caplog):
    def fail(_):
        raise RecursionError

    monkeypatch.setattr("zoo.serving.parts.part_joins", fail)
    np.testing.assert_allclose(
        warm(loading.load("a", joined).predictor), warm(open_graph(joined)), rtol=1e-5
    )
    assert "run as it was published" in caplog.text


def test_a_processor_that_has_yet_to_wake_does_not_make_shared_runs_seem_cheap():
    asked = []

    def measure(count):
        asked.append(count)
        return {1: 10, 2: 10.5}.get(count, 11) * (3 if len(asked) <= 2 else 1)

    assert choose_most_together(measure) == 1
    assert asked == [1, 2] * 3  # and what is not cheaper is not measured for long


def test_a_clock_too_coarse_to_tell_says_that_nothing_is_gained():
    assert choose_most_together(lambda _: 0) == 1


def test_one_slow_run_does_not_make_shared_runs_seem_dear_or_cheap():
    slow = iter([1, 1, 1, 4, 1, 1, 4, 1, 1, 1, 1, 1])
    assert choose_most_together(lambda count: {1: 10, 2: 8}.get(count, 9) * next(slow, 1)) == 2


def test_what_was_measured_says_how_runs_are_shared(loading, write, monkeypatch):
    costs = {1: 10, 2: 8, 4: 9}
    monkeypatch.setattr(optimising, "_measuring", lambda _: costs.__getitem__)
    assert loading.load("a", write()).most_together == 2
    assert loading.load("a", write()).most_together == 2


@pytest.mark.parametrize(("count", "padded"), [(1, 1), (3, 4), (64, 64), (65, 128), (200, 200)])
def test_pictures_are_padded_to_the_next_bucket(count, padded):
    assert pad_to(count) == padded


def test_what_runs_add_to_a_classifier_is_known(loading, heavy):
    served = loading.load("a", heavy)
    assert served.arena.added_bytes == 0
    before = served.arena.size_bytes
    warm(served.predictor, 100_000)
    assert served.arena.added_bytes == served.arena.size_bytes - before > 2**20
    served.arena.shrink()
    assert served.arena.added_bytes < 2**20


def test_both_sessions_of_a_classifier_share_what_their_runs_take(cache, write):
    loading = Loading(device="cpu", cache=cache, runners=Runners(count=2))
    pair = loading.load("a", write()).predictor.session
    assert pair.wide.arena is pair.narrow.arena


def test_a_run_of_more_than_it_may_take_is_refused_and_the_next_is_not(cache, heavy):
    small = Loading(device="cpu", cache=cache, run_bytes=2**21)
    served = small.load("a", heavy)
    with pytest.raises(TooLarge, match="more memory for this"):
        warm(served.predictor, 200_000)
    assert warm(served.predictor, 2).shape == (2, 3)


def test_a_network_has_an_arena_and_the_bound_of_its_answers(cache, write):
    served = Loading(device="cpu", cache=cache, answer_bytes=11).load_network(write())
    assert served.network.most_bytes == 11
    images = np.zeros((1, 2, 2, 3), np.uint8)
    with pytest.raises(TooLarge, match="12 bytes; at most 11"):
        served.network.predict(Feeds(tensors={"images": images}, wanted=["probabilities"]))
    assert served.arena.size_bytes > 0
