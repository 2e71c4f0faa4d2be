"""Reading one TensorProto: numbers in any of the ways ONNX writes them.

Field numbers and the fields each type may use are those of onnx.proto,
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoo.domain.weights import Array
from zoo.formats.elements import ELEMENTS, Element
from zoo.formats.mapped import MOST_AXES, can_be_shape, view_array
from zoo.formats.onnx.external import ExternalFiles
from zoo.formats.onnx.model import Tensor
from zoo.formats.wire import VARINT, Field, Message

DIMS, DATA_TYPE, SEGMENT, NAME, RAW_DATA = 1, 2, 3, 8, 9
FLOAT_DATA, INT32_DATA, INT64_DATA, DOUBLE_DATA, UINT64_DATA = 4, 5, 7, 10, 11
EXTERNAL_DATA, DATA_LOCATION = 13, 14
NUMBERS = (FLOAT_DATA, INT32_DATA, INT64_DATA, DOUBLE_DATA, UINT64_DATA)

KINDS = {
    1: "float32",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    8: "text",
    9: "bool",
    10: "float16",
    11: "float64",
    12: "uint32",
    13: "uint64",
    14: "complex64",
    15: "complex128",
    16: "bfloat16",
    17: "float8_e4m3fn",
    19: "float8_e5m2",
}
# Where numbers lie that are neither raw nor in another file, by type; all others in int32_data.
TYPED = {
    "float32": FLOAT_DATA,
    "complex64": FLOAT_DATA,
    "float64": DOUBLE_DATA,
    "complex128": DOUBLE_DATA,
    "int64": INT64_DATA,
    "uint32": UINT64_DATA,
    "uint64": UINT64_DATA,
}
FIXED = {FLOAT_DATA: "<f4", DOUBLE_DATA: "<f8"}
MOST_ENTRIES = 16  # that tell where external numbers lie; ONNX knows five
LONGEST_NAME = 2**12  # bytes
LONGEST_VARINT = 10
BLOCK = 2**16  # bytes of varints decoded at once
SPARE = 2**22  # bytes that decoded varints may take beyond the file's own size


def _widen(array: Array) -> Array:
    return array.astype(np.float32)


BITS = np.dtype("<u2")
HALF = Element("float16", "<f2", _widen)


@dataclass(slots=True)
class Budget:
    """How many bytes decoding may still take; a varint of one byte may become eight."""

    left: int


@dataclass(frozen=True, slots=True)
class TensorReader:
    """Reads the tensors of one file, which share a budget and the files beside it."""

    external: ExternalFiles
    budget: Budget

    def read(self, message: Message) -> Tensor:
        """Read a tensor as a view wherever the file allows it.

        Raises:
            MalformedCheckpoint: the numbers do not fill the shape, or do not lie where they should.
        """
        fields = _collect(message)
        kind = KINDS.get(code := _number(message, fields, DATA_TYPE), f"number {code}")
        element = HALF if kind == "float16" else ELEMENTS.get(kind)
        dims = _dims(message, fields)
        name = _text(message, fields, NAME)
        if element is None:
            return Tensor(name, kind, dims, np.empty(0, np.uint8), None)
        if not can_be_shape(dims, element.size_bytes):
            raise message.refuse(message.start, f"tensor {name!r} has the shape {_told(dims)}")
        stored = self._numbers(message, fields, element, dims)
        return Tensor(name, kind, dims, stored, element)

    def _numbers(
        self,
        message: Message,
        fields: Mapping[int, Sequence[Field]],
        element: Element,
        dims: tuple[int, ...],
    ) -> Array:
        if fields.get(EXTERNAL_DATA) or _number(message, fields, DATA_LOCATION):
            entries = _entries(message, fields)
            size_bytes = math.prod(dims) * element.size_bytes
            octets, start = self.external.find(message, entries, size_bytes)
            return view_array(octets, dtype=np.dtype(element.dtype), start=start, shape=dims)
        if raw := fields.get(RAW_DATA):
            return _shaped(message, message.numbers(raw[-1], element.dtype), dims)
        return self._typed(message, fields, element, dims)

    def _typed(
        self,
        message: Message,
        fields: Mapping[int, Sequence[Field]],
        element: Element,
        dims: tuple[int, ...],
    ) -> Array:
        number = TYPED.get(element.name, INT32_DATA)
        pieces = fields.get(number, ())
        if number in FIXED:
            found = _join([message.numbers(field, FIXED[number]) for field in pieces])
            return _shaped(message, found.view(element.dtype), dims)
        # Of 16-bit floats the bits are written as numbers.
        dtype = BITS if element is HALF else np.dtype(element.dtype)
        return self._varints(message, pieces, dtype, dims).view(element.dtype)

    def _varints(
        self,
        message: Message,
        pieces: Sequence[Field],
        dtype: np.dtype[np.generic],
        dims: tuple[int, ...],
    ) -> Array:
        coded = sum(1 if field.wire == VARINT else field.end - field.start for field in pieces)
        count = math.prod(dims)
        if count > coded:
            raise message.refuse(
                message.start, f"a tensor of {_told(dims)} has its numbers in {coded} bytes"
            )
        self.budget.left -= count * dtype.itemsize
        if self.budget.left < 0:
            raise message.refuse(message.start, "its tensors would be far larger than the file")
        out = np.empty(count, dtype)
        filled = 0
        for field in pieces:
            filled = _decode(message, field, out, filled)
        if filled != count:
            raise message.refuse(message.start, f"a tensor of {_told(dims)} holds {filled} numbers")
        return out.reshape(dims)


def decode_varints(octets: NDArray[np.uint8]) -> tuple[NDArray[np.int64], int]:
    """Decode the whole varints at the start of a block: the numbers, and the bytes they take.

    Source: base 128 varints, in the "Encoding" page of the Protocol Buffers documentation.
    """
    (ends,) = np.nonzero(octets < 0x80)  # noqa: PLR2004  # the bit that says more bytes follow
    if not ends.size:
        return np.empty(0, np.int64), 0
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    if lengths.max() > LONGEST_VARINT:
        return np.empty(0, np.int64), 0
    used = int(ends[-1]) + 1
    place = np.arange(used) - np.repeat(starts, lengths)
    parts = (octets[:used] & np.uint8(0x7F)).astype(np.uint64) << (7 * place).astype(np.uint64)
    return np.bitwise_or.reduceat(parts, starts).view(np.int64), used


def _decode(message: Message, field: Field, out: Array, filled: int) -> int:
    """Decode a field's varints behind those that are there; give how many there are then."""
    if field.wire == VARINT:
        numbers = np.array([field.value], np.uint64).view(np.int64)
        return _put(message, field, out, filled, numbers)
    octets = message.numbers(field, "u1").astype(np.uint8, copy=False)
    position = 0
    while position < octets.size:
        numbers, used = decode_varints(octets[position : position + BLOCK])
        if not used:
            raise message.refuse(field.start + position, "the tensor ends inside a number")
        filled = _put(message, field, out, filled, numbers)
        position += used
    return filled


