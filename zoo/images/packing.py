"""Packing files into a zip or tar while it is sent: the same files give the same bytes.

The length of an archive is known before anything is read, any range of it can be made without what
comes before, and no more than a piece of one file is in memory. Members are stored as they are:
pictures are compressed already. Times, owners and modes are the same for all.
"""

import struct
import tarfile
import zlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

PIECE_BYTES = 2**18
# APPNOTE.TXT 4.3 and 4.5.3, the layout of a zip: little-endian throughout.
LOCAL = struct.Struct("<4s5H3L2H")
CENTRAL = struct.Struct("<4s6H3L5H2L")
END64 = struct.Struct("<4sQ2H2L4Q")
END64_PLACE = struct.Struct("<4sLQL")
END = struct.Struct("<4s4H2LH")
STORED, PLAIN_VERSION, LARGE_VERSION = 0, 20, 45
UTF8_NAME = 0x800  # general purpose bit 11
FIRST_DAY = (1 << 5) | 1  # 1980-01-01, the first that a zip can tell, at midnight
UNIX = 3 << 8  # who made it: the mode below is Unix's
PLAIN_FILE = 0o100644 << 16
FULL, FULL_COUNT = 0xFFFFFFFF, 0xFFFF  # the number stands in a 64-bit field instead
LARGE_FIELD = 1  # the id of that field
UNSEEN = -1  # checksum of a member that was not read yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A file to be packed."""

    path: str
    size_bytes: int
    open: Callable[[], BinaryIO]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some bytes of an archive: how many, and how they are made."""

    size_bytes: int
    pieces: Callable[[], Iterator[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """An archive that is made while it is read."""

    parts: Sequence[Part]
    size_bytes: int = field(init=False)

    def __post_init__(self) -> None:
        """Add the sizes up."""
        object.__setattr__(self, "size_bytes", sum(part.size_bytes for part in self.parts))

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Give the bytes from ``start`` on, and before ``stop``; parts outside are not made."""
        stop = self.size_bytes if stop is None else stop
        at = 0
        for part in self.parts:
            if at < stop and at + part.size_bytes > start:
                yield from _cut(part.pieces(), start - at, stop - at)
            at += part.size_bytes


def pack_tar(files: Sequence[Packed]) -> Archive:
    """Pack files into a plain tar of POSIX's form (pax where names need it)."""
    parts = []
    for file in files:
        info = tarfile.TarInfo(file.path)
        info.size, info.mode = file.size_bytes, 0o644
        head = info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
        parts += [_of_bytes(head), _of_file(file), _of_bytes(bytes(-file.size_bytes % 512))]
    written = sum(part.size_bytes for part in parts) + 2 * tarfile.BLOCKSIZE
    end = 2 * tarfile.BLOCKSIZE + -written % tarfile.RECORDSIZE
    return Archive(parts=[*parts, _of_bytes(bytes(end))])


def pack_zip(files: Sequence[Packed]) -> Archive:
    """Pack files into a zip without compression, in the 64-bit form where it needs that.

    Checksums stand before the bytes, so each file is read twice, unless a range needs only one.
    """
    return Archive(parts=_Zip(files).parts())


