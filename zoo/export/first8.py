"""The first layer of a graph in 8 bits: it reads the bytes of the picture.

Preprocessing makes ``y = M x + b`` of the channels ``x`` of a pixel. Laid into the layer's weights,
``w y = (w M) x + w b``, it costs nothing when the graph runs, and no number is rounded before the
first product. The picture gets a fourth channel, since ONNX Runtime has a faster way for layers of
a multiple of four. Where the layer pads with zeros, which stand for ``y = 0`` and not for black,
that channel is 255 all over and its weights carry ``w b``; elsewhere the bias carries it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

PREPROCESSING = "preprocessing/"  # what nodes before the network are named with
PIXELS = f"{PREPROCESSING}pixels"
WIDE = f"{PIXELS}/wide"  # the bytes, of four channels
COLOURS = 3
MOST = 255
NO_PADS = (b"NOTSET", b"VALID")
CONSTANTS: dict[str, NDArray[Any]] = {
    "as rows": np.array([0, 0, 1, -1], np.int64),
    "one": np.array([0], np.int64),
    "most": np.array(MOST, np.uint8),
    "as given": np.array([0, 0], np.int64),
}

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstLayer:
    """The convolution that reads what preprocessing gives, and what that is of a pixel."""

    node: NodeProto
    steps: tuple[str, ...]  # names of the nodes between the picture's bytes and it
    turned: str  # the picture's bytes, N x 3 x H x W
    matrix: Numbers  # M, C x 3
    offset: Numbers  # b, C
    weight: Numbers  # O x C x rows x columns
    bias: Numbers  # O

    @property
    def pads(self) -> bool:
        """Tell whether it puts zeros around what it reads."""
        return any(_attributes(self.node).get("pads", ()))

    @property
    def wide(self) -> tuple[Numbers, Numbers]:
        """Its weights, O x 4 x rows x columns, and bias, O, for bytes."""
        carried = np.einsum("ochw,c->ohw", self.weight, self.offset)
        colours = np.einsum("ochw,cx->oxhw", self.weight, self.matrix)
        fourth = carried / MOST if self.pads else np.zeros_like(carried)
        bias = self.bias if self.pads else self.bias + carried.sum(axis=(1, 2))
        return np.concatenate([colours, fourth[:, np.newaxis]], axis=1), bias

    @property
    def middle(self) -> Numbers:
        """The four channels of the pixel next to mid-grey that preprocessing makes zeros of."""
        grey = np.full(COLOURS, MOST / 2)
        away = np.linalg.pinv(self.matrix) @ (self.offset + self.matrix @ grey)
        return np.append(np.clip(grey - away, 0, MOST), MOST)


def find_first_layer(model: ModelProto, nodes: Sequence[NodeProto]) -> FirstLayer | None:
    """Find the convolution that alone reads what preprocessing gives, if it is among ``nodes``.

    None too where preprocessing is not the same for every pixel: with a mean image, say.
    """
    constants = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    before = [node for node in model.graph.node if node.name.startswith(PREPROCESSING)]
    if not before or before[0].op_type != "Transpose":
        return None
    turned, value = before[0].output[0], before[0].output[0]
    matrix, offset = np.eye(COLOURS), np.zeros(COLOURS)
    for node in before[1:]:
        number = constants.get((*node.input, "")[1])
        found = None
        if node.op_type == "Cast":
            found = matrix, offset
        elif number is not None:
            found = _follow(node, number, matrix, offset)
        if found is None or node.input[0] != value:
            return None
        (matrix, offset), value = found, node.output[0]
    reading = [node for node in model.graph.node if value in node.input]
    is_seen = value in {output.name for output in model.graph.output}
    if is_seen or len(reading) != 1 or reading[0] not in nodes:
        return None
    node = reading[0]
    weight, bias = (constants.get(name) for name in (*node.input[1:], "")[:2])
    if (
        node.op_type != "Conv"
        or weight is None
        or (bias is None and len(node.input) > 2)  # noqa: PLR2004  # its third is the bias
        or weight.shape[1] != len(matrix)
        or _attributes(node).get("group", 1) != 1
        or _attributes(node).get("auto_pad", NO_PADS[0]) not in NO_PADS
    ):
        return None
    return FirstLayer(
        node=node,
        steps=tuple(one.name for one in before[1:]),
        turned=turned,
        matrix=matrix,
        offset=offset,
        weight=weight.astype(np.float64),
        bias=np.zeros(len(weight)) if bias is None else bias.astype(np.float64),
    )


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
    replace_nodes(copy, nodes)
    weight, bias = (numbers.astype(np.float32) for numbers in first.wide)
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
    lost = first.wide[0] - rounded * scale.astype(np.float64).reshape(-1, 1, 1, 1)
    moved = np.einsum("oxhw,x->o", lost, first.middle)
    steps = numpy_helper.to_array(tensors[bias.input[1]]).astype(np.float64)
    whole = numpy_helper.to_array(tensors[bias.input[0]]) + np.rint(moved / steps)
    tensors[bias.input[0]].CopyFrom(numpy_helper.from_array(whole.astype(np.int32), bias.input[0]))
    idle = {PIXELS, given_before.output[0]}
    replace_nodes(made, [node for node in made.graph.node if node.output[0] not in idle])


def replace_nodes(model: ModelProto, nodes: Sequence[NodeProto]) -> None:
    """Give a graph other nodes, in order, in place."""
    written = [node.SerializeToString() for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(map(NodeProto.FromString, written))


def _follow(
    node: NodeProto, number: NDArray[Any], matrix: Numbers, offset: Numbers
) -> tuple[Numbers, Numbers] | None:
    """Give M and b behind a node of preprocessing; None where they cannot say what it does."""
    given = _attributes(node)
    each = number.astype(np.float64).reshape(-1)
    if node.op_type == "Gather" and given.get("axis") == 1 and number.ndim == 1:
        return matrix[number], offset[number]
    if node.op_type == "ReduceSum" and given.get("keepdims", 1) and each.tolist() == [1]:
        return matrix.sum(axis=0, keepdims=True), offset.sum(keepdims=True)
    if number.shape[-2:] not in {(), (1, 1)} or number.size not in {1, len(matrix)}:
        return None
    if node.op_type in {"Add", "Sub"}:
        return matrix, offset + (each if node.op_type == "Add" else -each)
    if node.op_type in {"Mul", "Div"}:
        each = each if node.op_type == "Mul" else 1 / each
        return matrix * each[:, np.newaxis], offset * each
    return None


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
