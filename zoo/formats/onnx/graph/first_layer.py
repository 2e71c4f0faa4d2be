"""The first layer of a graph of the zoo's: the convolution that reads what preprocessing gives.

Preprocessing makes ``y = M x + b`` of the channels ``x`` of a pixel. Laid into the layer's weights,
``w y = (w M) x + w b``, it costs nothing when the graph runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, numpy_helper

from zoo.formats.onnx.graph.rewriting import attributes_of

PREPROCESSING = "preprocessing/"  # what nodes before the network are named with
COLOURS = 3
NO_PADS = (b"NOTSET", b"VALID")

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
        return any(attributes_of(self.node).get("pads", ()))

    @property
    def for_pixels(self) -> Numbers:
        """Its weights for the picture's own channels: w M, O x 3 x rows x columns."""
        weights: Numbers = np.einsum("ochw,cx->oxhw", self.weight, self.matrix)
        return weights

    @property
    def carried(self) -> Numbers:
        """What each of its places adds for b, wherever it reads pixels: w b, O x rows x columns."""
        sums: Numbers = np.einsum("ochw,c->ohw", self.weight, self.offset)
        return sums


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
        or attributes_of(node).get("group", 1) != 1
        or attributes_of(node).get("auto_pad", NO_PADS[0]) not in NO_PADS
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


def _follow(
    node: NodeProto, number: NDArray[Any], matrix: Numbers, offset: Numbers
) -> tuple[Numbers, Numbers] | None:
    """Give M and b behind a node of preprocessing; None where they cannot say what it does."""
    given = attributes_of(node)
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
