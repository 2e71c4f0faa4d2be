"""A graph of others, wrapped, takes the zoo's pictures and gives what it gave before."""

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from zoo.domain.preprocessing import Channels, Preprocessing
from zoo.errors import MalformedCheckpoint, ParityBroken, Unsupported, WeightsMismatch
from zoo.export import foreign as foreign_module
from zoo.export import wrap
from zoo.export.wrap import check_wrapped, wrap_onnx
from zoo.networks.preprocess import Preprocess

PLAIN = Preprocessing(crop_px=(8, 6))
GRAY = replace(PLAIN, channels=Channels.GRAY, mean=(0.5,), std=(0.25,))


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(0, 0.5, shape).astype(np.float32)


def make(nodes, weights, *, shape, outputs=("scores",), **options):
    kind, opset = options.get("kind", TensorProto.FLOAT), options.get("opset", 17)
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "net",
        [value("images", kind, shape)],
        [value(name, kind, None) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    ends = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=ends, ir_version=9)


def classifier(*ends, channels=3, shape=None, dtype=np.float32, **options):
    """A convolution, an average and a classifier of five; ``ends`` are the operators after it."""
    nodes = [
        helper.make_node("Conv", ["images", "w"], ["probabilities"], pads=[1] * 4),
        helper.make_node("GlobalAveragePool", ["probabilities"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("Gemm", ["f", "c", "b"], ["gemm" if ends else "scores"]),
    ]
    names = ["gemm", *(f"end{i}" for i in range(len(ends) - 1)), "scores"]
    nodes += [
        helper.make_node(end, [names[i]], [names[i + 1]], **({"axis": 1} if "max" in end else {}))
        for i, end in enumerate(ends)
    ]
    drawn = {"w": draw(4, channels, 3, 3), "c": draw(4, 5, seed=1), "b": draw(5, seed=2)}
    weights = {name: array.astype(dtype) for name, array in drawn.items()}
    return make(nodes, weights, shape=shape or ["n", channels, "h", "w"], **options)


def softmax(scores):
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.fixture
def put(tmp_path):
    def write(model):
        (tmp_path / "theirs.onnx").write_bytes(model.SerializeToString())
        return tmp_path / "theirs.onnx"

    return write


@pytest.fixture
def check(run_graph, draw_images):
    """Compare with the graph as it came, fed by the zoo's own preprocessing, one at a time."""

    def compare(wrapped, model, preprocessing, expected=softmax):
        images = draw_images(4, *preprocessing.crop_px)
        x = Preprocess(preprocessing)(torch.tensor(images)).numpy()
        rows = [run_graph(model.SerializeToString(), {"images": one[None]}) for one in x]
        scores = np.concatenate([np.asarray(row, np.float32).reshape(1, -1) for row in rows])
        found = run_graph(wrapped.graph, {"images": images})
        np.testing.assert_allclose(found, expected(scores), rtol=0, atol=1e-5)

    return compare


def test_pictures_go_in_and_probabilities_come_out(put, check, properties_of, sides_of):
    model = classifier()
    wrapped = wrap_onnx(put(model), preprocessing=PLAIN, labels=tuple("abcde"))
    check(wrapped, model, PLAIN)
    onnx.checker.check_model(wrapped.graph, full_check=True)
    assert list(sides_of(wrapped.graph)) == ["images", "probabilities"]
    told = properties_of(wrapped.graph)
    assert json.loads(told["zoo.labels"]) == list("abcde")
    assert Preprocessing.from_json(json.loads(told["zoo.preprocessing"])) == PLAIN
    assert (told["zoo.softmax"], told["zoo.output"], told["zoo.batch"]) == (
        "added",
        "scores",
        "free",
    )


def test_what_the_zoo_serves_is_what_is_written(put, draw_images):
    from zoo.serving.predictor import open_predictor  # noqa: PLC0415

    wrapped = wrap_onnx(put(classifier()), preprocessing=PLAIN)
    predictor = open_predictor(wrapped.graph, device="cpu")
    assert predictor.labels == ("0", "1", "2", "3", "4")
    assert predictor.predict(draw_images(3, 8, 6)).shape == (3, 5)


@pytest.mark.parametrize(
    ("ends", "expected", "told"),
    [
        (("Softmax",), np.asarray, ""),
        (("Softmax", "Identity"), np.asarray, ""),
        (("LogSoftmax",), np.exp, "logarithms"),
        (("Sigmoid",), np.asarray, "sigmoids"),
        (("Relu",), softmax, "A softmax was added"),
    ],
)
def test_probabilities_are_made_of_what_the_graph_ends_in(put, ends, expected, told, check):
    model = classifier(*ends)
    wrapped = wrap_onnx(put(model), preprocessing=PLAIN)
    check(wrapped, model, PLAIN, expected)
    assert told in "".join(wrapped.notes)
    assert bool(wrapped.notes) is bool(told)


def test_gray_pictures_are_read_by_one_channel(put, check):
    model = classifier(channels=1)
    check(wrap_onnx(put(model), preprocessing=GRAY), model, GRAY)


def test_a_graph_with_channels_last_is_fed_so(put, draw_images, run_graph):
    nodes = [
        helper.make_node("Transpose", ["images"], ["t"], perm=[0, 3, 1, 2]),
        helper.make_node("GlobalAveragePool", ["t"], ["scores"]),
    ]
    model = make(nodes, {}, shape=["n", 8, 6, 3])
    images = draw_images(2, 8, 6)
    wrapped = wrap_onnx(put(model), preprocessing=PLAIN)
    x = Preprocess(PLAIN)(torch.tensor(images)).numpy()
    np.testing.assert_allclose(
        run_graph(wrapped.graph, {"images": images}), softmax(x.mean(axis=(2, 3))), atol=1e-5
    )


def test_a_graph_of_half_precision_is_fed_so(put, draw_images, run_graph):
    model = classifier(dtype=np.float16, kind=TensorProto.FLOAT16)
    wrapped = wrap_onnx(put(model), preprocessing=PLAIN)
    assert run_graph(wrapped.graph, {"images": draw_images(2, 8, 6)}).dtype == np.float32


def test_a_batch_of_one_that_is_written_in_is_opened(put, check, properties_of):
    nodes = [
        helper.make_node("Reshape", ["images", "flat"], ["f"]),
        helper.make_node("Gemm", ["f", "c"], ["scores"]),
    ]
    weights = {"flat": np.array([1, 144]), "c": draw(144, 5)}
    model = make(nodes, weights, shape=[1, 3, 8, 6])
    wrapped = wrap_onnx(put(model), preprocessing=PLAIN)
    check(wrapped, model, PLAIN)
    assert properties_of(wrapped.graph)["zoo.batch"] == "opened"


def test_a_batch_that_cannot_be_opened_is_run_one_by_one(put, check, properties_of):
    nodes = [
        helper.make_node("GlobalAveragePool", ["images"], ["g"]),
        helper.make_node("ReduceSum", ["g"], ["everything"], keepdims=1),
        helper.make_node("Mul", ["g", "everything"], ["scores"]),
    ]
    model = make(nodes, {}, shape=[1, 3, 8, 6])
    wrapped = wrap_onnx(put(model), preprocessing=PLAIN)
    check(wrapped, model, PLAIN)
    assert properties_of(wrapped.graph)["zoo.batch"] == "one by one"
    assert "one after the other" in wrapped.notes[-1]
    onnx.checker.check_model(wrapped.graph, full_check=True)


def test_a_graph_that_mixes_the_pictures_of_its_batch_is_refused(put):
    nodes = [
        helper.make_node("GlobalAveragePool", ["images"], ["g"]),
        helper.make_node("ReduceSum", ["g"], ["everything"], keepdims=1),
        helper.make_node("Mul", ["g", "everything"], ["scores"]),
    ]
    with pytest.raises(ParityBroken, match="something else"):
        wrap_onnx(put(make(nodes, {}, shape=[2, 3, 8, 6])), preprocessing=PLAIN)


def test_the_output_that_is_as_long_as_the_labels_is_taken(put, properties_of):
    nodes = [
        helper.make_node("GlobalAveragePool", ["images"], ["first"]),
        helper.make_node("Concat", ["first", "first"], ["second"], axis=1),
    ]
    model = make(nodes, {}, shape=["n", 3, 8, 6], outputs=("images2", "first", "second"))
    model.graph.node.append(helper.make_node("Relu", ["images"], ["images2"]))
    six = wrap_onnx(put(model), preprocessing=PLAIN, labels=tuple("abcdef"))
    assert properties_of(six.graph)["zoo.output"] == "second"
    assert "Of its 3 outputs 'second' was taken." in six.notes
    assert len(wrap_onnx(put(model), preprocessing=PLAIN).labels) == 3


def test_old_operations_are_converted(put, check):
    model = classifier("Softmax", opset=9)
    model.ir_version = 3
    model.graph.input.extend(
        helper.make_tensor_value_info(w.name, w.data_type, w.dims) for w in model.graph.initializer
    )
    wrapped = wrap_onnx(put(model), preprocessing=PLAIN)
    check(wrapped, model, PLAIN, np.asarray)
    assert wrapped.notes == ("Its operations were converted from version 9 to 13.",)


def test_tensors_of_other_files_are_put_inside(tmp_path, check):
    path = tmp_path / "theirs.onnx"
    model = classifier()
    onnx.save(model, path, save_as_external_data=True, location="theirs.data", size_threshold=0)
    beside = {"theirs.data": (tmp_path / "theirs.data").rename(tmp_path / "0123")}
    wrapped = wrap_onnx(path, preprocessing=PLAIN, external=beside)
    check_wrapped(wrapped.graph, path, PLAIN, external=beside)
    check(wrapped, classifier(), PLAIN)
    with pytest.raises(MalformedCheckpoint, match=r"theirs\.data"):
        wrap_onnx(path, preprocessing=PLAIN)


def test_a_branch_with_tensors_in_other_files_is_refused(put):
    tensor = numpy_helper.from_array(draw(1), "t")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    branch = helper.make_graph(
        [helper.make_node("Constant", [], ["z"], value=tensor)],
        "branch",
        [],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, [1])],
    )
    model = classifier()
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    model.graph.node.append(
        helper.make_node("If", ["yes"], ["z"], then_branch=branch, else_branch=branch)
    )
    with pytest.raises(Unsupported, match="no initializer, in another file"):
        wrap_onnx(put(model), preprocessing=PLAIN)


