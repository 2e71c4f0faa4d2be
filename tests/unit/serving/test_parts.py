"""Concatenations that only convolutions read are not made, and the graph computes the same."""

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from zoo.errors import NotRunnable
from zoo.serving.parts import part_joins

SIDE = 9


class Draft:
    """A graph that is put together node by node; its input has three channels."""

    def __init__(self, seed=0):
        self.random = np.random.default_rng(seed)
        self.nodes, self.constants, self.counts = [], [], {"x": 3}

    def add(self, kind, inputs, channels, name=None, **attributes):
        name = name or f"{kind} {len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        self.counts[name] = channels
        return name

    def constant(self, *shape):
        name = f"constant {len(self.constants)}"
        drawn = self.random.normal(size=shape).astype(np.float32)
        self.constants.append(numpy_helper.from_array(drawn, name))
        return name

    def conv(self, given, channels, *, side=1, bias=True, name=None, **attributes):
        weight = self.constant(channels, self.counts[given], side, side)
        pads = [side // 2] * 4
        more = [self.constant(channels)] if bias else []
        return self.add("Conv", [given, weight, *more], channels, name, pads=pads, **attributes)

    def concat(self, *given, axis=1):
        return self.add("Concat", given, sum(self.counts[one] for one in given), axis=axis)

    def relu(self, given):
        return self.add("Relu", [given], self.counts[given])

    def pool(self, given, kind="MaxPool"):
        shape = {"kernel_shape": [3, 3], "strides": [2, 2]}
        return self.add(kind, [given], self.counts[given], **shape)

    def write(self, *outputs):
        graph = helper.make_graph(
            self.nodes,
            "draft",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])],
            [
                helper.make_tensor_value_info(one, TensorProto.FLOAT, list("nchw"))
                for one in outputs
            ],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
        helper.set_model_props(model, {"zoo.labels": "[]"})
        return model.SerializeToString()


def run(data):
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    pictures = np.random.default_rng(7).normal(size=(2, 3, SIDE, SIDE)).astype(np.float32)
    return session.run(None, {"x": pictures})


def kinds(data):
    return [node.op_type for node in onnx.load_model_from_string(data).graph.node]


def check_same(data):
    parted = part_joins(data)
    onnx.checker.check_model(onnx.load_model_from_string(parted), full_check=True)
    for before, after in zip(run(data), run(parted), strict=True):
        np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-4)
    return parted


def fire(draft, given):
    squeezed = draft.relu(draft.conv(given, 4))
    wide = draft.relu(draft.conv(squeezed, 5, side=3))
    return draft.concat(draft.relu(draft.conv(squeezed, 6)), wide)


def test_modules_of_squeezenet_are_run_without_copies():
    draft = Draft()
    first = fire(draft, draft.conv("x", 7))
    second = fire(draft, draft.pool(first))
    draft.relu(draft.conv(second, 8, name="y"))
    parted = check_same(draft.write("y"))
    assert "Concat" not in kinds(parted)
    assert kinds(parted).count("MaxPool") == 2
    model = onnx.load_model_from_string(parted)
    assert {one.key: one.value for one in model.metadata_props} == {"zoo.labels": "[]"}
    read = {name for node in model.graph.node for name in node.input}
    assert {one.name for one in model.graph.initializer} <= read  # the whole weights are gone


@pytest.mark.parametrize("kind", ["MaxPool", "AveragePool"])
def test_one_value_that_several_convolutions_read(kind):
    draft = Draft()
    whole = draft.concat(*(draft.conv("x", count) for count in (2, 3, 4)))
    draft.conv(whole, 5, side=3, name="a", bias=False)
    draft.conv(draft.pool(draft.relu(whole), kind), 6, name="b")
    parted = check_same(draft.write("a", "b"))
    assert kinds(parted).count("Conv") == 9


