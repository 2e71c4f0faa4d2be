"""Ways to run on a GPU: the first that gives what plain runs give; those that do not are told."""

import logging
from dataclasses import replace
from mmap import ACCESS_READ, mmap
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper

from zoo.errors import NotRunnable, Unsupported
from zoo.serving import cuda
from zoo.serving.batches import BUCKETS
from zoo.serving.bound import PLAIN_RUN, Bound, Slot
from zoo.serving.cuda import DISTINCT, RUNS_AT_ONCE, WAYS, draw_pictures, open_fastest, options_of
from zoo.serving.dense import open_graph
from zoo.serving.lane import Lane
from zoo.serving.loading import Loading
from zoo.serving.optimised import GraphCache
from zoo.serving.pair import Runners
from zoo.serving.predictor import CPU, CUDA, open_predictor
from zoo.serving.service import Service
from zoo.settings import Settings

PICTURE_BYTES, ROW_BYTES = 2 * 2 * 3, 3 * 4


@pytest.fixture
def path(tmp_path, graph):
    path = tmp_path / "model.onnx"
    path.write_bytes(graph())
    return path


@pytest.fixture
def open_here(path):
    """Open a graph by the first of the ways that holds, on the CPU."""
    return lambda ways=WAYS: open_fastest(path, device="cpu", lane=Lane(), ways=ways)


@pytest.fixture
def opened(monkeypatch):
    """Have graphs opened by another function, which is given the usual one."""

    def opened(function):
        monkeypatch.setattr(cuda, "open_graph", function)

    return opened


def check(served, path):
    """Check that it answers as the graph does, whatever way it runs."""
    pictures = draw_pictures((2, 2))
    expected = open_predictor(path, device="cpu").predict(pictures)
    assert np.allclose(served.predictor.predict(pictures), expected, atol=1e-6)


def test_options_are_those_of_the_provider():
    told = options_of(prefers_nhwc=False)
    assert told == {
        "cudnn_conv_algo_search": "HEURISTIC",
        "cudnn_conv_use_max_workspace": "1",
        "arena_extend_strategy": "kSameAsRequested",
    }
    assert options_of(prefers_nhwc=True) == told | {"prefer_nhwc": "1"}
    more = {"prefer_nhwc": "1", "enable_cuda_graph": "1"}
    assert options_of(prefers_nhwc=True, has_graphs=True) == told | more


def test_the_installed_runtime_knows_the_options():
    folder = Path(onnxruntime.__file__).parent / "capi"
    libraries = list(folder.glob("libonnxruntime_providers_cuda.so"))
    for library in libraries:  # none in the build for CPUs
        told = options_of(prefers_nhwc=True, has_graphs=True)
        words = [*told, *(value for value in told.values() if value != "1")]
        with library.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            assert [word for word in words if data.find(word.encode()) < 0] == []
    assert libraries or CUDA not in onnxruntime.get_available_providers()


def test_only_ways_with_graphs_ask_for_them():
    for way in WAYS:
        assert way.has_graphs == ("enable_cuda_graph" in way.options)
        assert way.is_bound or not way.has_graphs


def test_the_fastest_way_is_taken(open_here, path, caplog):
    served = open_here()
    check(served, path)
    assert caplog.messages == []
    assert served.predictor.session.way == WAYS[0].name
    assert sorted(served.predictor.session.slots) == list(BUCKETS)
    assert served.most_together == BUCKETS[-1]
    buffers = sum(BUCKETS) * (PICTURE_BYTES + ROW_BYTES)
    assert served.size_bytes == path.stat().st_size + buffers


def test_without_a_way_runs_are_plain(open_here, path):
    served = open_here(())
    check(served, path)
    assert served.predictor.session.way == PLAIN_RUN
    assert served.predictor.session.slots == {}
    assert served.most_together == BUCKETS[-1]


def refuse_nhwc(graph, how):
    if "prefer_nhwc" in how.provider_options:
        raise RuntimeError('Unknown provider option: "prefer_nhwc".')
    return open_graph(graph, how)