def _put(
    message: Message, field: Field, out: Array, filled: int, numbers: NDArray[np.int64]
) -> int:
    end = filled + numbers.size
    if end > out.size:
        raise message.refuse(field.offset, f"a tensor of {out.size} numbers holds more")
    out[filled:end] = numbers.astype(out.dtype)
    return end


def _collect(message: Message) -> Mapping[int, Sequence[Field]]:
    fields: defaultdict[int, list[Field]] = defaultdict(list)
    for field in message.fields():
        fields[field.number].append(field)
    if SEGMENT in fields:
        raise message.refuse(fields[SEGMENT][0].offset, "a tensor comes in segments")
    return fields


def _dims(message: Message, fields: Mapping[int, Sequence[Field]]) -> tuple[int, ...]:
    dims: list[int] = []
    for field in fields.get(DIMS, ()):
        for dim in message.varints(field):
            dims.append(dim)
            if len(dims) > MOST_AXES:
                raise message.refuse(field.offset, f"a tensor has more than {MOST_AXES} axes")
    return tuple(dims)


def _number(message: Message, fields: Mapping[int, Sequence[Field]], number: int) -> int:
    for field in fields.get(number, ())[-1:]:
        message.expect(field, VARINT)
        return field.value
    return 0


def _text(message: Message, fields: Mapping[int, Sequence[Field]], number: int) -> str:
    for field in fields.get(number, ())[-1:]:
        if field.end - field.start > LONGEST_NAME:
            raise message.refuse(field.offset, f"a name of more than {LONGEST_NAME} bytes")
        return message.text(field)
    return ""


def _entries(message: Message, fields: Mapping[int, Sequence[Field]]) -> dict[str, str]:
    pieces = fields.get(EXTERNAL_DATA, ())
    if len(pieces) > MOST_ENTRIES:
        raise message.refuse(message.start, f"more than {MOST_ENTRIES} places of one tensor")
    return dict(read_entry(message.child(field)) for field in pieces)


def read_entry(message: Message) -> tuple[str, str]:
    """Read a StringStringEntryProto: a key and its value."""
    texts = {1: "", 2: ""}
    for field in message.fields():
        if field.number in texts:
            texts[field.number] = message.text(field)
    return texts[1], texts[2]


def _join(pieces: Sequence[Array]) -> Array:
    if not pieces:
        return np.empty(0, np.float32)
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def _shaped(message: Message, numbers: Array, dims: tuple[int, ...]) -> Array:
    if numbers.size != math.prod(dims):
        raise message.refuse(
            message.start, f"a tensor of {_told(dims)} holds {numbers.size} numbers"
        )
    return numbers.reshape(dims)


def _told(dims: tuple[int, ...]) -> str:
    return " x ".join(map(str, dims)) or "no axes"
