"""Compressed bodies: what they become, whole or refused, and within its bound."""

import gzip
import random
import tracemalloc
import zlib

import pytest

from zoo.errors import BadRequest, TooLarge, Unsupported
from zoo.web.encoding import PIECE_BYTES, bound_inflated, inflate

BODY = b"some tensors " * 1000
MIB = 2**20


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(BODY, mtime=0)),
        ("GZIP", gzip.compress(BODY, mtime=0)),
        ("deflate", zlib.compress(BODY)),
        ("", BODY),
        ("identity", BODY),
    ],
)
def test_a_body_is_inflated(encoding, body):
    assert inflate(memoryview(body), encoding, most_bytes=len(BODY)) == BODY


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_bomb_is_refused_as_soon_as_it_is_too_long(encoding):
    bomb = {"gzip": gzip.compress, "deflate": zlib.compress}[encoding](bytes(2**24))
    with pytest.raises(TooLarge, match="more than 1000 bytes"):
        inflate(memoryview(bomb), encoding, most_bytes=1000)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", b""),
        ("gzip", BODY),
        ("gzip", gzip.compress(BODY, mtime=0)[:-1]),
        ("gzip", gzip.compress(BODY, mtime=0) + b"x"),
        ("gzip", zlib.compress(BODY)),
        ("deflate", gzip.compress(BODY, mtime=0)),
    ],
)
def test_a_damaged_body_is_refused(encoding, body):
    with pytest.raises(BadRequest):
        inflate(memoryview(body), encoding, most_bytes=10**6)


def test_an_unknown_compression_is_refused():
    with pytest.raises(Unsupported, match="'br'"):
        inflate(memoryview(BODY), "br", most_bytes=10**6)


@pytest.mark.parametrize("level", [0, 1, 9])
@pytest.mark.parametrize(
    "size", [1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 5 * PIECE_BYTES]
)
def test_long_bodies_become_what_they_were_and_are_refused_one_byte_later(level, size):
    draw = random.Random(size)
    plains = (bytes(size), draw.randbytes(size), draw.randbytes(97) * (size // 97) + b"end")
    for plain in plains:
        body = memoryview(zlib.compress(plain, level))
        assert len(plain) <= bound_inflated(body, "deflate", most_bytes=10 * MIB)
        assert inflate(body, "deflate", most_bytes=10 * MIB) == plain
        assert inflate(body, "deflate", most_bytes=len(plain)) == plain
        with pytest.raises(TooLarge):
            inflate(body, "deflate", most_bytes=len(plain) - 1)
        for damaged in (body[:-1], bytes(body) + b"x", bytes(body) + bytes(2 * PIECE_BYTES)):
            with pytest.raises(BadRequest):
                inflate(memoryview(damaged), "deflate", most_bytes=10 * MIB)


def test_little_more_memory_is_taken_than_was_told():
    body = memoryview(gzip.compress(bytes(16 * MIB), 9, mtime=0))
    told = bound_inflated(body, "gzip", most_bytes=32 * MIB)
    assert 16 * MIB < told < 17 * MIB
    assert bound_inflated(body, "gzip", most_bytes=MIB) == MIB + 1
    assert bound_inflated(body, "identity", most_bytes=MIB) == 0
    tracemalloc.start()
    inflate(body, "gzip", most_bytes=32 * MIB)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 9 / 8 * told + MIB
