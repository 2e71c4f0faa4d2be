"""The body of a request for inference: bounded, inflated, and its length of JSON."""

from collections.abc import Mapping
from typing import Any

from flask import request

from zoo.errors import BadRequest
from zoo.web.body import read_whole
from zoo.web.context import current_zoo, limit_body
from zoo.web.encoding import too_large
from zoo.web.inference.answered import JSON_BYTES
from zoo.web.inflated import inflate_body

MOST_DIGITS = 18
JSON_BYTES_KEY = "HTTP_" + JSON_BYTES.upper().replace("-", "_")


def receive_body() -> memoryview:
    """Receive the body, and inflate it where it is compressed.

    Raises:
        TooLarge: it is longer than ZOO_MAX_INFERENCE_BYTES, before or after.
        Unsupported, BadRequest: as `inflate_body`.
        TooSlow: its client sends next to nothing.
    """
    most_bytes = current_zoo().settings.max_inference_bytes
    limit_body(most_bytes)
    if (request.content_length or 0) > most_bytes:
        raise too_large(most_bytes)
    encoding = request.headers.get("Content-Encoding", "")
    return inflate_body(read_whole(), encoding, most_bytes=most_bytes)


def read_json_bytes(environ: Mapping[str, Any]) -> int | None:
    """Read the length of the JSON before binary tensors; nothing where all of the body is JSON.

    Raises:
        BadRequest: it is no length.
    """
    told = environ.get(JSON_BYTES_KEY)
    if told is None:
        return None
    if not (told.isascii() and told.isdigit() and len(told) <= MOST_DIGITS):
        raise BadRequest(f"{JSON_BYTES} is {told[:20]!r}, which is no length.")
    return int(told)