@settings(deadline=None, max_examples=30)
@given(
    counts=st.lists(st.integers(1, 5), min_size=2, max_size=4),
    layer=st.fixed_dictionaries(
        {
            "side": st.sampled_from([1, 3]),
            "bias": st.booleans(),
            "strides": st.sampled_from([[1, 1], [2, 2], [1, 2]]),
            "dilations": st.sampled_from([[1, 1], [2, 2]]),
        }
    ),
    seed=st.integers(0, 2**16),
)
def test_any_convolution_of_any_parts(counts, layer, seed):
    draft = Draft(seed)
    draft.conv(draft.concat(*(draft.conv("x", count) for count in counts)), 3, name="y", **layer)
    assert "Concat" not in kinds(check_same(draft.write("y")))


def other(draft, whole):
    """Read a value by something that wants it whole."""
    return draft.add("Softmax", [whole], draft.counts[whole], axis=1)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(other, id="read by something else"),
        pytest.param(lambda _, whole: whole, id="given back"),
        pytest.param(
            lambda draft, whole: draft.add("Conv", [whole, draft.constant(5, 1, 1, 1)], 5, group=5),
            id="convolved in groups",
        ),
        pytest.param(
            lambda draft, whole: draft.add(
                "BatchNormalization",
                [draft.conv(whole, 2), *(draft.constant(2) for _ in range(3)), positive(draft)],
                2,
            ),
            id="normalised behind it",
        ),
        pytest.param(
            lambda draft, whole: draft.conv(draft.concat(whole, "x"), 2), id="joined again"
        ),
    ],
)
def test_what_has_to_be_whole_stays_so(spoil):
    draft = Draft()
    whole = draft.concat(draft.conv("x", 2), draft.conv("x", 3))
    draft.conv(whole, 4, name="y")
    with pytest.raises(NotRunnable, match="No concatenation"):
        part_joins(draft.write("y", spoil(draft, whole)))


def positive(draft):
    name = f"constant {len(draft.constants)}"
    draft.constants.append(numpy_helper.from_array(np.ones(2, np.float32), name))
    return name


def test_rows_laid_behind_each_other_are_not_channels():
    draft = Draft()
    one, two = draft.conv("x", 2), draft.conv("x", 2)
    draft.counts[whole := draft.concat(one, two, axis=2)] = 2
    draft.conv(whole, 4, name="y")
    with pytest.raises(NotRunnable, match="No concatenation"):
        part_joins(draft.write("y"))


def test_a_value_of_unknown_channels_stays_whole():
    draft = Draft()
    draft.conv(draft.concat("x", draft.conv("x", 3)), 4, name="y")
    with pytest.raises(NotRunnable, match="No concatenation"):
        part_joins(draft.write("y"))


@pytest.mark.parametrize("data", [b"", b"no graph", b"\xff" * 64])
def test_what_is_no_graph_is_refused(data):
    with pytest.raises(NotRunnable):
        part_joins(data)


def test_a_graph_with_another_inside_is_left_alone():
    draft = Draft()
    whole = draft.concat(draft.conv("x", 2), draft.conv("x", 3))
    draft.conv(whole, 4, name="y")
    inner = helper.make_graph(
        [helper.make_node("Identity", [whole], ["z"])],
        "inner",
        [],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)],
    )
    draft.constants.append(numpy_helper.from_array(np.array(True), "yes"))
    draft.add("If", ["yes"], 5, "z", then_branch=inner, else_branch=inner)
    with pytest.raises(NotRunnable, match="holds others"):
        part_joins(draft.write("y"))


def test_joins_of_joins_are_counted_in_one_walk():
    draft = Draft()
    whole = draft.conv("x", 2)
    for _ in range(60):
        whole = draft.concat(whole, draft.conv("x", 1))
    draft.conv(draft.relu(whole), 2, name="y")
    assert kinds(check_same(draft.write("y"))).count("Concat") == 59


def test_any_number_of_layers_may_lie_between():
    draft = Draft()
    whole = draft.concat(draft.conv("x", 2), draft.conv("x", 3))
    for _ in range(1500):
        whole = draft.relu(whole)
    draft.conv(whole, 4, name="y")
    assert "Concat" not in kinds(part_joins(draft.write("y")))
