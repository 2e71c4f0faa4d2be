"""Walking protobuf's wire format over a memory-mapped file: views, no copies, no schema.

A message is a range of the file. Its fields are walked one by one, skipping by wire type, so a
file of hundreds of megabytes is walked in milliseconds: only what is asked for is descended into.
Source: the "Encoding" page of the Protocol Buffers documentation.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from zoo.domain.weights import Array
from zoo.errors import MalformedCheckpoint

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
WIDTHS = {FIXED64: 8, FIXED32: 4}
LARGEST_FIELD = 2**29 - 1
MOST_FIELDS = 2**20  # in one message; a real file has some thousands


@dataclass(frozen=True, slots=True)
class Field:
    """One field, or an unbroken run of one fixed-width field.

    ``value`` is a varint's number; ``start`` and ``end`` the range of all other content, where a
    run has one number every ``stride`` bytes.
    """

    number: int
    wire: int
    offset: int
    start: int
    end: int
    value: int = 0
    stride: int = 0


class Message:
    """A range of a file that should hold a protobuf message."""

    def __init__(
        self,
        octets: memoryview,
        *,
        name: str,
        start: int = 0,
        end: int | None = None,
        format_name: str = "Caffe",
    ) -> None:
        self.octets = octets
        self.name = name
        self.format_name = format_name
        self.start = start
        self.end = len(octets) if end is None else end

    def fields(self) -> Iterator[Field]:
        """Walk the fields in file order.

        Raises:
            MalformedCheckpoint: the bytes cannot be a message; says at which byte.
        """
        position = self.start
        for _ in range(MOST_FIELDS):
            if position == self.end:
                return
            field, position = self._field(position)
            yield field
        raise self.refuse(position, f"more than {MOST_FIELDS} fields in one message")

    def child(self, field: Field) -> "Message":
        """See the content of a field as a message of its own."""
        self.expect(field, BYTES)
        return Message(
            self.octets,
            name=self.name,
            start=field.start,
            end=field.end,
            format_name=self.format_name,
        )

    def text(self, field: Field) -> str:
        """Read a string; bytes that are not UTF-8 are replaced, as names need only compare."""
        self.expect(field, BYTES)
        return str(self.octets[field.start : field.end], "utf-8", "replace")

    def numbers(self, field: Field, dtype: str) -> Array:
        """View fixed-width numbers, packed or one by one, without copying them."""
        kind = np.dtype(dtype)
        if field.wire in WIDTHS and WIDTHS[field.wire] == kind.itemsize:
            count = (field.end - field.start - kind.itemsize) // field.stride + 1
            stride = field.stride
        else:
            self.expect(field, BYTES)
            count, rest = divmod(field.end - field.start, kind.itemsize)
            stride = kind.itemsize
            if rest:
                raise self.refuse(field.offset, f"{rest} bytes are left over of its numbers")
        return np.ndarray((count,), kind, self.octets, offset=field.start, strides=(stride,))

    def varints(self, field: Field) -> Iterator[int]:
        """Read whole numbers, packed or single, as signed 64-bit."""
        if field.wire == VARINT:
            yield _signed(field.value)
            return
        self.expect(field, BYTES)
        position = field.start
        while position < field.end:
            value, position = self._varint(position, field.end)
            yield _signed(value)

    def expect(self, field: Field, wire: int) -> None:
        """Refuse a field that is not of this wire type."""
        if field.wire != wire:
            raise self.refuse(
                field.offset, f"field {field.number} has wire type {field.wire}, not {wire}"
            )

    def refuse(self, offset: int, reason: str) -> MalformedCheckpoint:
        """Make the error that names the file, the byte and the reason."""
        return MalformedCheckpoint(
            f"{self.name} is damaged or not a file of {self.format_name}'s:"
            f" byte {offset}: {reason}.",
            file=self.name,
            offset=offset,
        )

    def _field(self, offset: int) -> tuple[Field, int]:
        tag, start = self._varint(offset, self.end)
        number, wire = tag >> 3, tag & 7
        if not 1 <= number <= LARGEST_FIELD:
            raise self.refuse(offset, f"{number} is not a field's number")
        if wire == VARINT:
            value, end = self._varint(start, self.end)
            return Field(number, wire, offset, start, end, value=value), end
        if wire == BYTES:
            length, start = self._varint(start, self.end)
            end = start + length
        elif wire in WIDTHS:
            end = start + WIDTHS[wire]
        else:
            raise self.refuse(offset, f"wire type {wire} is not used by {self.format_name}")
        if end > self.end:
            raise self.refuse(
                offset,
                f"field {number} ends at byte {end}, beyond the end of its message at {self.end}",
            )
        if wire == BYTES:
            return Field(number, wire, offset, start, end), end
        run = self._run_end(offset, start, end)
        return Field(number, wire, offset, start, run, stride=end - offset), run

    def _run_end(self, offset: int, start: int, end: int) -> int:
        """Find the end of a run of records with the same tag, in steps that double.

        Old writers put a tag before every float; one by one, eleven megabytes took seconds.
        """
        stride = end - offset
        octets = np.frombuffer(self.octets, np.uint8)
        tag = octets[offset:start]
        step = 1
        while count := min(step, (self.end - end) // stride):
            records = octets[end : end + count * stride].reshape(count, stride)
            same = (records[:, : start - offset] == tag).all(axis=1)
            if not same.all():
                return end + int(same.argmin()) * stride
            end += count * stride
            step *= 2
        return end

    def _varint(self, position: int, end: int) -> tuple[int, int]:
        value = 0
        for index in range(10):
            if position + index >= end:
                raise self.refuse(position, "the file or message ends inside a number")
            octet = self.octets[position + index]
            value |= (octet & 0x7F) << (7 * index)
            if octet < 0x80:  # noqa: PLR2004  # the bit that says more bytes follow
                break
        else:
            raise self.refuse(position, "a number takes more than 10 bytes")
        if value >= 2**64:
            raise self.refuse(position, "a number takes more than 64 bits")
        return value, position + index + 1


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value
