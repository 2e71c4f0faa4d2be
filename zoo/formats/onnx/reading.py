"""Reading .onnx files: the whole graph, numbers as views of the mapped file.

Field numbers: onnx.proto, https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.formats.mapped import map_file
from zoo.formats.onnx.external import ExternalFiles
from zoo.formats.onnx.model import (
    DEFAULT_DOMAINS,
    Node,
    OnnxModel,
    Side,
    Subgraph,
    Tensor,
    ValueInfo,
)
from zoo.formats.onnx.order import check_order
from zoo.formats.onnx.tensor import KINDS, LONGEST_NAME, SPARE, Budget, TensorReader, read_entry
from zoo.formats.wire import VARINT, Field, Message

# ModelProto, GraphProto, NodeProto
IR_VERSION, PRODUCER, GRAPH, OPSET_IMPORT, METADATA, FUNCTIONS = 1, 2, 7, 8, 14, 25
NODE, GRAPH_NAME, INITIALIZER, INPUT, OUTPUT, SPARSE_INITIALIZER = 1, 2, 5, 11, 12, 15
NODE_INPUT, NODE_OUTPUT, NODE_NAME, OP_TYPE, ATTRIBUTE, DOMAIN = 1, 2, 3, 4, 5, 7

# AttributeProto: its type, the fields of each kind of value, and that kind where none is stated.
ATTRIBUTE_NAME, ATTRIBUTE_TYPE = 1, 20
REFERENCE = 21
SINGLE = {2, 3, 4, 5, 6}
VALUE_FIELDS = {1: 2, 2: 3, 3: 4, 4: 5, 5: 6, 6: 7, 7: 8, 8: 9, 9: 10, 10: 11, 11: 22, 12: 23}
ABSENT: dict[int, Any] = {2: 0.0, 3: 0, 4: ""}

# Bounds for the time and memory that a file takes; the largest networks of vision have a tenth.
MOST_NODES = 2**16
MOST_TENSORS = 2**16
MOST_ENDS = 2**12  # inputs and outputs of the graph, of which old files list every weight
MOST_OF_NODE = 2**12  # inputs, outputs or attributes of one node
MOST_ENTRIES = 2**12  # of metadata
LONGEST_LIST = 2**18  # numbers in one attribute
MOST_SIDES = 32

Fields = Mapping[int, Sequence[Field]]


def read_onnx(
    path: Path, *, name: str = "", external: Mapping[str, Path] | None = None
) -> OnnxModel:
    """Read an ONNX file.

    Arrays are views of the mapped file, read from disk when they are touched. ``name`` is what
    errors call the file; ``external`` are the files beside it, by their path from its folder, of
    which tensors may lie in.

    Raises:
        MalformedCheckpoint: the file is damaged, or not what it should be; says where.
        UnknownFormat: the file is text.
    """
    name = name or path.name
    octets = map_file(path, name=name)
    files = ExternalFiles(external or {})
    reader = TensorReader(files, Budget(len(octets) + SPARE))
    return _read_model(Message(octets, name=name, format_name="ONNX"), reader)


def _read_model(message: Message, reader: TensorReader) -> OnnxModel:
    fields = _by_number(message, {METADATA: MOST_ENTRIES, OPSET_IMPORT: MOST_ENTRIES})
    if len(fields.get(GRAPH, ())) != 1:
        raise message.refuse(message.end, f"the file has {len(fields.get(GRAPH, ()))} graphs")
    opsets = dict(_read_opset(message.child(field)) for field in fields.get(OPSET_IMPORT, ()))
    if "" not in opsets:
        raise message.refuse(message.end, "the file ends without the version of its operations")
    graph = message.child(fields[GRAPH][0])
    parts = _by_number(
        graph,
        {NODE: MOST_NODES, INITIALIZER: MOST_TENSORS, INPUT: MOST_TENSORS, OUTPUT: MOST_ENDS},
    )
    tensors = [reader.read(graph.child(field)) for field in parts.get(INITIALIZER, ())]
    initializers = {tensor.name: tensor for tensor in tensors}
    sparse = _sparse(graph, parts, reader)
    inputs = [_read_value(graph.child(field)) for field in parts.get(INPUT, ())]
    model = OnnxModel(
        file=message.name,
        ir_version=_number(message, fields, IR_VERSION),
        opsets=opsets,
        producer=_text(message, fields, PRODUCER),
        metadata=dict(read_entry(message.child(field)) for field in fields.get(METADATA, ())),
        name=_text(graph, parts, GRAPH_NAME),
        inputs=tuple(one for one in inputs if one.name not in initializers),
        outputs=tuple(_read_value(graph.child(field)) for field in parts.get(OUTPUT, ())),
        nodes=tuple(_read_node(graph.child(field), reader) for field in parts.get(NODE, ())),
        initializers=initializers | sparse,
        functions=tuple(
            _read_function_name(message.child(field)) for field in fields.get(FUNCTIONS, ())
        ),
        size_bytes=len(message.octets) + reader.external.size_bytes,
    )
    check_order(model, graph)
    return model


def _by_number(message: Message, bounds: Mapping[int, int]) -> Fields:
    """Sort a message's fields by number, and refuse too many before any of them is read."""
    fields: defaultdict[int, list[Field]] = defaultdict(list)
    for field in message.fields():
        fields[field.number].append(field)
        most = bounds.get(field.number, MOST_NODES)
        if len(fields[field.number]) > most:
            raise message.refuse(field.offset, f"more than {most} of field {field.number}")
    return fields


def _number(message: Message, fields: Fields, number: int) -> int:
    for field in fields.get(number, ())[-1:]:
        message.expect(field, VARINT)
        return field.value
    return 0


