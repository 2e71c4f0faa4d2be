"""Every operation that becomes a layer computes what ONNX Runtime computes."""

from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from zoo.domain.recipe import Source
from zoo.formats.onnx.plan import find_unconvertible, onnx_weights
from zoo.formats.onnx.reading import read_onnx
from zoo.networks.build import build_network, load_weights
from zoo.networks.onnx.build import build_onnx

OPSET = 20
SOURCE = Source(kind="onnx", path="net.onnx")
MAP = ("N", 4, 6, 8)
ROW = ("N", 12)
TOKENS = ("N", 5, 6)


def draw(*shape, seed=0, low=-1.0, high=1.0):
    return np.random.default_rng(seed).uniform(low, high, shape).astype(np.float32)


def whole(*numbers):
    return np.array(numbers, np.int64)


def make(*nodes, shape=MAP, weights=None, opset=OPSET, outputs=("y",)):
    """Write a graph from ``x`` to ``y``; tensors are initializers in the order given."""
    initializers = [numpy_helper.from_array(value, name) for name, value in (weights or {}).items()]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "net",
        [value("x", TensorProto.FLOAT, shape)],
        [value(name, TensorProto.FLOAT, None) for name in outputs],
        initializers,
    )
    ends = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=ends, ir_version=10)


def one(operator, *reads, shape=MAP, opset=OPSET, **attributes):
    """Write a graph of one node; arrays become initializers."""
    weights = {f"w{i}": np.asarray(r) for i, r in enumerate(reads) if not isinstance(r, str)}
    names = [r if isinstance(r, str) else f"w{i}" for i, r in enumerate(reads)]
    node = helper.make_node(operator, names, ["y"], name="the/node", **attributes)
    return make(node, shape=shape, weights=weights, opset=opset)


@pytest.fixture(scope="module")
def compare(tmp_path_factory):
    """Compare a model in ONNX Runtime with the network built of it, on one picture and on three."""
    path = tmp_path_factory.mktemp("graphs") / "net.onnx"

    def compare_both(model, *, atol=1e-5, low=-1.0, counts=(1, 3)):
        path.write_bytes(model.SerializeToString())
        read = read_onnx(path)
        assert find_unconvertible(read) == ()
        network = build_onnx(SOURCE, {"net.onnx": path})
        load_weights(network, onnx_weights(read))
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        sides = [side.dim_value for side in model.graph.input[0].type.tensor_type.shape.dim][1:]
        for count in counts:
            x = draw(count, *sides, seed=count, low=low)
            expected = session.run(None, {"x": x})
            with torch.inference_mode():
                found = network(torch.tensor(x))
            every = found if isinstance(found, tuple) else (found,)
            for ours, theirs in zip(every, expected, strict=True):
                assert tuple(ours.shape) == theirs.shape
                np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-4, atol=atol)
        return SimpleNamespace(network=network, weights=onnx_weights(read))

    return compare_both


ACTIVATIONS = {
    "Abs": {},
    "Celu": {"alpha": 1.5},
    "Elu": {"alpha": 0.5},
    "Erf": {},
    "Exp": {},
    "Floor": {},
    "Gelu": {},
    "HardSigmoid": {},
    "HardSwish": {},
    "Identity": {},
    "LeakyRelu": {"alpha": 0.3},
    "LogSoftmax": {"axis": 1},
    "Mish": {},
    "Neg": {},
    "Relu": {},
    "Sigmoid": {},
    "Softmax": {"axis": -1},
    "Softplus": {},
    "Softsign": {},
    "Tanh": {},
}


@pytest.mark.parametrize("operator", ACTIVATIONS)
def test_an_activation_computes_the_same(compare, operator):
    node = helper.make_node(operator, ["x"], ["a"], **ACTIVATIONS[operator])
    compare(make(node, helper.make_node("Relu", ["a"], ["y"])))


@pytest.mark.parametrize("operator", ["Log", "Reciprocal", "Sqrt"])
def test_a_function_of_positive_numbers_computes_the_same(compare, operator):
    compare(one(operator, "x"), low=0.1)


