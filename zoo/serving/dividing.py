"""Whole numbers divided by -1: the least of them there is has no negative, and a processor stops.

ONNX Runtime refuses to divide by 0, but the least number of 32 or 64 bits divided by -1 ends the
whole process (SIGFPE), also while a graph is opened and what is constant in it is computed. Most
graphs divide no whole numbers, or by constants; that is found by walking the file, as protobuf's
classes and onnx take a quarter of a second and a copy of all weights.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from zoo.errors import MalformedCheckpoint, NotRunnable
from zoo.formats.onnx.external import ExternalFiles
from zoo.formats.onnx.model import DEFAULT_DOMAINS
from zoo.formats.onnx.tensor import SPARE, Budget, TensorReader
from zoo.formats.wire import Message
from zoo.serving.external import INSIDE, TENSOR, view_graph

DIVISIONS = ("Div", "Mod")
TRAPPING = ("int32", "int64")  # smaller ones are divided as numbers of 32 bits
# Of NodeProto, AttributeProto, GraphProto, ValueInfoProto and TensorProto
NODE_INPUT, NODE_OUTPUT, OP_TYPE, ATTRIBUTE, DOMAIN = 1, 2, 4, 5, 7
ATTRIBUTE_TENSOR = 5
INITIALIZER, GRAPH_INPUT, VALUE_NAME, TENSOR_NAME = 5, 11, 1, 8


def guard_divisions(graph: Path | bytes) -> Path | bytes:
    """Give a graph, or one that computes the same and divides no whole number by -1.

    The file itself stays as it is.

    Raises:
        NotRunnable: it cannot be told what some division in it divides, or it is no ONNX file.
    """
    octets = view_graph(graph)
    try:
        if not _has_risks(octets):
            return graph
    except MalformedCheckpoint as error:
        raise NotRunnable("The graph is damaged or no ONNX file.") from error
    from zoo.serving.divided import rewrite_divisions  # noqa: PLC0415  # slow to import

    return rewrite_divisions(bytes(octets), DIVISIONS)


@dataclass(slots=True)
class _Found:
    """What names stand for in a file, whichever of its graphs they are of."""

    divisions: list[list[str]] = field(default_factory=list)  # the inputs of each
    constants: dict[str, list[Message]] = field(default_factory=lambda: defaultdict(list))
    others: set[str] = field(default_factory=set)  # that are something else, here or there


def _has_risks(octets: memoryview) -> bool:
    """Tell whether a graph may divide whole numbers by what is no constant without -1."""
    if not any(kind == "NodeProto" and _is_division(one) for kind, one in _walk(octets)):
        return False
    found = _Found()
    for kind, message in _walk(octets):
        if kind == "NodeProto":
            _read_node(message, found)
        elif kind == "GraphProto":
            _read_graph(message, found)
    reader = TensorReader(ExternalFiles({}), Budget(len(octets) + SPARE))
    return not all(_is_harmless(names, found, reader) for names in found.divisions)


def _walk(octets: memoryview) -> Iterator[tuple[str, Message]]:
    """Give every message of a file that could hold a node, and its kind."""
    waiting = [("ModelProto", Message(octets, name="the graph", format_name="ONNX"))]
    while waiting:
        kind, message = waiting.pop()
        yield kind, message
        for one in message.fields():
            inner = INSIDE.get(kind, {}).get(one.number)
            if inner is not None and inner not in {TENSOR, "SparseTensorProto"}:
                waiting.append((inner, message.child(one)))


def _is_division(node: Message) -> bool:
    told = {OP_TYPE: "", DOMAIN: ""}  # what is told last counts
    for one in node.fields():
        if one.number in told:
            told[one.number] = node.text(one)
    return told[OP_TYPE] in DIVISIONS and told[DOMAIN] in DEFAULT_DOMAINS


def _read_node(node: Message, found: _Found) -> None:
    texts: dict[int, list[str]] = {NODE_INPUT: [], NODE_OUTPUT: [], OP_TYPE: [""]}
    tensors = []
    for one in node.fields():
        if one.number in texts:
            texts[one.number].append(node.text(one))
        elif one.number == ATTRIBUTE:
            attribute = node.child(one)
            tensors += [
                attribute.child(inner)
                for inner in attribute.fields()
                if inner.number == ATTRIBUTE_TENSOR
            ]
    if texts[OP_TYPE][-1] == "Constant" and len(tensors) == len(texts[NODE_OUTPUT]) == 1:
        found.constants[texts[NODE_OUTPUT][0]] += tensors
    else:
        found.others.update(texts[NODE_OUTPUT])
    if _is_division(node):
        found.divisions.append(texts[NODE_INPUT])


def _read_graph(graph: Message, found: _Found) -> None:
    for one in graph.fields():
        if one.number == INITIALIZER:
            tensor = graph.child(one)
            found.constants[_name(tensor, TENSOR_NAME)].append(tensor)
        elif one.number == GRAPH_INPUT:  # which may stand in the place of an initializer
            found.others.add(_name(graph.child(one), VALUE_NAME))


def _name(message: Message, number: int) -> str:
    names = [message.text(one) for one in message.fields() if one.number == number]
    return names[-1] if names else ""


def _is_harmless(names: list[str], found: _Found, reader: TensorReader) -> bool:
    """Tell whether a division is of other numbers, or by constants without -1."""
    for place, name in enumerate(names):
        constants = found.constants.get(name, [])
        if name in found.others or len(constants) != 1:
            continue
        try:
            tensor = reader.read(constants[0])
        except MalformedCheckpoint:
            continue
        if tensor.kind not in TRAPPING or (place == 1 and not (tensor.array() == -1).any()):
            return True
    return False