def refuse_graphs(graph, how):
    if "enable_cuda_graph" in how.provider_options:
        raise NotRunnable("ONNX Runtime does not take the graph: not all nodes are on CUDA.")
    return open_graph(graph, how)


def refuse_all(graph, how):
    if how.provider_options:
        raise Unsupported("CUDA was asked for, but ONNX Runtime came up on nothing.")
    return open_graph(graph, how)


def come_up_elsewhere(graph, how):
    found = open_graph(graph, how)
    return replace(found, provider="Other") if how.provider_options else found


@pytest.mark.parametrize(
    "case",
    [
        (refuse_nhwc, "graphs-nchw", ["graphs", "bound"]),
        (refuse_graphs, "bound", ["graphs"]),
        (refuse_all, PLAIN_RUN, [way.name for way in WAYS]),
        (come_up_elsewhere, PLAIN_RUN, [way.name for way in WAYS]),
    ],
)
def test_a_way_that_does_not_open_is_told_and_dropped(open_here, path, opened, caplog, case):
    refuse, way, dropped = case
    opened(refuse)
    with caplog.at_level(logging.WARNING, "zoo.serving.cuda"):
        served = open_here()
    check(served, path)
    assert served.predictor.session.way == way
    assert [line.split("'")[1] for line in caplog.messages] == dropped


class Odd:
    """A session whose runs on buffers are not what they should be."""

    def __init__(self, session):
        self.session = session
        self.rows = None

    def __getattr__(self, name):
        return getattr(self.session, name)

    def run_with_iobinding(self, binding, options):
        self.session.run_with_iobinding(binding, options)
        (value,) = binding.get_outputs()
        value.update_inplace(np.ascontiguousarray(self.change(value.numpy().copy())))


class Shifted(Odd):
    """Gives each picture the row of the next one."""

    def change(self, rows):
        return np.roll(rows, 1, axis=0)


class Stale(Odd):
    """Gives the rows of its first run again, as a graph does that reads other buffers."""

    def change(self, rows):
        if self.rows is None or len(self.rows) != len(rows):
            self.rows = rows
        return self.rows


class Overwritten(Odd):
    """Gives other rows of few pictures once many were run, as where graphs share memory."""

    most = 0

    def change(self, rows):
        self.most = max(self.most, len(rows))
        return rows if len(rows) == self.most else rows[:, ::-1]


class Rounded(Odd):
    """Gives rows that are as far off as 16 bits make them."""

    def change(self, rows):
        return rows * np.float32(1.002)


class Broken(Odd):
    """Fails."""

    def run_with_iobinding(self, *_):
        raise onnxruntime.capi.onnxruntime_pybind11_state.EPFail("CUDA failure 700")


@pytest.mark.parametrize(
    "case",
    [
        (Shifted, "tuned", "something else"),
        (Stale, "tuned", "something else"),
        (Broken, "tuned", "CUDA failure 700"),
        (Overwritten, "bound", "once later ones"),
        (Rounded, "graphs", None),
    ],
)
def test_a_way_that_gives_something_else_is_told_and_dropped(open_here, path, opened, caplog, case):
    odd, way, reason = case
    opened(lambda *given: replace(found := open_graph(*given), session=odd(found.session)))
    with caplog.at_level(logging.WARNING, "zoo.serving.cuda"):
        served = open_here()
    assert served.predictor.session.way == way
    names = [one.name for one in WAYS]
    assert [line.split("'")[1] for line in caplog.messages] == names[: names.index(way)]
    assert all(reason in line for line in caplog.messages)
    if way == "tuned":  # on no buffers, so that nothing is odd
        check(served, path)


def test_where_memory_ends_so_do_the_buckets(open_here, path, monkeypatch, caplog):
    bind = Slot.bind

    def bind_few(session, shape, classes, memory):
        if shape[0] > 16:
            raise RuntimeError("CUDA error: out of memory")
        return bind(session, shape, classes, memory)

    monkeypatch.setattr(Slot, "bind", bind_few)
    with caplog.at_level(logging.WARNING, "zoo.serving.cuda"):
        served = open_here()
    check(served, path)
    # A graph whose capture failed may have left anything behind; buffers have not.
    assert [line.split("'")[1] for line in caplog.messages[:1]] == ["graphs"]
    assert "32 pictures and more" in caplog.messages[1]
    assert (served.predictor.session.way, served.most_together) == ("bound", 16)
    assert sorted(served.predictor.session.slots) == [1, 2, 4, 8, 16]


