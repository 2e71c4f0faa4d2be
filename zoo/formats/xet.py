"""Xet's uploads: xorbs of compressed chunks, and shards that say how files are made of them.

A xorb is chunks one after another: a header of 8 bytes (version, stored length in 3 bytes, scheme,
raw length in 3 bytes, all little-endian) and the stored bytes. A shard is a header of 48 bytes,
then records of 48 bytes: for each file its own, a segment for each run of chunks, and where its
flags say so a check for each segment and the file's SHA-256; a record of ones ends them. A hash is
written as four little-endian words. Source: the uploads of the published client hf_xet 1.8.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import lz4.frame
import numpy as np

from zoo.errors import MalformedUpload

LARGEST_XORB = 2**26 + 2**20  # bytes; the client packs at most 64 MiB, and headers
LARGEST_CHUNK = 2**20  # bytes; the client cuts at 128 KiB
MOST_CHUNKS = 2**14  # of a xorb; the client packs at most half as many
LARGEST_SHARD = 2**26
# Of a shard, which the client fills up to 64 MiB: with chunks that nobody has sent before these are
# of some 90 GB, in runs of eight chunks or more.
MOST_FILES, MOST_SEGMENTS, MOST_BYTES = 10_000, 2**18, 2**40
RECORD = 48
CHUNK_HEADER = 8
FOOTER = b"XETBLOB"[0]  # what may follow the chunks begins so, and no chunk does
STORED, LZ4, GROUPED = 0, 1, 2
HAS_CHECKS, HAS_SHA256 = 1 << 31, 1 << 30
GROUPS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Where a chunk lies in its xorb."""

    offset: int
    stored_bytes: int
    scheme: int
    raw_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A run of chunks of one xorb."""

    xorb: str  # its hash, 64 hex digits
    raw_bytes: int
    first: int
    end: int  # one past the last


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardFile:
    """A file as a shard tells it."""

    sha256: str
    segments: tuple[Segment, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes of the whole file."""
        return sum(segment.raw_bytes for segment in self.segments)


def list_chunks(xorb: BinaryIO) -> list[Chunk]:
    """List the chunks of a xorb without unpacking one.

    Raises:
        MalformedUpload: it does not follow the format, or a chunk is larger than any client's.
    """
    end = xorb.seek(0, 2)
    chunks: list[Chunk] = []
    offset = 0
    while offset < end:
        xorb.seek(offset)
        header = xorb.read(CHUNK_HEADER)
        if header[:1] == bytes([FOOTER]):
            break
        if len(header) < CHUNK_HEADER or header[0] != 0:
            raise MalformedUpload(f"The xorb has no chunk at byte {offset}.")
        stored_bytes = int.from_bytes(header[1:4], "little")
        raw_bytes = int.from_bytes(header[5:8], "little")
        offset += CHUNK_HEADER
        if len(chunks) == MOST_CHUNKS:
            raise MalformedUpload(f"The xorb holds more than {MOST_CHUNKS} chunks.")
        if offset + stored_bytes > end or not 0 < raw_bytes <= LARGEST_CHUNK:
            raise MalformedUpload(
                f"The chunk at byte {offset} of the xorb is cut off, empty or too large."
            )
        chunks.append(
            Chunk(offset=offset, stored_bytes=stored_bytes, scheme=header[4], raw_bytes=raw_bytes)
        )
        offset += stored_bytes
    if not chunks:
        raise MalformedUpload("The xorb holds no chunks.")
    return chunks


def read_chunk(xorb: BinaryIO, chunk: Chunk) -> bytes:
    """Unpack a chunk; no more is unpacked than its header says.

    Raises:
        MalformedUpload: its bytes are not what the header says.
    """
    xorb.seek(chunk.offset)
    stored = xorb.read(chunk.stored_bytes)
    if chunk.scheme == STORED:
        raw = stored
    elif chunk.scheme in {LZ4, GROUPED}:
        raw = _decompress(stored, chunk.raw_bytes)
    else:
        raise MalformedUpload(f"Chunks packed by scheme {chunk.scheme} are not known here.")
    if len(raw) != chunk.raw_bytes:
        raise MalformedUpload(f"A chunk of {chunk.raw_bytes} bytes unpacks to {len(raw)} or more.")
    return _ungroup(raw) if chunk.scheme == GROUPED else raw