class _Zip:
    """The layout of a zip, and the checksums as far as they are known."""

    def __init__(self, files: Sequence[Packed]) -> None:
        self._files = files
        self._names = [file.path.encode() for file in files]
        self._sums = array("q", [UNSEEN]) * len(files)
        self._offsets: array[int] = array("Q")

    def parts(self) -> list[Part]:
        """Lay the archive out: members, index, end."""
        parts, at = [], 0
        for number, file in enumerate(self._files):
            self._offsets.append(at)
            size = LOCAL.size + len(self._names[number]) + len(self._local_extra(number))
            parts += [
                Part(size_bytes=size, pieces=lambda one=number: iter([self._local(one)])),  # type: ignore[misc]  # the default binds the loop's number
                _of_file(file),
            ]
            at += size + file.size_bytes
        index_bytes = sum(
            CENTRAL.size + len(name) + len(self._central_extra(number))
            for number, name in enumerate(self._names)
        )
        index = Part(size_bytes=index_bytes, pieces=self._index)
        return [*parts, index, _of_bytes(_zip_end(len(self._files), index_bytes, at))]

    def _local(self, number: int) -> bytes:
        size = self._files[number].size_bytes
        extra = self._local_extra(number)
        told = FULL if extra else size
        return (
            LOCAL.pack(
                b"PK\x03\x04",
                LARGE_VERSION if extra else PLAIN_VERSION,
                UTF8_NAME,
                STORED,
                0,
                FIRST_DAY,
                self._sum(number),
                told,
                told,
                len(self._names[number]),
                len(extra),
            )
            + self._names[number]
            + extra
        )

    def _index(self) -> Iterator[bytes]:
        for number, name in enumerate(self._names):
            size, offset = self._files[number].size_bytes, self._offsets[number]
            extra = self._central_extra(number)
            version = LARGE_VERSION if extra else PLAIN_VERSION
            yield (
                CENTRAL.pack(
                    b"PK\x01\x02",
                    UNIX | version,
                    version,
                    UTF8_NAME,
                    STORED,
                    0,
                    FIRST_DAY,
                    self._sum(number),
                    min(size, FULL),
                    min(size, FULL),
                    len(name),
                    len(extra),
                    0,
                    0,
                    0,
                    PLAIN_FILE,
                    min(offset, FULL),
                )
                + name
                + extra
            )

    def _local_extra(self, number: int) -> bytes:
        size = self._files[number].size_bytes
        return struct.pack("<2H2Q", LARGE_FIELD, 16, size, size) if size >= FULL else b""

    def _central_extra(self, number: int) -> bytes:
        size, offset = self._files[number].size_bytes, self._offsets[number]
        large = [*([size, size] if size >= FULL else []), *([offset] if offset >= FULL else [])]
        return (
            struct.pack(f"<2H{len(large)}Q", LARGE_FIELD, 8 * len(large), *large) if large else b""
        )

    def _sum(self, number: int) -> int:
        """Give the checksum of a file, reading it where that was not done yet."""
        if self._sums[number] == UNSEEN:
            found = 0
            with self._files[number].open() as file:
                while piece := file.read(PIECE_BYTES):
                    found = zlib.crc32(piece, found)
            self._sums[number] = found
        return self._sums[number]


def _zip_end(count: int, index_bytes: int, offset: int) -> bytes:
    """Write the end of a zip, preceded by its 64-bit form where a number needs that."""
    end = END.pack(
        b"PK\x05\x06",
        0,
        0,
        min(count, FULL_COUNT),
        min(count, FULL_COUNT),
        min(index_bytes, FULL),
        min(offset, FULL),
        0,
    )
    if count < FULL_COUNT and index_bytes < FULL and offset < FULL:
        return end
    large = END64.pack(
        b"PK\x06\x06",
        END64.size - 12,
        UNIX | LARGE_VERSION,
        LARGE_VERSION,
        0,
        0,
        count,
        count,
        index_bytes,
        offset,
    )
    return large + END64_PLACE.pack(b"PK\x06\x07", 0, offset + index_bytes, 1) + end


def _of_bytes(data: bytes) -> Part:
    return Part(size_bytes=len(data), pieces=lambda: iter([data]))


def _of_file(file: Packed) -> Part:
    def pieces() -> Iterator[bytes]:
        with file.open() as opened:
            while piece := opened.read(PIECE_BYTES):
                yield piece

    return Part(size_bytes=file.size_bytes, pieces=pieces)


def _cut(pieces: Iterator[bytes], start: int, stop: int) -> Iterator[bytes]:
    """Give what of some pieces lies between two places, and make no more than that needs."""
    at = 0
    for piece in pieces:
        if at >= stop:
            return
        kept = piece[max(start - at, 0) : stop - at]
        at += len(piece)
        if kept:
            yield kept
