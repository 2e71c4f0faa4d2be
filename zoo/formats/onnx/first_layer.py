"""The first layer of a graph of the zoo's: the convolution that reads what preprocessing gives.

Preprocessing makes ``y = M x + b`` of the channels ``x`` of a pixel. Laid into the layer's weights,
``w y = (w M) x + w b``, it costs nothing when the graph runs.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.formats.onnx.model import DEFAULT_DOMAINS

PREPROCESSING = "preprocessing/"  # what nodes before the network are named with
COLOURS = 3
NO_PADS = (b"NOTSET", b"VALID")
EXACT = (1, 11)  # FLOAT and DOUBLE, among ONNX's numbers for types: a byte comes through unchanged

Numbers = NDArray[np.float64]
Node = Any
"""As the onnx library gives it, which belongs to the engines that rewrite graphs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """A graph, as far as its first layer asks."""

    nodes: Sequence[Node]
    constants: Mapping[str, NDArray[Any]]
    outputs: Collection[str]
    attributes_of: Callable[[Node], Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstLayer:
    """The convolution that reads what preprocessing gives, and what that is of a pixel."""

    node: Node
    steps: tuple[str, ...]  # names of the nodes between the picture's bytes and it
    turned: str  # the picture's bytes, N x 3 x H x W
    matrix: Numbers  # M, C x 3
    offset: Numbers  # b, C
    weight: Numbers  # O x C x rows x columns
    bias: Numbers  # O
    pads: bool  # whether it puts zeros around what it reads

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


def find_first_layer(graph: Graph, nodes: Sequence[Node]) -> FirstLayer | None:
    """Find the convolution that alone reads what preprocessing gives, if it is among ``nodes``.

    None too where preprocessing is not the same for every pixel, with a mean image, say, or rounds.
    """
    before = [node for node in graph.nodes if node.name.startswith(PREPROCESSING)]
    if not before or before[0].op_type != "Transpose" or not _are_usual(before):
        return None
    turned = value = before[0].output[0]
    is_float, matrix, offset = False, np.eye(COLOURS), np.zeros(COLOURS)
    for node in before[1:]:
        given = graph.attributes_of(node)
        number = graph.constants.get((*node.input, "")[1])
        found = None
        if node.op_type == "Cast" and given.get("to") in EXACT:
            is_float, found = True, (matrix, offset)
        elif number is not None and (is_float or node.op_type == "Gather"):
            found = _follow(node.op_type, given, number, (matrix, offset))
        if found is None or node.input[0] != value:
            return None
        (matrix, offset), value = found, node.output[0]
    reading = [node for node in graph.nodes if value in node.input]
    if value in graph.outputs or len(reading) != 1 or reading[0] not in nodes:
        return None
    node, given = reading[0], graph.attributes_of(reading[0])
    weight, bias = (graph.constants.get(name) for name in (*node.input[1:], "")[:2])
    if (
        node.op_type != "Conv"
        or not _are_usual([node])
        or weight is None
        or (bias is None and len(node.input) > 2)  # noqa: PLR2004  # its third is the bias
        or weight.shape[1] != len(matrix)
        or given.get("group", 1) != 1
        or given.get("auto_pad", NO_PADS[0]) not in NO_PADS
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
        pads=any(given.get("pads", ())),
    )


def _are_usual(nodes: Sequence[Node]) -> bool:
    """Tell whether nodes are ONNX's own operations."""
    return all(node.domain in DEFAULT_DOMAINS for node in nodes)


def _follow(
    kind: str, given: Mapping[str, Any], number: NDArray[Any], before: tuple[Numbers, Numbers]
) -> tuple[Numbers, Numbers] | None:
    """Give M and b behind a node of preprocessing; None where they cannot say what it does."""
    matrix, offset = before
    each = number.astype(np.float64).reshape(-1)
    if kind == "Gather" and given.get("axis") == 1 and number.ndim == 1:
        return matrix[number], offset[number]
    if kind == "ReduceSum" and given.get("keepdims", 1) and each.tolist() == [1]:
        return matrix.sum(axis=0, keepdims=True), offset.sum(keepdims=True)
    if number.shape[-2:] not in {(), (1, 1)} or number.size not in {1, len(matrix)}:
        return None
    if kind in {"Add", "Sub"}:
        return matrix, offset + (each if kind == "Add" else -each)
    if kind in {"Mul", "Div"}:
        each = each if kind == "Mul" else 1 / each
        return matrix * each[:, np.newaxis], offset * each
    return None