def read_shard(shard: bytes) -> list[ShardFile]:
    """Read how files are made of chunks.

    Raises:
        MalformedUpload: it does not follow the format, a file has no SHA-256, or it tells of more
            than any client's does.
    """
    files: list[ShardFile] = []
    segment_count, size_bytes = 0, 0
    known: dict[bytes, str] = {}  # hashes of xorbs, each of which many segments are of
    records = _records(shard)
    for record in records:
        if record[:32] == b"\xff" * 32:
            return files
        file = _file(record, records, known)
        segment_count += len(file.segments)
        size_bytes += file.size_bytes
        if len(files) == MOST_FILES or segment_count > MOST_SEGMENTS or size_bytes > MOST_BYTES:
            raise MalformedUpload(
                f"The shard tells of more than {MOST_FILES} files, {MOST_SEGMENTS} segments or"
                f" {MOST_BYTES} bytes.",
                hint="Upload fewer files at a time.",
            )
        files.append(file)
    raise MalformedUpload("The shard ends before its last file does.")


def _file(record: bytes, records: Iterator[bytes], known: dict[bytes, str]) -> ShardFile:
    flags, count = struct.unpack_from("<II", record, 32)
    if count > MOST_SEGMENTS:
        raise MalformedUpload(f"A file of the shard has more than {MOST_SEGMENTS} segments.")
    segments = tuple(_segment(_next(records), known) for _ in range(count))
    if flags & HAS_CHECKS:
        for _ in range(count):
            _next(records)
    if not flags & HAS_SHA256:
        raise MalformedUpload(
            "The shard tells no SHA-256 of a file, by which the zoo names it.",
            hint="Use a newer hf_xet, or HF_HUB_DISABLE_XET=1.",
        )
    return ShardFile(sha256=_hash(_next(records)[:32]), segments=segments)


def _records(shard: bytes) -> Iterator[bytes]:
    for offset in range(RECORD, len(shard) - RECORD + 1, RECORD):
        yield shard[offset : offset + RECORD]


def _next(records: Iterator[bytes]) -> bytes:
    record = next(records, None)
    if record is None:
        raise MalformedUpload("The shard ends in the middle of a file.")
    return record


def _segment(record: bytes, known: dict[bytes, str]) -> Segment:
    _, raw_bytes, first, end = struct.unpack_from("<IIII", record, 32)
    if not first < end:
        raise MalformedUpload(f"A segment of the shard has chunks {first} to {end}.")
    words = record[:32]
    xorb = known.get(words) or known.setdefault(words, _hash(words))
    return Segment(xorb=xorb, raw_bytes=raw_bytes, first=first, end=end)


def _hash(words: bytes) -> str:
    return "".join(f"{word:016x}" for word in struct.unpack("<4Q", words))


def _decompress(stored: bytes, most_bytes: int) -> bytes:
    try:
        unpacked: bytes = lz4.frame.LZ4FrameDecompressor().decompress(
            stored, max_length=most_bytes + 1
        )
    except (RuntimeError, EOFError, ValueError) as error:
        raise MalformedUpload(f"A chunk cannot be unpacked: {error}") from error
    return unpacked


def _ungroup(raw: bytes) -> bytes:
    """Put bytes back that were sorted by their place in words of four."""
    grouped = np.frombuffer(raw, np.uint8)
    together = np.empty_like(grouped)
    start = 0
    for place in range(GROUPS):
        count = len(range(place, len(raw), GROUPS))
        together[place::GROUPS] = grouped[start : start + count]
        start += count
    return together.tobytes()
