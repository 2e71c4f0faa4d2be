"""Networks that are served as they are."""

from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
from onnx import TensorProto, helper

from zoo.errors import BadRequest, TooLarge
from zoo.serving.network import Feeds, open_network
from zoo.serving.queue import Piece, Queue

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def make_graph(*nodes, inputs, outputs=("y",), **more):
    graph = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info(name, kind, None) for name, kind in inputs.items()],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        **more,
    )
    opset = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=opset, ir_version=10)


def ask(network, **tensors):
    feeds = Feeds(tensors=tensors, wanted=[port.name for port in network.outputs])
    return network.predict(feeds)[0]


def texts(*elements):
    array = np.empty(len(elements), dtype=object)
    array[:] = elements
    return array


def test_texts_count_with_all_that_they_take():
    numbers = np.zeros(10, np.float32)
    feeds = Feeds(tensors={"x": texts("a" * 10_000, "b"), "y": numbers}, wanted=())
    assert 10_000 + 40 < feeds.nbytes < 10_500
    queue = Queue(most_pictures=10, most_bytes=9_000)
    with pytest.raises(TooLarge, match="more than ever wait"):
        queue.add([Piece(predictor=None, images=feeds, key=("m", "r"))])
    assert Feeds(tensors={"x": texts("a"), "y": numbers}, wanted=()).nbytes < 200


@pytest.mark.parametrize(
    ("shape", "told"),
    [([3, 3], "requested shape:{3,3}"), ([-1, -1], "At most one"), ([2**62, 2**10], "Reshape")],
)
def test_inputs_that_a_network_fails_on_are_the_clients(shape, told):
    node = helper.make_node("Reshape", ["x", "s"], ["y"])
    graph = make_graph(node, inputs={"x": FLOAT, "s": INT64})
    network = open_network(graph.SerializeToString())
    x = np.ones(4, np.float32)
    with pytest.raises(BadRequest, match="fails on these inputs") as failed:
        ask(network, x=x, s=np.array(shape))
    assert told in str(failed.value)
    assert "onnxruntime_src" not in str(failed.value)
    assert "::" not in str(failed.value)
    assert "model.onnx" not in failed.value.hint
    assert ask(network, x=x, s=np.array([2, 2]))[0].shape == (2, 2)


def make_zeros(shape=None):
    """Make a graph that gives as many zeros as it is told; it may say how many those are."""
    graph = make_graph(
        helper.make_node("ConstantOfShape", ["shape"], ["y"]), inputs={"shape": INT64}
    )
    graph.graph.input[0].CopyFrom(helper.make_tensor_value_info("shape", INT64, ["axes"]))
    if shape is not None:
        graph.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", FLOAT, shape))
    return replace(open_network(graph.SerializeToString()), most_bytes=1000)


def test_an_answer_that_is_too_large_is_refused():
    network = make_zeros()
    assert ask(network, shape=np.array([250]))[0].nbytes == 1000
    with pytest.raises(TooLarge, match="1004 bytes; at most 1000") as refused:
        ask(network, shape=np.array([251]))
    assert "ZOO_MAX_ANSWER_BYTES" in refused.value.hint


@pytest.mark.parametrize(
    ("shape", "is_refused"), [([2, 125], False), ([2, 126], True), (["n", 2**30], False)]
)
def test_an_answer_whose_shape_is_told_is_refused_before_it_is_computed(shape, is_refused):
    network = make_zeros(shape)
    feeds = Feeds(tensors={"shape": np.array([1, 1])}, wanted=["y"])
    with pytest.raises(TooLarge) if is_refused else nullcontext():
        network.check(feeds)
    network.check(replace(feeds, wanted=[]))


def test_texts_of_an_answer_count_with_all_that_they_take():
    graph = make_graph(
        helper.make_node("Expand", ["x", "shape"], ["y"]),
        inputs={"x": TensorProto.STRING, "shape": INT64},
    )
    network = replace(open_network(graph.SerializeToString()), most_bytes=1000)
    assert ask(network, x=texts("a"), shape=np.array([10]))[0].shape == (10,)
    with pytest.raises(TooLarge):
        ask(network, x=texts("a" * 100), shape=np.array([10]))