CASES = {
    "gelu of tanh": one("Gelu", "x", approximate="tanh"),
    "hard sigmoid of torch": one("HardSigmoid", "x", alpha=1 / 6, beta=0.5),
    "prelu a channel": one("PRelu", "x", draw(4, 1, 1)),
    "prelu for all": one("PRelu", "x", draw(1)),
    "clip": one("Clip", "x", np.float32(-0.5), np.float32(0.25)),
    "clip above": one("Clip", "x", "", np.float32(0.25)),
    "clip to six": one("Clip", "x", np.float32(0), np.float32(6)),
    "clip by attributes": one("Clip", "x", min=0.0, max=0.5, opset=7),
    "dropout": one("Dropout", "x", np.float32(0.3)),
    "gemm": one("Gemm", "x", draw(12, 5), draw(5), shape=ROW, alpha=0.5, beta=2.0),
    "gemm turned": one("Gemm", "x", draw(5, 12), draw(1), shape=ROW, transB=1),
    "gemm without bias": one("Gemm", "x", draw(12, 5), shape=ROW),
    "matmul": one("MatMul", "x", draw(12, 5), shape=ROW),
    "matmul of tokens": one("MatMul", "x", draw(6, 3), shape=TOKENS),
    "batch norm": one(
        "BatchNormalization", "x", *(draw(4, seed=i, low=0.5, high=2) for i in range(4))
    ),
    "batch norm of rows": one(
        "BatchNormalization",
        "x",
        *(draw(12, seed=i, low=0.5, high=2) for i in range(4)),
        shape=ROW,
        epsilon=1e-3,
    ),
    "instance norm": one("InstanceNormalization", "x", draw(4), draw(4, seed=1)),
    "layer norm": one("LayerNormalization", "x", draw(6), draw(6, seed=1), shape=TOKENS),
    "layer norm without bias": one("LayerNormalization", "x", draw(8)),
    "layer norm of two axes": one("LayerNormalization", "x", draw(6, 8), axis=2),
    "group norm": one("GroupNormalization", "x", draw(4), draw(4, seed=1), num_groups=2, opset=21),
    "local response": one("LRN", "x", size=3, alpha=0.5, beta=0.6, bias=2.0),
    "global average": one("GlobalAveragePool", "x"),
    "global maximum": one("GlobalMaxPool", "x"),
    "average of maps": one("ReduceMean", "x", whole(2, 3), keepdims=1),
    "average of maps, flat": one("ReduceMean", "x", whole(-1, -2), keepdims=0),
    "average by attributes": one("ReduceMean", "x", axes=[2, 3], keepdims=0, opset=13),
    "sum over channels": one("ReduceSum", "x", whole(1)),
    "largest of rows": one("ReduceMax", "x", whole(3), keepdims=0),
    "smallest of rows": one("ReduceMin", "x", whole(3), keepdims=0),
    "length": one("ReduceL2", "x", whole(-1)),
    "old softmax": one("Softmax", "x", shape=ROW, opset=9),
    "flatten": one("Flatten", "x"),
    "reshape by zero": one("Reshape", "x", whole(0, -1)),
    "reshape in groups": one("Reshape", "x", whole(-1, 2, 2, 6, 8)),
    "reshape to more rows": one("Reshape", "x", whole(-1, 8)),
    "transpose": one("Transpose", "x", perm=[0, 2, 3, 1]),
    "squeeze": one("Squeeze", "x", whole(1), shape=("N", 1, 6)),
    "squeeze maps": one("Squeeze", "x", whole(2, 3), shape=("N", 4, 1, 1)),
    "unsqueeze": one("Unsqueeze", "x", whole(-1, 2), shape=TOKENS),
    "slice": one("Slice", "x", whole(1, -6), whole(3, 2**40), whole(1, 3), whole(1, 2)),
    "slice by attributes": one("Slice", "x", starts=[1], ends=[-1], axes=[2], opset=9),
    "gather one": one("Gather", "x", np.array(-1, np.int64), axis=2),
    "gather some": one("Gather", "x", whole(2, 0, -1), axis=1),
    "pad": one("Pad", "x", whole(0, 1, 2, 0, 0, 0, 1, 3), np.float32(0.5)),
    "pad some axes": one("Pad", "x", whole(1, 2, 0, 1), "", whole(-1, 1)),
    "pad by reflection": one("Pad", "x", whole(0, 0, 2, 1, 0, 0, 1, 0), mode="reflect"),
    "pad by the edge": one("Pad", "x", whole(0, 0, 2, 1, 0, 0, 1, 0), mode="edge"),
    "pad by attributes": one("Pad", "x", pads=[0, 0, 1, 1, 0, 0, 1, 1], opset=10),
    "depth first": one("DepthToSpace", "x", blocksize=2),
    "columns first": one("DepthToSpace", "x", blocksize=2, mode="CRD"),
    "sum with itself": one("Sum", "x", "x", "x"),
    "sum of one": one("Sum", "x"),
    "maximum": one("Max", "x", np.float32(0.2)),
    "minimum": one("Min", "x", draw(8)),
    "add an array": one("Add", "x", draw(6, 8)),
    "add a channel": one("Add", "x", draw(1, 4, 1, 1)),
    "subtract from": one("Sub", np.float32(3), "x"),
    "divide": one("Div", "x", draw(4, 1, 1, low=1, high=2)),
    "scale": one("Mul", "x", draw(4, 1, 1)),
    "square": one("Pow", "x", np.float32(2)),
    "mul by itself": one("Mul", "x", "x"),
    "cast": one("Cast", "x", to=TensorProto.FLOAT),
    "add and multiply of tokens": one("Mul", "x", draw(6), shape=TOKENS),
    "transposed": one("ConvTranspose", "x", draw(4, 3, 2, 2), draw(3), strides=[2, 2]),
    "transposed in groups": one(
        "ConvTranspose",
        "x",
        draw(4, 3, 3, 3),
        group=2,
        strides=[2, 1],
        pads=[1, 1, 1, 1],
        output_padding=[1, 0],
    ),
    "twice as large": one(
        "Resize",
        "x",
        "",
        np.float32([1, 1, 2, 3]),
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    ),
    "twice as large of halves": one("Resize", "x", "", np.float32([1, 1, 2, 2]), mode="nearest"),
    "drawn between": one("Resize", "x", "", np.float32([1, 1, 2, 2]), mode="linear"),
    "drawn between corners": one(
        "Resize",
        "x",
        "",
        np.float32([1, 1, 2, 2]),
        mode="linear",
        coordinate_transformation_mode="align_corners",
    ),
    "upsample": one("Upsample", "x", np.float32([1, 1, 2, 2]), mode="nearest", opset=9),
    "upsample by attributes": one(
        "Upsample", "x", scales=[1.0, 1.0, 2.0, 2.0], mode="nearest", opset=7
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_an_operation_computes_the_same(compare, name):
    compare(CASES[name])


def test_axes_of_one_are_dropped_but_not_the_batch(compare):
    model = one("Squeeze", "x", shape=("N", 1, 6, 1), opset=11)
    network = compare(model, counts=(3,)).network
    assert network(torch.zeros(1, 1, 6, 1)).shape == (1, 6)


def test_parts_of_a_split_are_slices(compare):
    node = helper.make_node("Split", ["x", "s"], ["a", "b"], axis=1)
    join = helper.make_node("Concat", ["b", "a", "b"], ["y"], axis=1)
    compare(make(node, join, weights={"s": whole(1, 3)}))
    even = helper.make_node("Split", ["x"], ["a", "b"], axis=-1, num_outputs=2)
    compare(make(even, helper.make_node("Sub", ["a", "b"], ["y"])))


def test_values_of_one_input_are_joined_by_every_operator(compare):
    for operator in ("Add", "Div", "Max", "Min", "Mul", "Pow", "Sub"):
        first = helper.make_node("Sigmoid", ["x"], ["a"])
        second = helper.make_node("Softplus", ["x"], ["b"])
        compare(make(first, second, helper.make_node(operator, ["a", "b"], ["y"])))


def test_attention_computes_the_same(compare):
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["x", "t"], ["s"]),
        helper.make_node("Softmax", ["s"], ["p"], axis=-1),
        helper.make_node("MatMul", ["p", "x"], ["y"]),
    ]
    compare(make(*nodes, shape=TOKENS))


