"""The first layer of a graph in 8 bits: it reads the bytes of the picture.

What preprocessing makes of a pixel, ``M x + b``, is laid into the layer's weights, so no number is
rounded before the first product. The picture gets a fourth channel, since ONNX Runtime has a faster
way for layers of a multiple of four. Where the layer pads with zeros, which stand for
``M x + b = 0`` and not for black, that channel is 255 all over and its weights carry ``w b``;
elsewhere the bias carries it.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from zoo.formats.onnx.first_layer import (
    COLOURS,
    PREPROCESSING,
    FirstLayer,
    Graph,
    Numbers,
    find_first_layer,
)

PIXELS = f"{PREPROCESSING}pixels"
WIDE = f"{PIXELS}/wide"  # the bytes, of four channels
MOST = 255
CONSTANTS: dict[str, NDArray[Any]] = {
    "as rows": np.array([0, 0, 1, -1], np.int64),
    "one": np.array([0], np.int64),
    "most": np.array(MOST, np.uint8),
    "as given": np.array([0, 0], np.int64),
}


def find_first(model: ModelProto, nodes: Sequence[NodeProto]) -> FirstLayer | None:
    """Find the layer that alone reads what preprocessing gives, if it is among ``nodes``."""
    graph = Graph(
        nodes=model.graph.node,
        constants={one.name: numpy_helper.to_array(one) for one in model.graph.initializer},
        outputs={output.name for output in model.graph.output},
        attributes_of=_attributes,
    )
    return find_first_layer(graph, nodes)


def read_pixels(model: ModelProto, first: FirstLayer) -> ModelProto:
    """Give a copy whose first layer reads bytes, in 32 bits as ``PIXELS``; it computes the same."""
    copy = ModelProto()
    copy.CopyFrom(model)
    nodes = [node for node in copy.graph.node if node.name not in first.steps]
    before = next(place for place, node in enumerate(nodes, 1) if first.turned in node.output)
    cast = helper.make_node("Cast", [WIDE], [PIXELS], name=PIXELS, to=TensorProto.FLOAT)
    nodes[before:before] = [*_widen(first), cast]
    layer = next(node for node in nodes if node.name == first.node.name)
    del layer.input[:]
    layer.input.extend([PIXELS, f"{PIXELS}/weight", f"{PIXELS}/bias"])
    _replace_nodes(copy, nodes)
    weight, bias = (numbers.astype(np.float32) for numbers in wide_weights(first))
    tensors = {**CONSTANTS, "weight": weight, "bias": bias}
    copy.graph.initializer.extend(
        numpy_helper.from_array(numbers, f"{PIXELS}/{name}") for name, numbers in tensors.items()
    )
    return copy


def take_bytes(made: ModelProto, first: FirstLayer) -> None:
    """Have a graph of ``read_pixels`` that was quantized read bytes without a turn to 32 bits.

    ``PIXELS`` has to be laid over 0 to 255, which is a scale of 1. The layer's bias is moved, so
    that its weights in 8 bits answer a mean pixel as those of 32 bits do. In place.
    """
    made_by = {output: node for node in made.graph.node for output in node.output}
    layer = next(node for node in made.graph.node if node.name == first.node.name)
    given, weight, bias = (made_by[name] for name in layer.input)
    given_before = made_by[given.input[0]]
    given.input[0] = WIDE
    tensors = {tensor.name: tensor for tensor in made.graph.initializer}
    rounded, scale = (numpy_helper.to_array(tensors[name]) for name in weight.input[:2])
    lost = wide_weights(first)[0] - rounded * scale.astype(np.float64).reshape(-1, 1, 1, 1)
    moved = np.einsum("oxhw,x->o", lost, middle_of(first))
    steps = numpy_helper.to_array(tensors[bias.input[1]]).astype(np.float64)
    whole = numpy_helper.to_array(tensors[bias.input[0]]) + np.rint(moved / steps)
    tensors[bias.input[0]].CopyFrom(numpy_helper.from_array(whole.astype(np.int32), bias.input[0]))
    idle = {PIXELS, given_before.output[0]}
    _replace_nodes(made, [node for node in made.graph.node if node.output[0] not in idle])


def wide_weights(first: FirstLayer) -> tuple[Numbers, Numbers]:
    """Give the layer's weights, O x 4 x rows x columns, and bias, O, for bytes."""
    carried = first.carried
    fourth = carried / MOST if first.pads else np.zeros_like(carried)
    bias = first.bias if first.pads else first.bias + carried.sum(axis=(1, 2))
    return np.concatenate([first.for_pixels, fourth[:, np.newaxis]], axis=1), bias


def middle_of(first: FirstLayer) -> Numbers:
    """Give the four channels of the pixel next to mid-grey that preprocessing makes zeros of."""
    grey = np.full(COLOURS, MOST / 2)
    away = np.linalg.pinv(first.matrix) @ (first.offset + first.matrix @ grey)
    return np.append(np.clip(grey - away, 0, MOST), MOST)


def _replace_nodes(model: ModelProto, nodes: Sequence[NodeProto]) -> None:
    """Give a graph other nodes, in order, in place."""
    written = [node.SerializeToString() for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(map(NodeProto.FromString, written))


def _widen(first: FirstLayer) -> Iterator[NodeProto]:
    """Give the nodes that put a channel of 255 behind a picture's three.

    A channel is one row meanwhile: ONNX Runtime would else put the channel in pixel by pixel.
    """
    for kind, inputs, output, given in (
        ("Reshape", [first.turned, f"{PIXELS}/as rows"], f"{PIXELS}/rows", {}),
        ("Gather", [f"{PIXELS}/rows", f"{PIXELS}/one"], f"{PIXELS}/any", {"axis": 1}),
        ("Clip", [f"{PIXELS}/any", *[f"{PIXELS}/most"] * 2], f"{PIXELS}/full", {}),
        ("Concat", [f"{PIXELS}/rows", f"{PIXELS}/full"], f"{PIXELS}/wide rows", {"axis": 1}),
        ("Shape", [first.turned], f"{PIXELS}/sides", {"start": 2}),
        ("Concat", [f"{PIXELS}/as given", f"{PIXELS}/sides"], f"{PIXELS}/shape", {"axis": 0}),
        ("Reshape", [f"{PIXELS}/wide rows", f"{PIXELS}/shape"], WIDE, {}),
    ):
        node = helper.make_node(kind, inputs, [output], name=output)
        node.attribute.extend(helper.make_attribute(key, value) for key, value in given.items())
        yield node


def _attributes(node: NodeProto) -> dict[str, Any]:
    return {one.name: helper.get_attribute_value(one) for one in node.attribute}
