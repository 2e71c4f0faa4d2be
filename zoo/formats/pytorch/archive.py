"""Zip archives as PyTorch writes them: members lie uncompressed, so a tensor is a view of the file.

Only the directory is believed, and only where the header before each member agrees with it: names
are unique and plain, no two members share a byte, none is compressed. Nothing is extracted.
Source: APPNOTE.TXT, the .ZIP File Format Specification, sections 4.3 and 4.5.3.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from zoo.errors import MalformedCheckpoint

SIGNATURE = b"PK\x03\x04"
END = struct.Struct("<4sHHHHIIH")  # ..., entries, size, offset, length of the comment
END_64_LOCATOR = struct.Struct("<4sIQI")
END_64 = struct.Struct("<4sQHHIIQQQQ")
ENTRY = struct.Struct("<4sHHHHHHIIIHHHHHII")
LOCAL = struct.Struct("<4sHHHHHIIIHH")
END_MARK, LOCATOR_MARK, END_64_MARK, ENTRY_MARK = b"PK\5\6", b"PK\6\7", b"PK\6\6", b"PK\1\2"
ENCRYPTED, SIZE_FOLLOWS = 0x1, 0x8  # flags
STORED = 0  # method
LARGE_16, LARGE_32 = 0xFFFF, 0xFFFFFFFF  # "it stands in the larger field"
EXTRA_64 = 1
MOST_MEMBERS = 2**16  # a network has some thousands


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One member: where its bytes are, and how they are kept."""

    name: str
    header: int  # the first byte of its header
    start: int
    end: int
    is_plain: bool  # neither compressed nor encrypted


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry of the directory, as it stands there."""

    name: bytes
    flags: int
    method: int
    packed_bytes: int
    size_bytes: int
    header: int


def read_archive(octets: memoryview, *, name: str) -> Mapping[str, Member]:
    """Read the directory of an archive.

    Raises:
        MalformedCheckpoint: it is damaged, cut short, or made to look like something else.
    """
    archive = _Archive(octets, name)
    members: dict[str, Member] = {}
    for entry in archive.entries():
        member = archive.locate(entry)
        if member.name in members:
            raise archive.refuse(member.header, f"there are two members {member.name[:80]!r}")
        members[member.name] = member
    archive.check_places(members)
    return members


class _Archive:
    def __init__(self, octets: memoryview, name: str) -> None:
        self.octets = octets
        self.name = name
        self.directory = 0  # its first byte

    def entries(self) -> Iterator[_Entry]:
        """Walk the directory, which fills the space before the end's record to the byte."""
        count, position, end = self._find_directory()
        self.directory = position
        for _ in range(count):
            fields = self._unpack(ENTRY, position, ENTRY_MARK)
            flags, method, packed, size = fields[3], fields[4], fields[8], fields[9]
            names, extras, comment, header = fields[10], fields[11], fields[12], fields[16]
            body = position + ENTRY.size
            position = body + names + extras + comment
            if position > end:
                raise self.refuse(body, "the directory is longer than it says")
            extra = bytes(self.octets[body + names : body + names + extras])
            size, packed, header = self._enlarge(extra, (size, packed, header), body)
            name = bytes(self.octets[body : body + names])
            yield _Entry(name, flags, method, packed, size, header)
        if position != end:
            raise self.refuse(position, "the directory is shorter than it says")

    def locate(self, entry: _Entry) -> Member:
        """Find a member by the header before it, which has to tell the same."""
        fields = self._unpack(LOCAL, entry.header, SIGNATURE)
        flags, method, packed, size, names, extras = (fields[i] for i in (2, 3, 7, 8, 9, 10))
        body = entry.header + LOCAL.size
        start = body + names + extras
        end = start + entry.packed_bytes
        if end > self.directory:
            raise self.refuse(entry.header, "a member is longer than the file")
        if bytes(self.octets[body : body + names]) != entry.name or method != entry.method:
            raise self.refuse(entry.header, "a member is not what the directory says")
        for told, known in ((packed, entry.packed_bytes), (size, entry.size_bytes)):
            if told not in {known, LARGE_32} and not (told == 0 and flags & SIZE_FOLLOWS):
                raise self.refuse(entry.header, "a member has not the size the directory says")
        return Member(
            name=self._read_name(entry),
            header=entry.header,
            start=start,
            end=end,
            is_plain=entry.method == STORED
            and entry.packed_bytes == entry.size_bytes
            and not (entry.flags | flags) & ENCRYPTED,
        )

    def check_places(self, members: Mapping[str, Member]) -> None:
        """Refuse members that share bytes: a small file can pretend to be a large one with them."""
        position = 0
        for member in sorted(members.values(), key=lambda member: member.header):
            if member.header < position:
                raise self.refuse(member.header, f"member {member.name[:80]!r} overlaps another")
            position = member.end

    def refuse(self, offset: int, reason: str) -> MalformedCheckpoint:
        return MalformedCheckpoint(
            f"{self.name} is damaged or no checkpoint of PyTorch's: byte {offset}: {reason}.",
            file=self.name,
            offset=offset,
        )

    def _find_directory(self) -> tuple[int, int, int]:
        """Find the number of entries, the first byte of the directory and the one behind it."""
        end = len(self.octets) - END.size
        if end < 0 or self.octets[end : end + 4] != END_MARK:
            raise self.refuse(
                len(self.octets), "the archive's directory is not at its end: it is cut short"
            )
        _, *disks, _, count, size, offset, _ = END.unpack_from(self.octets, end)
        locator = end - END_64_LOCATOR.size
        if locator >= 0 and self.octets[locator : locator + 4] == LOCATOR_MARK:
            end, count, size, offset = self._read_end_64(locator)
        if any(disk not in {0, LARGE_16} for disk in disks) or offset + size != end:
            raise self.refuse(end, "the directory is not where it should be")
        if count > min(MOST_MEMBERS, size // ENTRY.size):
            raise self.refuse(end, f"the directory cannot have {count} members")
        return count, offset, end

    def _read_end_64(self, locator: int) -> tuple[int, int, int, int]:
        _, _, end, _ = END_64_LOCATOR.unpack_from(self.octets, locator)
        if end + END_64.size != locator:
            raise self.refuse(locator, "the end's record is not where it should be")
        *_, count, size, offset = self._unpack(END_64, end, END_64_MARK)
        return end, count, size, offset

    def _enlarge(
        self, extra: bytes, numbers: tuple[int, int, int], at: int
    ) -> tuple[int, int, int]:
        """Take the numbers that are too large for their fields from the extra field."""
        if LARGE_32 not in numbers:
            return numbers
        values = self._extra_numbers(extra, at)
        needed = numbers.count(LARGE_32)
        if len(values) < needed:
            raise self.refuse(at, "a member's size is missing")
        left = iter(values)
        size, packed, header = (next(left) if each == LARGE_32 else each for each in numbers)
        return size, packed, header

    def _extra_numbers(self, extra: bytes, at: int) -> tuple[int, ...]:
        position = 0
        while position + 4 <= len(extra):
            kind, length = struct.unpack_from("<HH", extra, position)
            position += 4
            if kind == EXTRA_64 and position + length <= len(extra):
                return struct.unpack_from(f"<{length // 8}Q", extra, position)
            position += length
        raise self.refuse(at, "a member's size is missing")

    def _read_name(self, entry: _Entry) -> str:
        try:
            name = entry.name.decode()
        except UnicodeDecodeError as error:
            raise self.refuse(entry.header, "a member's name is not Unicode") from error
        parts = name.removesuffix("/").split("/")
        if {"", ".", ".."} & set(parts) or "\\" in name or not name.isprintable():
            raise self.refuse(entry.header, f"a member is called {name[:80]!a}")
        return name

    def _unpack(self, form: struct.Struct, offset: int, mark: bytes) -> tuple[int, ...]:
        if offset + form.size > len(self.octets) or self.octets[offset : offset + 4] != mark:
            raise self.refuse(offset, "the archive has no record where one should be")
        return form.unpack_from(self.octets, offset)
