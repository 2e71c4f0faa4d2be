"""What came from an ONNX graph goes out again, and computes the same."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from zoo.domain.recipe import Source
from zoo.export.plain import write_graph
from zoo.formats.onnx.plan import onnx_weights
from zoo.formats.onnx.reading import read_onnx
from zoo.networks.build import load_weights
from zoo.networks.onnx.build import build_onnx

SIDES = (4, 6, 8)


def draw(*shape, seed=0, low=-1.0):
    return np.random.default_rng(seed).uniform(low, 1, shape).astype(np.float32)


def whole(*numbers):
    return np.array(numbers, np.int64)


# Operator, constants after the first input, attributes.
CASES = {
    "abs": ("Abs", [], {}),
    "add": ("Add", [draw(6, 8)], {}),
    "average of what counts": (
        "AveragePool",
        [],
        {"kernel_shape": [3, 3], "pads": [0, 1, 1, 1], "strides": [2, 2]},
    ),
    "celu": ("Celu", [], {"alpha": 0.5}),
    "clip": ("Clip", [np.float32(-0.5), np.float32(0.25)], {}),
    "clip above": ("Clip", ["", np.float32(0.25)], {}),
    "clip below": ("Clip", [np.float32(0.25)], {}),
    "depth to space": ("DepthToSpace", [], {"blocksize": 2}),
    "divide": ("Div", [draw(8, low=0.5)], {}),
    "erf": ("Erf", [], {}),
    "gather one": ("Gather", [np.array(-1)], {"axis": 2}),
    "gather some": ("Gather", [whole(2, 0)], {"axis": 1}),
    "gelu": ("Gelu", [], {}),
    "hard sigmoid": ("HardSigmoid", [], {}),
    "hard sigmoid of torch": ("HardSigmoid", [], {"alpha": 1 / 6}),
    "hard swish": ("HardSwish", [], {}),
    "instance norm": ("InstanceNormalization", [draw(4), draw(4, seed=1)], {}),
    "layer norm": ("LayerNormalization", [draw(8), draw(8, seed=1)], {}),
    "logarithm of softmax": ("LogSoftmax", [], {"axis": 1}),
    "maximum": ("Max", [draw(8)], {}),
    "mish": ("Mish", [], {}),
    "pad": ("Pad", [whole(0, 1, 2, 0, 0, 0, 1, 3), np.float32(0.5)], {}),
    "pad by the edge": ("Pad", [whole(0, 0, 2, 1, 0, 0, 1, 0)], {"mode": "edge"}),
    "power": ("Pow", [np.float32(2)], {}),
    "relu6": ("Clip", [np.float32(0), np.float32(6)], {}),
    "repeat pixels": (
        "Resize",
        ["", np.float32([1, 1, 2, 3])],
        {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
    ),
    "reshape": ("Reshape", [whole(-1, 2, 2, 48)], {}),
    "resize": ("Resize", ["", np.float32([1, 1, 2, 2])], {"mode": "linear"}),
    "resize corners": (
        "Resize",
        ["", np.float32([1, 1, 2, 2])],
        {"mode": "linear", "coordinate_transformation_mode": "align_corners"},
    ),
    "resize to a size": ("Resize", ["", "", whole(1, 4, 9, 11)], {"mode": "linear"}),
    "scale": ("Mul", [draw(4, 1, 1)], {}),
    "slice": ("Slice", [whole(1, 0), whole(3, 9), whole(1, 3), whole(1, 2)], {}),
    "softsign": ("Softsign", [], {}),
    "subtract": ("Sub", [draw(1, 1, 8)], {}),
    "sum": ("ReduceSum", [whole(1, 3)], {"keepdims": 0}),
    "transpose": ("Transpose", [], {"perm": [0, 2, 3, 1]}),
    "unsqueeze": ("Unsqueeze", [whole(1, 3)], {}),
}
PAIRS = ["Add", "Div", "Max", "Min", "Mul", "Pow", "Sub"]


def make(nodes, weights=None, shape=("N", *SIDES), opset=20):
    value = helper.make_tensor_value_info
    tensors = [numpy_helper.from_array(np.asarray(t), name) for name, t in (weights or {}).items()]
    given, found = value("x", TensorProto.FLOAT, shape), value("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "net", [given], [found], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


@pytest.fixture(scope="module")
def go_round(tmp_path_factory, run_graph):
    """Read a graph, build its network, write that, and compare both graphs on some pictures."""
    path = tmp_path_factory.mktemp("graphs") / "net.onnx"

    def check(model, sides=SIDES, count=3):
        path.write_bytes(model.SerializeToString())
        network = build_onnx(Source(kind="onnx", path="net.onnx"), {"net.onnx": path})
        load_weights(network, onnx_weights(read_onnx(path)))
        written = write_graph(network, inputs={"x": (1, *sides)})
        onnx.checker.check_model(written, full_check=True)
        x = draw(count, *sides, low=0.1)
        graphs = (written, model.SerializeToString())
        ours, theirs = (run_graph(graph, {"x": x}) for graph in graphs)
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
        return written

    return check


@pytest.mark.parametrize("name", CASES)
def test_an_operation_is_written_again(go_round, name):
    operator, reads, attributes = CASES[name]
    weights = {f"w{i}": read for i, read in enumerate(reads) if not isinstance(read, str)}
    names = [read if isinstance(read, str) else f"w{i}" for i, read in enumerate(reads)]
    node = helper.make_node(operator, ["x", *names], ["y"], **attributes)
    go_round(make([node], weights), count=1 if name == "resize to a size" else 3)


@pytest.mark.parametrize("operator", PAIRS)
def test_an_operation_of_two_values_is_written_again(go_round, operator):
    nodes = [
        helper.make_node("Sigmoid", ["x"], ["a"]),
        helper.make_node("Sqrt", ["x"], ["b"]),
        helper.make_node(operator, ["a", "b"], ["y"]),
    ]
    go_round(make(nodes))


def test_a_constant_that_comes_first_stays_so(go_round):
    go_round(make([helper.make_node("Sub", ["w", "x"], ["y"])], {"w": np.float32(3)}))


def test_groups_are_normalised_as_before(go_round):
    node = helper.make_node("GroupNormalization", ["x", "s", "b"], ["y"], num_groups=2)
    go_round(make([node], {"s": draw(4), "b": draw(4, seed=1)}, opset=21))


def test_a_transformers_parts_are_written_again(go_round):
    nodes = [
        helper.make_node("Concat", ["token", "x"], ["t"], axis=1),
        helper.make_node("MatMul", ["t", "w"], ["q"]),
        helper.make_node("Transpose", ["q"], ["k"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["q", "k"], ["s"]),
        helper.make_node("Softmax", ["s"], ["p"], axis=-1),
        helper.make_node("MatMul", ["p", "t"], ["r"]),
        helper.make_node("Slice", ["r", "zero", "one", "one"], ["first"]),
        helper.make_node("Squeeze", ["first", "one"], ["y"]),
    ]
    weights = {"token": draw(1, 1, 6), "w": draw(6, 6), "zero": whole(0), "one": whole(1)}
    go_round(make(nodes, weights, shape=("N", 5, 6)), sides=(5, 6), count=1)


def test_a_layer_with_sizes_of_its_own_fixes_the_size_of_pictures(go_round, sides_of):
    node = helper.make_node("Reshape", ["x", "s"], ["y"])
    written = go_round(make([node], {"s": whole(0, 2, 2, -1)}))
    assert sides_of(written)["x"][1:] == list(SIDES)
