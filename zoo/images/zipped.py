"""Zip archives: every entry of the index is checked before any member is read."""

import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import IO, cast
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from zoo.errors import MalformedArchive
from zoo.images.bounds import BoundedReads, Tally, check_length, malformed
from zoo.images.member import Limits, Member, PictureSource, check_member_size, read_at_most
from zoo.images.names import safe_path, unsafe

INDEX_BYTES_PER_MEMBER = 512
# APPNOTE.TXT 4.3.16: the end record, at most a comment of 65535 bytes before the file's end.
END_MARK = b"PK\x05\x06"
END_BYTES = 22 + 65535
END_COUNT = struct.Struct("<10xH")
COUNT_IN_ZIP64 = 0xFFFF
ENCRYPTED = 0x1  # APPNOTE.TXT 4.4.4, bit 0 of the general purpose flag


@contextmanager
def open_zip(file: IO[bytes], *, name: str, limits: Limits) -> Iterator[PictureSource]:
    """Open a zip and give its plain files, in the order of their bytes.

    Raises:
        UnsafeArchive, MalformedArchive, TooLarge: as `open_archive` says.
    """
    index_bytes = max(INDEX_BYTES_PER_MEMBER * limits.members, 2**20)
    bounded = BoundedReads(file, name=name, piece_bytes=index_bytes)
    with malformed(name):
        # BoundedReads has the methods that zipfile calls, but not all that IO[bytes] lists.
        archive = ZipFile(cast("IO[bytes]", bounded))
        _check_count(file, len(archive.infolist()), name=name)
    with archive:
        tally = Tally(name, limits)
        found = [(_checked(info, name=name, tally=tally), info) for info in archive.infolist()]
        yield PictureSource(
            name=name,
            members=tuple(
                Member(
                    path=path,
                    size_bytes=info.file_size,
                    read=partial(_read, archive, info, path, name, limits),
                )
                for path, info in sorted(found, key=lambda pair: pair[1].header_offset)
                if path is not None
            ),
        )


def _check_count(file: IO[bytes], found: int, *, name: str) -> None:
    """Refuse a zip whose end record counts other entries than its index holds.

    zipfile does not compare the two, so that a damaged index would only look smaller.
    """
    file.seek(-min(END_BYTES, file.seek(0, os.SEEK_END)), os.SEEK_END)
    tail = file.read(END_BYTES)
    (count,) = END_COUNT.unpack_from(tail, tail.rfind(END_MARK))
    # Programs that know no zip64 count modulo 65536.
    if count != COUNT_IN_ZIP64 and (found - count) % 2**16:
        raise MalformedArchive(
            f"{name}: damaged or cut short ({found} entries in an index of {count}).",
            hint="Fetch or pack the archive again.",
            archive=name,
        )


def _checked(info: ZipInfo, *, name: str, tally: Tally) -> str | None:
    """Give an entry's path, or None for a folder."""
    raw = info.orig_filename
    tally.count_entry()
    path = safe_path(raw, archive=name)
    kind = stat.S_IFMT(
        info.external_attr >> 16
    )  # where Unix keeps the mode; 0 where others made it
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise unsafe(name, raw, "is a link or a device")
    if info.flag_bits & ENCRYPTED:
        raise unsafe(name, raw, "is encrypted", hint="Pack the pictures again, without a password.")
    if raw.endswith(("/", "\\")):
        return None
    if not path:
        raise unsafe(name, raw, "has no name")
    if info.compress_type not in {ZIP_STORED, ZIP_DEFLATED}:
        raise MalformedArchive(
            f"{name}: member {raw!r} is compressed with method {info.compress_type}.",
            hint="Pack the pictures again with deflate, the usual method, or as a tar.",
            archive=name,
            member=raw,
        )
    tally.count_file(path, info.file_size)
    return path


def _read(archive: ZipFile, info: ZipInfo, path: str, name: str, limits: Limits) -> bytes:
    """Read a member; its checksum is compared on the way."""
    check_member_size(path, info.file_size, limits)
    with malformed(name), archive.open(info) as file:
        data = read_at_most(file, info.file_size)
    check_length(path, data, info.file_size, archive=name)
    return data