def _text(message: Message, fields: Fields, number: int) -> str:
    for field in fields.get(number, ())[-1:]:
        return _name(message, field)
    return ""


def _name(message: Message, field: Field) -> str:
    if field.end - field.start > LONGEST_NAME:
        raise message.refuse(field.offset, f"a name of more than {LONGEST_NAME} bytes")
    return message.text(field)


def _names(message: Message, fields: Fields, number: int) -> tuple[str, ...]:
    return tuple(_name(message, field) for field in fields.get(number, ()))


def _read_opset(message: Message) -> tuple[str, int]:
    fields = _by_number(message, {})
    domain = _text(message, fields, 1)
    return "" if domain in DEFAULT_DOMAINS else domain, _number(message, fields, 2)


def _read_function_name(message: Message) -> str:
    fields = _by_number(message, {})
    return f"{_text(message, fields, 10)}.{_text(message, fields, 1)}"


def _sparse(graph: Message, parts: Fields, reader: TensorReader) -> dict[str, Tensor]:
    """Read the names of sparse tensors; their numbers are not read."""
    found: dict[str, Tensor] = {}
    for field in parts.get(SPARSE_INITIALIZER, ()):
        message = graph.child(field)
        for value in _by_number(message, {}).get(1, ())[-1:]:
            tensor = reader.read(message.child(value))
            found[tensor.name] = Tensor(tensor.name, "sparse", (), tensor.stored, None)
    return found


def _read_node(message: Message, reader: TensorReader) -> Node:
    bounds = dict.fromkeys((NODE_INPUT, NODE_OUTPUT, ATTRIBUTE), MOST_OF_NODE)
    fields = _by_number(message, bounds)
    domain = _text(message, fields, DOMAIN)
    return Node(
        op_type=_text(message, fields, OP_TYPE),
        domain="" if domain in DEFAULT_DOMAINS else domain,
        name=_text(message, fields, NODE_NAME),
        inputs=_names(message, fields, NODE_INPUT),
        outputs=_names(message, fields, NODE_OUTPUT),
        attributes=dict(
            _read_attribute(message.child(field), reader) for field in fields.get(ATTRIBUTE, ())
        ),
        offset=message.start,
    )


def _read_attribute(message: Message, reader: TensorReader) -> tuple[str, Any]:
    fields = _by_number(message, dict.fromkeys(VALUE_FIELDS.values(), LONGEST_LIST))
    name = _text(message, fields, ATTRIBUTE_NAME)
    stated = VALUE_FIELDS.get(_number(message, fields, ATTRIBUTE_TYPE))
    number = stated or next((one for one in VALUE_FIELDS.values() if fields.get(one)), 3)
    if number not in READ_VALUE or REFERENCE in fields:
        return name, None
    values = [
        value
        for field in fields.get(number, ())
        for value in READ_VALUE[number](message, field, reader)
    ]
    if number in SINGLE:
        return name, values[-1] if values else ABSENT.get(number)
    return name, tuple(values)


def _floats(message: Message, field: Field, _reader: TensorReader) -> Sequence[float]:
    numbers = message.numbers(field, "<f4")
    if numbers.size > LONGEST_LIST:
        raise message.refuse(field.offset, f"an attribute of more than {LONGEST_LIST} numbers")
    return [float(one) for one in numbers.tolist()]


def _ints(message: Message, field: Field, _reader: TensorReader) -> Sequence[int]:
    if field.end - field.start > LONGEST_LIST:
        raise message.refuse(field.offset, f"an attribute of more than {LONGEST_LIST} bytes")
    return list(message.varints(field))


def _texts(message: Message, field: Field, _reader: TensorReader) -> Sequence[str]:
    if field.end - field.start > LONGEST_LIST:
        raise message.refuse(field.offset, f"an attribute of more than {LONGEST_LIST} bytes")
    return [message.text(field)]


def _tensors(message: Message, field: Field, reader: TensorReader) -> Sequence[Tensor]:
    return [reader.read(message.child(field))]


def _graphs(message: Message, field: Field, _reader: TensorReader) -> Sequence[Subgraph]:
    inner = message.child(field)
    return [Subgraph(start=inner.start, end=inner.end)]


READ_VALUE: dict[int, Callable[[Message, Field, TensorReader], Sequence[Any]]] = {
    2: _floats,
    3: _ints,
    4: _texts,
    5: _tensors,
    6: _graphs,
    7: _floats,
    8: _ints,
    9: _texts,
    10: _tensors,
    11: _graphs,
}


def _read_value(message: Message) -> ValueInfo:
    fields = _by_number(message, {})
    kind, shape = "", None
    for field in fields.get(2, ())[-1:]:
        kind, shape = _read_type(message.child(field))
    return ValueInfo(name=_text(message, fields, 1), kind=kind, shape=shape)


def _read_type(message: Message) -> tuple[str, tuple[Side, ...] | None]:
    """Read the type and shape of a tensor; sequences, maps and the like have neither."""
    for field in _by_number(message, {}).get(1, ())[-1:]:
        tensor = message.child(field)
        fields = _by_number(tensor, {})
        code = _number(tensor, fields, 1)
        shapes = fields.get(2, ())[-1:]
        return KINDS.get(code, f"number {code}" if code else ""), (
            _read_shape(tensor.child(shapes[0])) if shapes else None
        )
    return "", None


def _read_shape(message: Message) -> tuple[Side, ...]:
    sides = _by_number(message, {1: MOST_SIDES}).get(1, ())
    return tuple(_read_side(message.child(field)) for field in sides)


def _read_side(message: Message) -> Side:
    fields = _by_number(message, {})
    if fields.get(1):
        size = next(iter(message.varints(fields[1][-1])), 0)
        return size if size > 0 else None
    return _text(message, fields, 2) or None
