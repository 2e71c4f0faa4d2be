"""Networks that are served as they are."""

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