def test_labels_that_are_too_few_are_refused(put):
    with pytest.raises(WeightsMismatch, match=r"5 scores .* 2 labels"):
        wrap_onnx(put(classifier()), preprocessing=PLAIN, labels=("a", "b"))


def test_pictures_of_another_size_are_refused(put):
    path = put(classifier(shape=["n", 3, 8, 8]))
    with pytest.raises(Unsupported, match="reads 3 channels of 8 x 8"):
        wrap_onnx(path, preprocessing=PLAIN)
    with pytest.raises(Unsupported, match="reads 3 channels"):
        wrap_onnx(path, preprocessing=GRAY)


def test_a_graph_without_a_row_of_scores_is_refused(put):
    model = make([helper.make_node("Relu", ["images"], ["scores"])], {}, shape=["n", 3, 8, 6])
    with pytest.raises(Unsupported, match="no row of scores"):
        wrap_onnx(put(model), preprocessing=PLAIN)


def test_a_graph_without_a_picture_is_refused(put):
    model = make([helper.make_node("Relu", ["images"], ["scores"])], {}, shape=["n", 7])
    with pytest.raises(Unsupported, match="cannot classify pictures"):
        wrap_onnx(put(model), preprocessing=PLAIN)


def test_more_than_a_file_can_hold_is_refused(put, monkeypatch):
    monkeypatch.setattr(foreign_module, "LARGEST", 100)
    with pytest.raises(Unsupported, match="more than one ONNX file can hold"):
        wrap_onnx(put(classifier()), preprocessing=PLAIN)
    monkeypatch.undo()
    monkeypatch.setattr(wrap, "LARGEST", 100)
    with pytest.raises(Unsupported, match="more than one ONNX file can hold"):
        wrap_onnx(put(classifier()), preprocessing=PLAIN)


def test_another_graph_is_not_taken_for_the_one_within(put):
    wrapped = wrap_onnx(put(classifier()), preprocessing=PLAIN)
    path = put(classifier())
    check_wrapped(wrapped.graph, path, PLAIN)
    other = put(classifier("Relu", "Softmax"))
    with pytest.raises(ParityBroken, match="something else"):
        check_wrapped(wrapped.graph, other, PLAIN)


def test_the_same_graph_gives_the_same_bytes(put):
    first, second = (wrap_onnx(put(classifier()), preprocessing=PLAIN).graph for _ in range(2))
    assert first == second
