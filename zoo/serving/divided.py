"""A graph whose divisions of whole numbers by -1 are written otherwise, see `zoo.serving.dividing`.

``x / z`` becomes ``x / (z + 2 m) * (1 - 2 m)``, where m is 1 where z is -1 and else 0: a division
by 1, and a product that wraps around as in C. ``x mod z`` becomes ``x mod (z + 2 m)``: both are 0.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import AttributeProto, GraphProto, NodeProto, TensorProto, helper, numpy_helper
from onnx.inliner import inline_local_functions
from onnx.shape_inference import InferenceError, infer_shapes

from zoo.errors import NotRunnable
from zoo.formats.onnx.model import DEFAULT_DOMAINS

TRAPPING = {TensorProto.INT32, TensorProto.INT64}
PREFIX = "zoo.divided"
# What onnx raises over a graph that it cannot take in or infer.
REFUSALS = (DecodeError, InferenceError, ValueError, RuntimeError, onnx.checker.ValidationError)

Kinds = Mapping[str, int]  # the kind of number of each name that is known
Constants = Mapping[str, NDArray[Any] | None]


def rewrite_divisions(data: bytes, operations: Collection[str]) -> bytes:
    """Give a graph that computes the same and divides no whole number of 32 or 64 bits by -1.

    ``operations`` are those that divide: ``Div``, ``Mod``.

    Raises:
        NotRunnable: it cannot be told what a division divides, or it is no graph.
    """
    try:
        model = onnx.load_model_from_string(data)
        if model.functions:
            model = inline_local_functions(model)
        inferred = infer_shapes(model)
    except REFUSALS as error:
        raise NotRunnable(
            "The graph divides, and it cannot be told whether whole numbers:"
            f" {str(error).splitlines()[0] if str(error) else type(error).__name__}"
        ) from error
    _Rewriting(operations).graph(model.graph, inferred.graph, {}, {})
    try:
        return bytes(model.SerializeToString())
    except ValueError as error:
        raise NotRunnable("The graph is too large to have its divisions rewritten.") from error


class _Rewriting:
    """Rewrites graphs and the graphs inside them; numbers the names it adds."""

    def __init__(self, operations: Collection[str]) -> None:
        self.operations = operations
        self.count = 0

    def graph(
        self, graph: GraphProto, inferred: GraphProto, kinds: Kinds, constants: Constants
    ) -> None:
        """Rewrite a graph in place, knowing the names around it."""
        kinds = {**kinds, **dict(_kinds_of(inferred))}
        constants = {**constants, **dict(_constants_of(graph))}
        nodes: list[NodeProto] = []
        for node, told in zip(graph.node, inferred.node, strict=True):
            for one, other in zip(node.attribute, told.attribute, strict=True):
                for inner, known in zip(_graphs_of(one), _graphs_of(other), strict=True):
                    self.graph(inner, known, kinds, constants)
            nodes += self.node(node, kinds, constants)
        del graph.node[:]
        graph.node.extend(nodes)

    def node(self, node: NodeProto, kinds: Kinds, constants: Constants) -> list[NodeProto]:
        """Give what stands in the place of a node."""
        is_division = node.op_type in self.operations and node.domain in DEFAULT_DOMAINS
        if not is_division or len(node.input) != 2 or _is_floating(node):  # noqa: PLR2004  # x, z
            return [node]
        names = [*node.input, *node.output]
        kind = next((kinds[name] for name in names if kinds.get(name)), None)
        if kind is None:
            raise NotRunnable(
                f"It cannot be told whether the node {node.name or node.output[0]!r} divides whole"
                " numbers, which ONNX Runtime may not divide by -1.",
                hint="Give the graph the types of its values: onnx.shape_inference.infer_shapes.",
            )
        divisor = constants.get(node.input[1])
        if kind not in TRAPPING or (divisor is not None and not (divisor == -1).any()):
            return [node]
        return self._written_otherwise(node, kind)

    def _written_otherwise(self, node: NodeProto, kind: int) -> list[NodeProto]:
        self.count += 1
        dtype = helper.tensor_dtype_to_np_dtype(kind)
        dividend, divisor = node.input
        names = ("minus_one", "one", "two", "is", "is_number", "twice", "safe", "ratio", "sign")
        minus_one, one, two, is_it, number, twice, safe, ratio, sign = (
            f"{PREFIX}.{self.count}.{name}" for name in names
        )
        before = [
            *(
                helper.make_node("Constant", [], [name], value=numpy_helper.from_array(value))
                for name, value in (
                    (minus_one, np.array(-1, dtype)),
                    (one, np.array(1, dtype)),
                    (two, np.array(2, dtype)),
                )
            ),
            helper.make_node("Equal", [divisor, minus_one], [is_it]),
            helper.make_node("Cast", [is_it], [number], to=kind),
            helper.make_node("Mul", [number, two], [twice]),
            helper.make_node("Add", [divisor, twice], [safe]),
        ]
        again = NodeProto()
        again.CopyFrom(node)
        again.input[:] = [dividend, safe]
        if node.op_type == "Mod":
            return [*before, again]
        again.output[:] = [ratio]
        return [
            *before,
            again,
            helper.make_node("Sub", [one, twice], [sign]),
            helper.make_node("Mul", [ratio, sign], list(node.output)),
        ]


def _is_floating(node: NodeProto) -> bool:
    """Tell whether a remainder is computed as of floating numbers, of whole ones too."""
    return any(one.name == "fmod" and one.i for one in node.attribute)


def _kinds_of(graph: GraphProto) -> Iterator[tuple[str, int]]:
    for value in (*graph.input, *graph.value_info, *graph.output):
        yield value.name, value.type.tensor_type.elem_type
    for tensor in graph.initializer:
        yield tensor.name, tensor.data_type
    for node in graph.node:
        if node.op_type == "Constant":
            yield from (
                (node.output[0], one.t.data_type) for one in node.attribute if one.name == "value"
            )


def _constants_of(graph: GraphProto) -> Iterator[tuple[str, NDArray[Any] | None]]:
    """Give what names stand for that are constant, and None for all others of this graph."""
    for node in graph.node:
        yield from ((name, None) for name in node.output)
        if node.op_type == "Constant" and len(node.attribute) == 1:
            yield from (
                (node.output[0], numpy_helper.to_array(one.t))
                for one in node.attribute
                if one.name == "value" and one.t.data_type in TRAPPING
            )
    for tensor in graph.initializer:
        if tensor.data_type in TRAPPING:
            yield tensor.name, numpy_helper.to_array(tensor)
    yield from ((value.name, None) for value in graph.input)


def _graphs_of(attribute: AttributeProto) -> list[GraphProto]:
    is_one = attribute.type == AttributeProto.GRAPH or attribute.HasField("g")
    return [*([attribute.g] if is_one else []), *attribute.graphs]
