"""Whole numbers divided by -1 in graphs that are served, which would end the process."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from zoo.errors import NotRunnable
from zoo.serving.dividing import guard_divisions
from zoo.serving.predictor import AUTO, open_bare

FLOAT, INT32, INT64, BOOL = (
    TensorProto.FLOAT,
    TensorProto.INT32,
    TensorProto.INT64,
    TensorProto.BOOL,
)
DTYPES = {INT32: np.int32, INT64: np.int64}


def value(name, kind, shape=None):
    return helper.make_tensor_value_info(name, kind, shape)


def make_model(nodes, inputs, *, initializers=(), kind=INT64, opset=18, **more):
    graph = helper.make_graph(
        nodes,
        "made",
        [value(name, one) for name, one in inputs.items()],
        [value("y", kind)],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in initializers],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("own", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10, **more)
    return model.SerializeToString()


def run(data, **tensors):
    return open_bare(data, AUTO).run(None, tensors)[0]


def divided(op, dividend, divisor):
    """What C computes, where it wraps around."""
    ratio = abs(dividend) // abs(divisor) * (1 if (dividend < 0) == (divisor < 0) else -1)
    return ratio if op == "Div" else dividend % divisor


@pytest.mark.parametrize(
    ("op", "opset"), [("Div", 7), ("Div", 13), ("Div", 18), ("Mod", 10), ("Mod", 18)]
)
@pytest.mark.parametrize("kind", [INT32, INT64])
def test_divisions_are_those_of_c_and_the_least_number_wraps_around(op, kind, opset):
    dtype = DTYPES[kind]
    least = np.iinfo(dtype).min
    dividends = [least, least + 1, -7, -1, 0, 1, 7, np.iinfo(dtype).max]
    divisors = [-1, 1, -2, 2, -7, least, np.iinfo(dtype).max]
    data = make_model(
        [helper.make_node(op, ["x", "z"], ["y"])], {"x": kind, "z": kind}, kind=kind, opset=opset
    )
    x, z = np.array(dividends, dtype)[:, None], np.array(divisors, dtype)[None]
    expected = np.array(
        [[divided(op, one, other) for other in divisors] for one in dividends], dtype=object
    )
    bits = 8 * np.dtype(dtype).itemsize
    wrapped = (expected + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)
    found = run(data, x=x, z=z)
    assert found.dtype == dtype
    assert found.tolist() == wrapped.tolist()
    # Of no axes, and by none of them -1.
    assert run(data, x=np.array(7, dtype), z=np.array(-1, dtype)) == (-7 if op == "Div" else 0)


LEAST, MINUS = np.array([-(2**63)]), np.array([-1])


def inside_of_if():
    then = helper.make_graph(
        [helper.make_node("Div", ["x", "z"], ["a"])], "then", [], [value("a", INT64)]
    )
    other = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["b"])], "else", [], [value("b", INT64)]
    )
    node = helper.make_node("If", ["is"], ["y"], then_branch=then, else_branch=other)
    return make_model([node], {"x": INT64, "z": INT64}, initializers=[("is", np.array(True))])


def inside_of_loop():
    body = helper.make_graph(
        [
            helper.make_node("Div", ["v", "z"], ["w"]),
            helper.make_node("Identity", ["go"], ["goes"]),
        ],
        "body",
        [value("i", INT64, []), value("go", BOOL, []), helper.make_empty_tensor_value_info("v")],
        [value("goes", BOOL, []), helper.make_empty_tensor_value_info("w")],
    )
    node = helper.make_node("Loop", ["once", "", "x"], ["y"], body=body)
    return make_model([node], {"x": INT64, "z": INT64}, initializers=[("once", np.array(1))])


def inside_of_function():
    opsets = [helper.make_opsetid("", 18)]
    function = helper.make_function(
        "own", "Halve", ["a", "b"], ["c"], [helper.make_node("Div", ["a", "b"], ["c"])], opsets
    )
    node = helper.make_node("Halve", ["x", "z"], ["y"], domain="own")
    return make_model([node], {"x": INT64, "z": INT64}, functions=[function])


def behind_others():
    """The kinds of what is divided are told nowhere."""
    nodes = [
        helper.make_node("Add", ["x", "x"], ["twice"]),
        helper.make_node("Sub", ["twice", "x"], ["once"]),
        helper.make_node("Identity", ["z"], ["same"]),
        helper.make_node("Div", ["once", "same"], ["q"]),
        helper.make_node("Identity", ["q"], ["y"]),
    ]
    return make_model(nodes, {"x": INT64, "z": INT64})


def by_what_may_be_replaced():
    """An initializer that is an input too is what it is unless somebody gives another."""
    node = helper.make_node("Div", ["x", "z"], ["y"])
    return make_model([node], {"x": INT64, "z": INT64}, initializers=[("z", np.array([2]))])


def by_a_name_that_is_something_else_elsewhere():
    """In the other branch it is a floating number."""
    then = helper.make_graph(
        [
            helper.make_node("Identity", ["z"], ["c"]),
            helper.make_node("Div", ["x", "c"], ["a"]),
        ],
        "then",
        [],
        [value("a", INT64)],
    )
    other = helper.make_graph(
        [helper.make_node("Cast", ["c"], ["b"], to=INT64)],
        "else",
        [],
        [value("b", INT64)],
        [numpy_helper.from_array(np.float32([2]), "c")],
    )
    node = helper.make_node("If", ["is"], ["y"], then_branch=then, else_branch=other)
    return make_model([node], {"x": INT64, "z": INT64}, initializers=[("is", np.array(True))])


@pytest.mark.parametrize(
    "make",
    [
        inside_of_if,
        inside_of_loop,
        inside_of_function,
        behind_others,
        by_what_may_be_replaced,
        by_a_name_that_is_something_else_elsewhere,
    ],
)
def test_divisions_are_found_wherever_they_are(make):
    data = make()
    assert run(data, x=LEAST, z=MINUS).tolist() == LEAST.tolist()
    assert run(data, x=np.array([-7]), z=np.array([2])).tolist() == [-3]


def test_constants_are_divided_too_while_a_graph_is_opened():
    node = helper.make_node("Div", ["a", "b"], ["c"])
    add = helper.make_node("Add", ["c", "x"], ["y"])
    data = make_model([node, add], {"x": INT64}, initializers=[("a", LEAST), ("b", MINUS)])
    assert run(data, x=np.array([0])).tolist() == LEAST.tolist()


def test_a_file_stays_as_it_was_published(tmp_path):
    path = tmp_path / "model.onnx"
    data = inside_of_if()
    path.write_bytes(data)
    assert run(path, x=LEAST, z=MINUS).tolist() == LEAST.tolist()
    assert path.read_bytes() == data


@pytest.mark.parametrize(
    ("nodes", "kind", "constant"),
    [
        ([helper.make_node("Div", ["x", "c"], ["y"])], FLOAT, np.float32(-1)),
        ([helper.make_node("Div", ["c", "x"], ["y"])], FLOAT, np.float32(-1)),
        ([helper.make_node("Div", ["x", "c"], ["y"])], INT64, np.array([2, 3])),
        ([helper.make_node("Mod", ["x", "c"], ["y"])], INT32, np.int32([-2])),
        ([helper.make_node("Mul", ["x", "c"], ["y"])], INT64, np.array([-1])),
    ],
)
def test_graphs_that_cannot_do_harm_are_opened_as_they_are(nodes, kind, constant):
    data = make_model(nodes, {"x": kind}, initializers=[("c", constant)], kind=kind)
    assert guard_divisions(data) is data
    inner = numpy_helper.from_array(constant)
    first = helper.make_node("Constant", [], ["c"], value=inner)
    data = make_model([first, *nodes], {"x": kind}, kind=kind)
    assert guard_divisions(data) is data


def test_floating_numbers_are_divided_as_they_were():
    data = make_model(
        [helper.make_node("Div", ["x", "z"], ["y"])], {"x": FLOAT, "z": FLOAT}, kind=FLOAT
    )
    assert b"zoo.divided" not in guard_divisions(data)
    found = run(data, x=np.float32([1, -1, 0]), z=np.float32([0, 0, -1]))
    assert found.tobytes() == np.float32([np.inf, -np.inf, -0.0]).tobytes()


def test_a_division_of_who_knows_what_is_refused():
    nodes = [
        helper.make_node("Foreign", ["x"], ["a"], domain="own"),
        helper.make_node("Foreign", ["x"], ["b"], domain="own"),
        helper.make_node("Div", ["a", "b"], ["c"], name="here"),
        helper.make_node("Foreign", ["c"], ["y"], domain="own"),
    ]
    with pytest.raises(NotRunnable, match="whether the node 'here' divides whole numbers") as no:
        guard_divisions(make_model(nodes, {"x": INT64}))
    assert "infer_shapes" in no.value.hint


@pytest.mark.parametrize("damage", [b"\x0a", b"\xff\xff\xff"])
def test_what_is_no_graph_is_told(damage):
    with pytest.raises(NotRunnable, match="damaged or no ONNX file"):
        guard_divisions(inside_of_if() + damage)