W = draw(6, 8)
# Operator, its constants, attributes, and the version where it is not the usual one.
CONSTANTS = {
    "add": ("Add", [W, draw(8)], {}),
    "cast": ("Cast", [whole(1, 2, 3, 4, 5, 6, 7, 8)], {"to": TensorProto.FLOAT}),
    "ceil": ("Ceil", [W], {}),
    "concat": ("Concat", [W[:2], W[2:]], {"axis": 0}),
    "constant of a shape": ("ConstantOfShape", [whole(6, 8)], {}),
    "divide": ("Div", [W, draw(8, low=0.5)], {}),
    "exp": ("Exp", [W], {}),
    "expand": ("Expand", [draw(1, 8), whole(6, 1)], {}),
    "floor": ("Floor", [W], {}),
    "gather": ("Gather", [draw(9, 8), whole(5, 4, 3, 2, 1, -1)], {"axis": 0}),
    "identity": ("Identity", [W], {}),
    "multiply": ("Mul", [W, draw(8)], {}),
    "negate": ("Neg", [W], {}),
    "power": ("Pow", [draw(6, 8, low=0.1), np.float32(0.5)], {}),
    "range": ("Range", [np.float32(0), np.float32(4), np.float32(0.5)], {}),
    "reciprocal": ("Reciprocal", [draw(8, low=0.5)], {}),
    "reshape": ("Reshape", [draw(8, 6), whole(6, -1)], {}),
    "root": ("Sqrt", [draw(8, low=0.5)], {}),
    "slice": ("Slice", [draw(9, 9), whole(1, 0), whole(7, -1), whole(0, -1)], {}),
    "slice in steps": ("Slice", [draw(16), whole(0), whole(99), whole(0), whole(2)], {}),
    "squeeze": ("Squeeze", [draw(1, 6, 8), whole(0)], {}),
    "subtract": ("Sub", [W, draw(8)], {}),
    "transpose": ("Transpose", [draw(8, 6)], {"perm": [1, 0]}),
    "unsqueeze": ("Unsqueeze", [draw(8), whole(0)], {}),
    "a number": ("Constant", [], {"value_float": 0.5}),
    "numbers": ("Constant", [], {"value_floats": [0.5] * 8}),
    "a tensor": ("Constant", [], {"value": numpy_helper.from_array(W)}),
}


