"""Walking protobuf's wire format over a memory-mapped file: views, no copies, no schema.

A message is a range of the file. Its fields are walked one by one, skipping by wire type, so a
file of hundreds of megabytes is walked in milliseconds: only what is asked for is descended into.
All messages of a file share one allowance of fields, which bounds the time that any file takes.
Source: the "Encoding" page of the Protocol Buffers documentation.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from zoo.domain.weights import Array
from zoo.errors import MalformedCheckpoint

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
WIDTHS = {FIXED64: 8, FIXED32: 4}
LARGEST_FIELD = 2**29 - 1
MOST_FIELDS = 2**20  # in all messages of a file; a real one has some thousands
RUN_FIELDS = 8  # what an unbroken run counts for, as finding its end takes that much longer
FEWEST_OF_RUN = 4  # records that are compared one by one before numpy compares many at once
LONGEST_STEP = 2**16  # records compared at once


@dataclass(slots=True)
class Allowance:
    """How many fields may still be walked, shared by all messages of a file."""

    left: int
    most: int


class Field(NamedTuple):
    """One field, or an unbroken run of one fixed-width field.

    ``value`` is a varint's number; ``start`` and ``end`` the range of all other content, where a
    run has one number every ``stride`` bytes. (A tuple, as a file has many and tuples are made
    several times faster than dataclasses.)
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

    __slots__ = ("allowance", "end", "format_name", "name", "octets", "start")

    def __init__(
        self,
        octets: memoryview,
        *,
        name: str,
        format_name: str = "Caffe",
        most_fields: int = MOST_FIELDS,
    ) -> None:
        self.octets = octets
        self.name = name
        self.format_name = format_name
        self.start = 0
        self.end = len(octets)
        self.allowance = Allowance(most_fields, most_fields)

    def fields(self) -> Iterator[Field]:
        """Walk the fields in file order.

        Raises:
            MalformedCheckpoint: the bytes cannot be a message, or the file has more fields than
                any real one; says at which byte.
        """
        position = self.start
        while position != self.end:
            self._spend(1, position)
            field, position = self._field(position)
            yield field

    def child(self, field: Field) -> "Message":
        """See the content of a field as a message of its own."""
        self.expect(field, BYTES)
        child = Message.__new__(Message)
        child.octets, child.name, child.format_name = self.octets, self.name, self.format_name
        child.start, child.end, child.allowance = field.start, field.end, self.allowance
        return child

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
            return Field(number, wire, offset, start, end, value), end
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
        """Find the end of a run of records with the same tag.

        Old writers put a tag before every float; one by one, eleven megabytes took seconds.
        """
        stride, tag_length = end - offset, start - offset
        tag = self.octets[offset:start]
        for _ in range(FEWEST_OF_RUN):
            if end + stride > self.end or self.octets[end : end + tag_length] != tag:
                return end
            end += stride
        self._spend(RUN_FIELDS, end)
        return self._long_run_end(np.frombuffer(tag, np.uint8), stride, end)

    def _long_run_end(self, tag: Array, stride: int, end: int) -> int:
        """Go on in steps that double, so that a short run costs little and a long one too."""
        octets = np.frombuffer(self.octets, np.uint8)
        step = 2 * FEWEST_OF_RUN
        while count := min(step, (self.end - end) // stride):
            records = octets[end : end + count * stride].reshape(count, stride)
            same = (records[:, : len(tag)] == tag).all(axis=1)
            if not same.all():
                return end + int(same.argmin()) * stride
            end += count * stride
            step = min(2 * step, LONGEST_STEP)
        return end

    def _spend(self, count: int, position: int) -> None:
        self.allowance.left -= count
        if self.allowance.left < 0:
            raise self.refuse(position, f"more than {self.allowance.most} fields in one file")

    def _varint(self, position: int, end: int) -> tuple[int, int]:
        if position < end and (octet := self.octets[position]) < 0x80:  # noqa: PLR2004  # most are
            return octet, position + 1
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
