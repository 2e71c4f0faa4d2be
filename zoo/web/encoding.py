"""Bodies that are compressed on their way: gzip, and deflate, which over HTTP is zlib's form."""

import gzip
import zlib
from functools import lru_cache
from typing import Any

from werkzeug.datastructures import Accept
from werkzeug.http import parse_accept_header

from zoo.errors import BadRequest, TooLarge, Unsupported

WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
IDENTICAL = "identity"
IDENTITY = {"", IDENTICAL}
LEVEL = 1  # tensors hardly become smaller by any other
LEAST_BYTES = 1024  # below which compressing costs more than it spares
MOST_REMEMBERED = 64
PIECE_BYTES = 2**16  # inflated at once
MOST_TIMES = 1032  # longer than it was: two bits of deflate stand for up to 258 bytes


def bound_inflated(body: memoryview, encoding: str, *, most_bytes: int) -> int:
    """Tell how many bytes inflating a body may take; 0 where it is not compressed."""
    if encoding.lower() not in WINDOWS:
        return 0
    return min(most_bytes + 1, MOST_TIMES * len(body))


def inflate(body: memoryview, encoding: str, *, most_bytes: int) -> memoryview:
    """Inflate a body as its Content-Encoding says.

    Raises:
        Unsupported: it is compressed in another way.
        TooLarge: it becomes longer than this address takes.
        BadRequest: it is damaged or cut short.
    """
    if encoding.lower() in IDENTITY:
        return body
    if encoding.lower() not in WINDOWS:
        raise Unsupported(
            f"A body of the Content-Encoding {encoding[:20]!r} is not read here.",
            hint=f"Send it plain, or as one of {', '.join(WINDOWS)}.",
        )
    inflater = zlib.decompressobj(WINDOWS[encoding.lower()])
    try:
        plain, is_whole = _inflate(body, inflater, most_bytes + 1)
    except zlib.error as error:
        raise BadRequest(f"The body is no {encoding} that can be read: {error}.") from error
    if len(plain) > most_bytes:
        raise too_large(most_bytes)
    if not is_whole:
        raise BadRequest(f"The body is not one whole {encoding}.")
    return memoryview(plain)


def _inflate(
    body: memoryview,
    inflater: Any,  # noqa: ANN401  # zlib does not name its type
    room_bytes: int,
) -> tuple[bytearray, bool]:
    """Give what a body becomes, up to so much, and tell whether all of it was one whole.

    It grows in its place, by an eighth at most beyond what is in it. The library's own buffer would
    be joined from its parts at the end, and take twice as much.
    """
    plain, ahead = bytearray(), body
    while len(plain) < room_bytes and not inflater.eof:
        left = inflater.unconsumed_tail
        if not left:
            left, ahead = ahead[:PIECE_BYTES], ahead[PIECE_BYTES:]
        piece = inflater.decompress(left, min(PIECE_BYTES, room_bytes - len(plain)))
        if not (left or piece):
            break  # The body is at its end, and what it should become is not.
        plain += piece
    return plain, inflater.eof and not (inflater.unused_data or ahead)


def too_large(most_bytes: int) -> TooLarge:
    """Say that a body is longer than this address takes, as it came or inflated."""
    return TooLarge(
        f"The body has more than {most_bytes} bytes.",
        hint="Send less at once, or raise ZOO_MAX_INFERENCE_BYTES.",
    )


def deflate(body: bytes, accepted: str) -> tuple[bytes, str | None]:
    """Compress an answer where its Accept-Encoding asks for it and it is worth it, and say how."""
    if not accepted or len(body) < LEAST_BYTES:
        return body, None
    encoding = _choose(accepted)
    if encoding == IDENTICAL:
        return body, None
    if encoding == "gzip":
        return gzip.compress(body, LEVEL, mtime=0), encoding
    return zlib.compress(body, LEVEL), encoding


@lru_cache(MOST_REMEMBERED)
def _choose(accepted: str) -> str:
    """Choose what an Accept-Encoding likes best; clients send the same one again and again."""
    encodings = parse_accept_header(accepted, Accept)
    return encodings.best_match([*WINDOWS, IDENTICAL], default=IDENTICAL)