@pytest.mark.parametrize("name", CONSTANTS)
def test_constants_are_computed_in_advance(compare, name):
    operator, reads, attributes = CONSTANTS[name]
    weights = {f"w{i}": np.asarray(read) for i, read in enumerate(reads)}
    nodes = [
        helper.make_node(operator, list(weights), ["c"], **attributes),
        helper.make_node("Mul", ["x", "c"], ["y"]),
    ]
    compare(make(*nodes, weights=weights))


def test_a_size_that_is_computed_may_be_resized_to(compare):
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Slice", ["shape", "zero", "two"], ["maps"]),
        helper.make_node("Slice", ["shape", "two", "four"], ["sides"]),
        helper.make_node("Mul", ["sides", "two"], ["twice"]),
        helper.make_node("Sub", ["twice", "one"], ["less"]),
        helper.make_node("Add", ["less", "one"], ["same"]),
        helper.make_node("Cast", ["same"], ["cast"], to=TensorProto.INT64),
        helper.make_node("Concat", ["maps", "cast"], ["size"], axis=0),
        helper.make_node("Resize", ["x", "", "", "size"], ["y"], mode="nearest"),
    ]
    weights = {"zero": whole(0), "one": whole(1), "two": whole(2), "four": whole(4)}
    compare(make(*nodes, weights=weights))


@pytest.mark.parametrize("rows", [None, 1])
def test_a_batch_is_followed_behind_other_axes(compare, rows):
    """As in multi-head attention: tokens first, then three parts, heads within the batch's axis."""
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[1, 0, 2]),
        helper.make_node("Reshape", ["t", "parts"], ["p"]),
        helper.make_node("Transpose", ["p"], ["q"], perm=[2, 0, 1, 3]),
        helper.make_node("Gather", ["q", "one"], ["k"], axis=0),
        helper.make_node("Reshape", ["k", "heads"], ["h"]),
        helper.make_node("Transpose", ["h"], ["r"], perm=[1, 0, 2]),
        helper.make_node("Reshape", ["r", "flat"], ["y"]),
    ]
    weights = {
        "parts": whole(5, -1, 3, 2),
        "one": np.array(1, np.int64),
        "heads": whole(5, -1, 1),
        "flat": whole(-1, 10) if rows is None else whole(rows, 10),
    }
    network = compare(
        make(*nodes, shape=(rows or "N", 5, 6), weights=weights),
        counts=(1, 3) if rows is None else (1,),
    ).network
    assert network(torch.zeros(4, 5, 6)).shape == (4, 10)


