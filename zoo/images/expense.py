"""Files that would cost far more to read than their pixels do: found before anything is decoded.

A picture's size bounds neither how often a JPEG goes over it nor how much stands around it. Real
files stay far below what is refused here; each check costs microseconds.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from PIL.JpegImagePlugin import MARKER

MOST_SCANS = 64  # of a JPEG: each goes over the whole picture; encoders write 10 or so
MOST_PARTS = 65_536  # markers, chunks, entries of a directory, stray bytes: each runs Python
MOST_EXIF_PARTS = 16  # of 64 KB; Pillow copies what came before for each of them
MOST_PROFILES = 8  # of a PNG: there should be one, and each is inflated to up to 1 MB
MOST_NUMBERS = 2**19  # of a TIFF's tag: 100 megapixels in tiles of 16 x 16 need 390,625

TOO_MANY, START_OF_SCAN, END_OF_IMAGE, EXIF = -1, 0xDA, 0xD9, 0xE1
INTERLEAVED = frozenset({0xC0, 0xC1})  # frames that may be one scan
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
HAS_LENGTH = frozenset(code & 0xFF for code, (_, _, reads) in MARKER.items() if reads is not None)
IS_ALONE = frozenset(code & 0xFF for code in MARKER) - HAS_LENGTH | {0}
NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # the others stand inside of a scan

MARKER_BEGINS = b"\xff"
FRAME_BYTES = 8  # of a frame's part, up to its number of components

TEXTS = frozenset({1, 2, 6, 7})  # types of tags that are kept as bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Expense:
    """What reading a file takes besides its pixels."""

    refusal: str | None = None  # why that is too much
    is_whole: bool = False  # whether all of it is kept before the first pixel is there


CHEAP = Expense()


def estimate_nothing(_file: BinaryIO) -> Expense:
    """Say that a file costs what its pixels do."""
    return CHEAP


def estimate_jpeg(file: BinaryIO) -> Expense:
    """Tell what a JPEG costs; what is damaged is left to the decoder."""
    exif = components = frame = 0
    for code, part in _parts(file):
        if code == START_OF_SCAN:
            is_only = frame in INTERLEAVED and part[2:3] == bytes([components])
            return CHEAP if is_only else _count_scans(file, file.tell() - len(part))
        if code in FRAMES:
            frame, components = code, part[-1] if len(part) == FRAME_BYTES else 0
        exif += code == EXIF and part[2:] == b"Exif\0\0"
        if exif > MOST_EXIF_PARTS:
            return Expense(refusal=f"its EXIF is in more than {MOST_EXIF_PARTS} parts")
        if code == TOO_MANY:
            return _too_many("parts before its first scan")
    return CHEAP


def _parts(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Give the markers as Pillow finds them, up to the first scan, and how their parts begin."""
    file.seek(2)
    for _ in range(MOST_PARTS):
        head = file.read(2)
        if not head[1:]:
            return
        if head[:1] != MARKER_BEGINS or head[1:] == MARKER_BEGINS:  # a stray byte, or filling
            file.seek(-1, 1)
        elif head[1] in HAS_LENGTH:
            here = file.tell()
            part = file.read(FRAME_BYTES)
            yield head[1], part
            file.seek(here + max(int.from_bytes(part[:2], "big"), 2))
        elif head[1] not in IS_ALONE:
            return
    yield TOO_MANY, b""


def _count_scans(file: BinaryIO, first: int) -> Expense:
    """Count the scans of the first picture of a file, of which the first begins there."""
    file.seek(first)
    data, place, scans = file.read(), 0, 1
    for _ in range(MOST_PARTS):
        found = NEXT_MARKER.search(data, place)
        if found is None or data[found.end() - 1] == END_OF_IMAGE:
            return Expense(is_whole=True)
        place, code = found.end(), data[found.end() - 1]
        scans += code == START_OF_SCAN
        if scans > MOST_SCANS:
            return Expense(refusal=f"it has more than {MOST_SCANS} scans, each over all its pixels")
        if code in HAS_LENGTH:
            place += int.from_bytes(data[place : place + 2], "big")
    return _too_many("parts")


def estimate_png(file: BinaryIO) -> Expense:
    """Tell what a PNG costs."""
    file.seek(8)
    profiles = 0
    for _ in range(MOST_PARTS):
        head = file.read(8)
        if len(head) < 8 or head[4:] == b"IEND":  # noqa: PLR2004  # a length and a name
            return CHEAP
        profiles += head[4:] == b"iCCP"
        if profiles > MOST_PROFILES:
            return Expense(refusal=f"it has more than {MOST_PROFILES} colour profiles")
        file.seek(int.from_bytes(head[:4], "big") + 4, 1)
    return _too_many("chunks")


def estimate_tiff(file: BinaryIO) -> Expense:
    """Tell what a TIFF costs, of which the first directory alone is read."""
    head = file.read(16)
    order = "<" if head[:2] == b"II" else ">"
    is_big = head[2:4] in {b"+\0", b"\0+"}
    count, entry = (
        struct.Struct(order + form) for form in (("Q", "2xHQ8x") if is_big else ("H", "2xHL4x"))
    )
    try:
        (place,) = struct.unpack_from(order + ("8xQ" if is_big else "4xL"), head)
        file.seek(place)
        (entries,) = count.unpack(file.read(count.size))
    except (struct.error, OverflowError, OSError):  # It is damaged.
        return CHEAP
    if entries > MOST_PARTS:
        return _too_many("entries")
    data = file.read(entries * entry.size)
    for kind, numbers in entry.iter_unpack(data[: len(data) // entry.size * entry.size]):
        if numbers > MOST_NUMBERS and kind not in TEXTS:
            return Expense(refusal=f"one of its tags has more than {MOST_NUMBERS} numbers")
    return CHEAP


def _too_many(what: str) -> Expense:
    return Expense(refusal=f"it has more than {MOST_PARTS} {what}")
