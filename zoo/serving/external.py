"""Whether an ONNX file keeps tensors outside itself, found by walking it, without loading it.

Such a tensor names a file beside the graph, which would be another blob of the store, or nothing.
Field numbers: onnx.proto, https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

import mmap
from pathlib import Path

from zoo.errors import MalformedCheckpoint, NotRunnable
from zoo.formats.wire import Message

TENSOR = "TensorProto"
EXTERNAL_DATA, DATA_LOCATION = 13, 14
# The fields of each message that lead to a tensor, and the kind of message each holds.
INSIDE: dict[str, dict[int, str]] = {
    "ModelProto": {7: "GraphProto", 20: "TrainingInfoProto", 25: "FunctionProto"},
    "TrainingInfoProto": {1: "GraphProto", 2: "GraphProto"},
    "FunctionProto": {7: "NodeProto", 11: "AttributeProto"},
    "GraphProto": {1: "NodeProto", 5: TENSOR, 15: "SparseTensorProto"},
    "NodeProto": {5: "AttributeProto"},
    "AttributeProto": {
        5: TENSOR,
        6: "GraphProto",
        10: TENSOR,
        11: "GraphProto",
        22: "SparseTensorProto",
        23: "SparseTensorProto",
    },
    "SparseTensorProto": {1: TENSOR, 2: TENSOR},
}


def refuse_external_data(graph: Path | bytes) -> None:
    """Refuse a graph with tensors in other files.

    Raises:
        NotRunnable: it has one, or is no ONNX file at all.
    """
    try:
        is_external = _has_external_data(view_graph(graph))
    except MalformedCheckpoint as error:
        raise NotRunnable("The graph is damaged or no ONNX file.") from error
    if is_external:
        raise NotRunnable(
            "The graph keeps weights in other files, which a model of the zoo may not.",
            hint="Write it as one file: onnx.save(onnx.load('model.onnx'), 'one.onnx')",
        )


def view_graph(graph: Path | bytes) -> memoryview:
    """See the bytes; those of a file are mapped, not read. An empty file cannot be mapped."""
    if isinstance(graph, bytes):
        return memoryview(graph)
    with graph.open("rb") as file:
        if not graph.stat().st_size:
            return memoryview(b"")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _has_external_data(octets: memoryview) -> bool:
    waiting = [("ModelProto", Message(octets, name="the graph"))]
    while waiting:
        kind, message = waiting.pop()
        for field in message.fields():
            if kind == TENSOR and _is_external(field.number, field.value):
                return True
            if field.number in INSIDE.get(kind, {}):
                waiting.append((INSIDE[kind][field.number], message.child(field)))
    return False


def _is_external(number: int, value: int) -> bool:
    return number == EXTERNAL_DATA or (number == DATA_LOCATION and value != 0)