def test_plain_runs_may_end_before_the_last_bucket_too(open_here, monkeypatch):
    plainly = Bound.run

    def run(self, outputs, inputs):
        if len(inputs["images"]) > 4:
            raise RuntimeError("CUDA error: out of memory")
        return plainly(self, outputs, inputs)

    monkeypatch.setattr(Bound, "run", run)
    assert open_here(()).most_together == 4


def test_a_graph_that_fails_on_its_first_picture_is_refused(open_here, path, graph):
    nodes = [  # 0 / 0
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats", "axes"], ["scores"], keepdims=0),
        helper.make_node("Sub", ["scores", "scores"], ["nought"]),
        helper.make_node("Div", ["nought", "nought"], ["probabilities"]),
    ]
    path.write_bytes(graph(nodes=nodes))
    with pytest.raises(NotRunnable, match="no numbers"):
        open_here()


def test_a_dense_network_is_not_bound(tmp_path, dense_nets):
    path = tmp_path / "dense.onnx"
    path.write_bytes(dense_nets.write([dense_nets.conv(3), dense_nets.pool(2, 2)], crop=(6, 6)))
    served = open_fastest(path, device="cpu", lane=Lane(), ways=WAYS)
    assert served.predictor.session.way == "tuned"
    larger = np.random.default_rng(0).integers(0, 256, (1, 9, 11, 3), np.uint8)
    expected = open_graph(path).read_maps(larger)
    assert np.allclose(served.predictor.read_maps(larger), expected, atol=1e-6)


def test_pictures_that_ways_are_tried_by_differ():
    pictures = draw_pictures((8, 8))
    assert pictures.shape == (DISTINCT, 8, 8, 3)
    means = pictures.mean(axis=(1, 2))
    assert len(np.unique(means.round(1), axis=0)) == DISTINCT
    assert all(bucket == 1 or bucket % DISTINCT for bucket in BUCKETS)


@pytest.fixture
def loading(tmp_path, monkeypatch):
    """Load as where a driver is."""
    monkeypatch.setattr("zoo.serving.predictor.NVIDIA_DRIVER", tmp_path)
    monkeypatch.setattr("zoo.serving.predictor._providers", lambda *_: [CPU])
    return Loading(cache=GraphCache(folder=tmp_path / "graphs", most_bytes=2**20))


def test_a_driver_alone_changes_nothing(loading, path):
    served = loading.load("a", path)
    check(served, path)
    assert not isinstance(served.predictor.session, Bound)
    assert served.most_together == 1
    assert not isinstance(loading.load_network(path).network.session, Bound)


def test_what_comes_up_on_cuda_runs_on_the_lane(loading, path, monkeypatch):
    for room in ("cuda", "loading"):
        monkeypatch.setattr(f"zoo.serving.{room}.CUDA", CPU)
    served = loading.load("a", path)
    check(served, path)
    assert served.most_together == BUCKETS[-1]
    assert served.size_bytes >= path.stat().st_size
    network = loading.load_network(path).network
    assert served.predictor.session.lane is network.session.lane is loading.lane
    assert network.session.way == PLAIN_RUN


@pytest.mark.parametrize("is_there", [True, False])
def test_few_runs_are_under_way_on_a_gpu_that_is_really_used(tmp_path, monkeypatch, is_there):
    monkeypatch.setattr("zoo.serving.predictor.NVIDIA_DRIVER", tmp_path)  # A driver there is.
    if is_there:
        monkeypatch.setattr("zoo.serving.device.CUDA", CPU)
    service = Service.open(Settings(home=tmp_path, device="auto"), cache=tmp_path)
    runners = service.desk.dispatcher.runners
    assert runners.count == (RUNS_AT_ONCE if is_there else Runners().count)
    assert service.lines.loading.runners is runners