@pytest.mark.parametrize(
    ("operator", "reads", "attributes", "reason"),
    [
        ("Slice", [whole(0), whole(1), whole(0)], {}, "takes some pictures"),
        ("Gather", [whole(0)], {"axis": 0}, "takes some pictures"),
        ("ReduceMean", [whole(0, 1)], {}, "mixes the pictures"),
        ("Concat", ["x"], {"axis": 0}, "joins pictures"),
        ("Squeeze", [whole(0)], {}, "drops axes"),
        ("Reshape", [whole(4, 48)], {}, "without the batch"),
        ("Reshape", [whole(0, 5, -1)], {}, "divides 192 numbers by 5"),
        ("Pad", [whole(1, 0, 0, 0, 0, 0, 0, 0)], {}, "pads by"),
        ("Slice", [whole(2), whole(0), whole(1), whole(-1)], {}, "slices backwards"),
        ("Add", [draw(2, 1, 1, 1)], {}, "other numbers for every picture"),
        ("LRN", [], {"size": 2}, "not odd"),
        ("Conv", [draw(4, 4, 3)], {}, "not of two dimensions"),
        ("Conv", [draw(4, 3, 3, 3)], {}, "with weights of"),
        ("Gemm", [draw(8, 2)], {}, "no matrix"),
        ("BatchNormalization", [draw(5)] * 4, {}, "with weights of"),
        ("MaxPool", [], {"kernel_shape": [9, 9]}, "larger than its input"),
        ("AveragePool", [], {"kernel_shape": [2, 2], "dilations": [2, 2]}, "with gaps"),
        ("Resize", ["", np.float32([1, 1, 1.5, 1])], {}, "no whole factors"),
        ("Resize", ["", np.float32([1, 1, 2, 2])], {"mode": "cubic"}, "in the mode cubic"),
        ("Cast", [], {"to": TensorProto.INT64}, "other numbers than floats"),
        ("Add", ["x", "x"], {"domain": "own"}, "is an operation of own itself"),
        ("TopK", [whole(1)], {}, "no equal"),
    ],
)
def test_what_would_compute_something_else_is_refused(
    tmp_path, operator, reads, attributes, reason
):
    path = tmp_path / "net.onnx"
    path.write_bytes(one(operator, "x", *reads, **attributes).SerializeToString())
    (found,) = find_unconvertible(read_onnx(path))
    assert found.startswith(f"{operator} 'the/node' ")
    assert reason in found


def test_a_sum_after_a_product_is_its_bias(compare):
    nodes = [
        helper.make_node("MatMul", ["x", "fc.weight"], ["p"]),
        helper.make_node("Add", ["b", "p"], ["y"]),
    ]
    found = compare(make(*nodes, shape=ROW, weights={"fc.weight": draw(12, 5), "b": draw(5)}))
    assert {name: value.shape for name, value in found.weights.items()} == {
        "fc.weight": (5, 12),
        "fc.bias": (5,),
    }


def test_a_product_that_is_read_twice_keeps_its_sum_apart(compare):
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["p"]),
        helper.make_node("Add", ["p", "b"], ["q"]),
        helper.make_node("Mul", ["p", "q"], ["y"]),
    ]
    compare(make(*nodes, shape=ROW, weights={"w": draw(12, 5), "b": draw(5)}))


def test_a_module_is_shared_where_its_weights_are(compare):
    nodes = [
        helper.make_node("Gemm", ["x", "fc.weight", "fc.bias"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Gemm", ["b", "fc.weight", "fc.bias"], ["y"]),
    ]
    weights = {"fc.weight": draw(12, 12), "fc.bias": draw(12)}
    assert list(compare(make(*nodes, shape=ROW, weights=weights)).weights) == list(weights)


def test_a_class_token_is_repeated_for_every_picture(compare):
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "zero"], ["count"]),
        helper.make_node("Unsqueeze", ["count", "axis"], ["row"]),
        helper.make_node("Concat", ["row", "rest"], ["wanted"], axis=0),
        helper.make_node("Expand", ["token", "wanted"], ["tokens"]),
        helper.make_node("Concat", ["tokens", "x"], ["y"], axis=1),
    ]
    weights = {
        "zero": np.array(0, np.int64),
        "axis": whole(0),
        "rest": whole(1, 6),
        "token": draw(1, 1, 6),
    }
    compare(make(*nodes, shape=TOKENS, weights=weights))


def test_a_reshape_by_the_sizes_of_its_input_follows_the_batch(compare):
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "zero"], ["count"]),
        helper.make_node("Gather", ["shape", "one"], ["channels"]),
        helper.make_node("Div", ["channels", "two"], ["half"]),
        helper.make_node("Unsqueeze", ["count", "axis"], ["a"]),
        helper.make_node("Unsqueeze", ["half", "axis"], ["b"]),
        helper.make_node("Concat", ["a", "two1", "b", "rest"], ["wanted"], axis=0),
        helper.make_node("Reshape", ["x", "wanted"], ["groups"]),
        helper.make_node("Transpose", ["groups"], ["turned"], perm=[0, 2, 1, 3, 4]),
        helper.make_node("Reshape", ["turned", "shape"], ["y"]),
    ]
    weights = {
        "zero": np.array(0, np.int64),
        "one": np.array(1, np.int64),
        "two": np.array(2, np.int64),
        "two1": whole(2),
        "axis": whole(0),
        "rest": whole(6, 8),
    }
    compare(make(*nodes, weights=weights))


