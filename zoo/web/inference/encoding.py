"""Bodies that are compressed on their way: gzip, and deflate, which over HTTP is zlib's form."""

import gzip
import zlib

from werkzeug.datastructures import Accept
from werkzeug.http import parse_accept_header

from zoo.errors import BadRequest, TooLarge, Unsupported

WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
IDENTITY = {"", "identity"}
LEVEL = 1  # tensors hardly become smaller by any other
LEAST_BYTES = 1024  # below which compressing costs more than it spares


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
        plain = inflater.decompress(body, most_bytes + 1)
    except zlib.error as error:
        raise BadRequest(f"The body is no {encoding} that can be read: {error}.") from error
    if len(plain) > most_bytes:
        raise too_large(most_bytes)
    if not inflater.eof or inflater.unused_data:
        raise BadRequest(f"The body is not one whole {encoding}.")
    return memoryview(plain)


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
    encodings = parse_accept_header(accepted, Accept)
    encoding = encodings.best_match([*WINDOWS, "identity"], default="identity")
    if encoding == "identity":
        return body, None
    if encoding == "gzip":
        return gzip.compress(body, LEVEL, mtime=0), encoding
    return zlib.compress(body, LEVEL), encoding
