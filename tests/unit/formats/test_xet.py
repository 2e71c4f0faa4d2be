"""Xorbs and shards: what clients send is read, and what they would not send is refused."""

import io
import struct

import lz4.frame
import numpy as np
import pytest

from zoo.errors import MalformedUpload
from zoo.formats import xet
from zoo.formats.xet import LARGEST_CHUNK, list_chunks, read_chunk, read_shard

HASH = bytes(range(32))
HEX = "".join(f"{word:016x}" for word in struct.unpack("<4Q", HASH))
FLAGS_SHA256, FLAGS_CHECKS = 1 << 30, 1 << 31


def make_chunk(raw, *, scheme=0, stored=None, raw_bytes=None, version=0):
    if stored is None:
        stored = raw if scheme == 0 else lz4.frame.compress(raw)
    header = bytes([version]) + len(stored).to_bytes(3, "little") + bytes([scheme])
    size = len(raw) if raw_bytes is None else raw_bytes
    return header + size.to_bytes(3, "little") + stored


def group(raw):
    return b"".join(raw[place::4] for place in range(4))


def read(xorb):
    file = io.BytesIO(xorb)
    return [read_chunk(file, chunk) for chunk in list_chunks(file)]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 1000, 1001, 1002, 1003])
def test_chunks_of_every_scheme_are_unpacked(size):
    raw = np.random.default_rng(size).integers(0, 9, size, dtype=np.uint8).tobytes()
    grouped = make_chunk(raw, scheme=2, stored=lz4.frame.compress(group(raw)))
    assert read(make_chunk(raw) + make_chunk(raw, scheme=1) + grouped) == [raw] * 3


def test_a_footer_after_the_chunks_is_left_unread():
    assert read(make_chunk(b"abc") + b"XETBLOB and more") == [b"abc"]


@pytest.mark.parametrize(
    "xorb",
    [
        b"",
        b"\0\0\0",
        make_chunk(b"abc")[:-1],
        make_chunk(b"abc", version=1),
        make_chunk(b"abc") + b"\x07trailing",
        make_chunk(b"", stored=b""),
        make_chunk(b"abc", raw_bytes=LARGEST_CHUNK + 1),
    ],
    ids=range(7),
)
def test_a_xorb_that_cannot_be_is_refused(xorb):
    with pytest.raises(MalformedUpload):
        list_chunks(io.BytesIO(xorb))


@pytest.mark.parametrize(
    "chunk",
    [
        make_chunk(b"abc", scheme=3, stored=b"abc"),
        make_chunk(b"abc", scheme=1, stored=b"no lz4"),
        make_chunk(b"abc", scheme=1, stored=lz4.frame.compress(b"abc")[:-6]),
        make_chunk(b"abcd", scheme=1, stored=lz4.frame.compress(b"abc")),
        make_chunk(b"ab", scheme=0, stored=b"abc", raw_bytes=2),
    ],
    ids=["scheme", "noise", "cut", "short", "long"],
)
def test_a_chunk_that_is_not_what_its_header_says_is_refused(chunk):
    with pytest.raises(MalformedUpload):
        read(chunk)


def test_a_chunk_that_would_unpack_to_much_more_is_not_unpacked():
    bomb = make_chunk(b"x", scheme=1, stored=lz4.frame.compress(bytes(2**30)))
    assert len(bomb) < 2**23
    with pytest.raises(MalformedUpload):
        read(bomb)


def record(*, flags, count):
    return HASH + struct.pack("<IIQ", flags, count, 0)


def segment(*, first=0, end=1, size=3):
    return HASH + struct.pack("<IIII", 0, size, first, end)


def make_shard(*records, end=b"\xff" * 48):
    return bytes(48) + b"".join(records) + end + bytes(20)


def test_files_of_a_shard_are_told_with_their_segments():
    sha = bytes(48)[:0] + HASH + bytes(16)
    shard = make_shard(
        record(flags=FLAGS_SHA256 | FLAGS_CHECKS, count=2),
        segment(),
        segment(first=4, end=9, size=70),
        bytes(48),
        bytes(48),
        sha,
        record(flags=FLAGS_SHA256, count=0),
        sha,
    )
    first, empty = read_shard(shard)
    assert (first.sha256, first.size_bytes) == (HEX, 73)
    assert [(one.xorb, one.first, one.end) for one in first.segments] == [(HEX, 0, 1), (HEX, 4, 9)]
    assert empty.segments == ()


@pytest.mark.parametrize(
    "shard",
    [
        b"",
        bytes(47),
        make_shard(record(flags=FLAGS_SHA256, count=1), end=b""),
        make_shard(record(flags=FLAGS_SHA256, count=1), segment(), end=b""),
        make_shard(record(flags=0, count=1), segment()),
        make_shard(record(flags=FLAGS_SHA256, count=2**32 - 1), segment()),
        make_shard(record(flags=FLAGS_SHA256, count=1), segment(first=3, end=3), bytes(48)),
        make_shard(record(flags=FLAGS_SHA256, count=1), segment(first=3, end=2), bytes(48)),
    ],
    ids=range(8),
)
def test_a_shard_that_cannot_be_is_refused(shard):
    with pytest.raises(MalformedUpload):
        read_shard(shard)


@pytest.mark.parametrize(
    ("name", "most"), [("MOST_FILES", 2), ("MOST_SEGMENTS", 5), ("MOST_BYTES", 29)]
)
def test_a_shard_of_more_than_any_client_sends_is_refused(monkeypatch, name, most):
    segment = HASH + struct.pack("<IIII", 0, 5, 0, 1)
    file = bytes(32) + struct.pack("<IIII", FLAGS_SHA256, 2, 0, 0) + segment * 2 + HASH + bytes(16)
    shard = bytes(48) + file * 3 + b"\xff" * 48
    assert [one.size_bytes for one in read_shard(shard)] == [10, 10, 10]
    monkeypatch.setattr(xet, name, most)
    with pytest.raises(MalformedUpload, match="more than"):
        read_shard(shard)


def test_segments_of_one_xorb_share_its_name():
    segment = HASH + struct.pack("<IIII", 0, 5, 0, 1)
    file = bytes(32) + struct.pack("<IIII", FLAGS_SHA256, 2, 0, 0) + segment * 2 + HASH + bytes(16)
    (read_file,) = read_shard(bytes(48) + file + b"\xff" * 48)
    first, second = read_file.segments
    assert first.xorb == HEX
    assert first.xorb is second.xorb