def test_a_batch_that_is_written_in_becomes_free(compare):
    def flat(rows):
        nodes = [
            helper.make_node("Reshape", ["x", "flat"], ["r"]),
            helper.make_node("Gemm", ["r", "w"], ["y"]),
        ]
        weights = {"flat": whole(rows, 192), "w": draw(192, 3)}
        return make(*nodes, shape=(rows, 4, 6, 8), weights=weights)

    network = compare(flat(1), counts=(1,)).network
    assert network(torch.zeros(5, 4, 6, 8)).shape == (5, 3)
    assert compare(flat(2), counts=(2,)).network(torch.zeros(5, 4, 6, 8)).shape == (5, 3)


sizes = st.integers(1, 3)
paddings = st.tuples(*[st.integers(0, 2)] * 4)


@settings(deadline=None, max_examples=80)
@given(st.tuples(*[st.tuples(sizes, sizes)] * 3), paddings, st.data())
def test_every_convolution_computes_the_same(compare, window, pads, data):
    kernel, stride, dilation = window
    group = data.draw(st.sampled_from([1, 2, 4]))
    automatic = data.draw(st.sampled_from(["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"]))
    chosen = {"pads": list(pads)} if automatic == "NOTSET" else {"auto_pad": automatic}
    weight, bias = draw(4, 4 // group, *kernel), draw(4, seed=1)
    if automatic.startswith("SAME"):
        dilation = (1, 1)  # which is all that ONNX Runtime takes
    attributes = {"strides": list(stride), "dilations": list(dilation), "group": group}
    shape = ("N", 4, 9, 10)
    compare(one("Conv", "x", weight, bias, shape=shape, **attributes, **chosen))


@settings(deadline=None, max_examples=120)
@given(st.tuples(sizes, sizes), st.tuples(sizes, sizes), paddings, st.data())
def test_every_pooling_computes_the_same(compare, kernel, stride, pads, data):
    operator = data.draw(st.sampled_from(["MaxPool", "AveragePool"]))
    limit = [*kernel, *kernel]
    attributes = {
        "kernel_shape": list(kernel),
        "strides": list(stride),
        "pads": [min(pad, size - 1) for pad, size in zip(pads, limit, strict=True)],
        "ceil_mode": data.draw(st.integers(0, 1)),
    }
    if operator == "AveragePool":
        attributes["count_include_pad"] = data.draw(st.integers(0, 1))
    is_even = attributes["pads"][:2] == attributes["pads"][2:]
    is_wide = any(2 * pad > size for pad, size in zip(attributes["pads"], limit, strict=True))
    if attributes["ceil_mode"] and (not is_even or is_wide):
        attributes["ceil_mode"] = 0
    compare(one(operator, "x", **attributes))


@settings(deadline=None, max_examples=60)
@given(st.permutations([4, 6, 8]), st.integers(0, 3), st.integers(0, 2), st.booleans())
def test_every_reshape_of_pictures_computes_the_same(compare, sides, joined, open_at, is_zero):
    rest = list(sides)
    if joined < 2:
        rest[joined : joined + 2] = [rest[joined] * rest[joined + 1]]
    if is_zero:
        rest[open_at % len(rest)] = -1
    compare(one("Reshape", "x", whole(0 if is_zero else -1, *rest)))


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 3), st.integers(-9, 9), st.integers(-9, 9), st.integers(1, 3))
def test_every_slice_that_takes_something_computes_the_same(compare, axis, start, end, step):
    size = MAP[axis]
    if not range(*slice(start, end, step).indices(size)):
        start, end = 0, size
    compare(one("Slice", "x", whole(start), whole(end), whole(axis), whole(step)))


def test_a_network_is_built_from_its_recipe(tmp_path):
    from zoo.domain.recipe import Recipe  # noqa: PLC0415

    (tmp_path / "net.onnx").write_bytes(CASES["gemm"].SerializeToString())
    network = build_network(Recipe(source=SOURCE), {"net.onnx": tmp_path / "net.onnx"})
    assert network(torch.zeros(2, 12, device="meta")).shape == (2, 5)
