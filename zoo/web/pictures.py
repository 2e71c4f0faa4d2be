"""Pictures in the body of a request: its bytes, or the parts of a form, each bounded."""

import io
from collections.abc import Iterator
from typing import IO

from flask import request
from werkzeug.exceptions import RequestEntityTooLarge

from zoo.errors import BadRequest, TooLarge, Unsupported
from zoo.web.body import read_whole
from zoo.web.context import current_zoo, limit_body
from zoo.web.encoding import IDENTITY
from zoo.web.forms import FORM, check_form
from zoo.web.inflated import inflate_body
from zoo.web.reference import Body

MOST_PICTURES = 64
MOST_TIMES = 4  # a form of pictures is at most so many times as long as the largest picture
MEDIA = ("image/jpeg", "image/png", FORM)
PICTURES = Body(
    media=MEDIA,
    description=(
        f"The bytes of one picture, or one part per picture: at most {MOST_PICTURES} pictures, "
        f"together of {MOST_TIMES} times the bytes that ZOO_MAX_PICTURE_BYTES allows for one. "
        "One picture's bytes may be compressed: Content-Encoding gzip or deflate."
    ),
)
PICTURE = Body(
    media=MEDIA,
    description=(
        "The bytes of one picture, at most as many as ZOO_MAX_PICTURE_BYTES allows, or a form with"
        " one part that holds them."
    ),
)


def read_pictures() -> Iterator[tuple[str, bytes]]:
    """Read the pictures of the body one at a time, each with its name.

    Raises:
        TooLarge: there are too many, or one is too large.
        BadRequest: there are none, or the body ends early.
        Unsupported: it is compressed in a way that is not read.
    """
    most_bytes = current_zoo().settings.max_picture_bytes
    is_empty = True
    for name, stream in _open_pictures(most_bytes):
        data = stream.read(most_bytes + 1)
        if len(data) > most_bytes:
            raise _refusal(f"{name}: more than {most_bytes} bytes.")
        if data:
            is_empty = False
            yield name, data
    if is_empty:
        raise BadRequest(
            "No picture was sent.", hint="Send its bytes: curl --data-binary @picture.jpg URL"
        )


def read_picture() -> tuple[str, bytes]:
    """Read the one picture of the body, with its name.

    Raises:
        TooLarge: it is too large.
        BadRequest: there is none, or more than one.
    """
    found, *more = read_pictures()
    if more:
        raise BadRequest(
            f"{1 + len(more)} pictures were sent; this address takes one.",
            hint="Send them one after the other.",
        )
    return found


def _open_pictures(most_bytes: int) -> list[tuple[str, IO[bytes]]]:
    """Receive the body; large parts of a form wait on the disk."""
    is_form = request.mimetype == FORM
    encoding = request.headers.get("Content-Encoding", "")
    if is_form and encoding.lower() not in IDENTITY:
        raise Unsupported(
            f"A form of the Content-Encoding {encoding[:20]!r} is not read here.",
            hint="Send the form plain, or the bytes of one picture compressed.",
        )
    most_in_all = MOST_TIMES * most_bytes if is_form else most_bytes
    limit_body(most_in_all)
    try:
        if is_form:
            check_form()
            parts = list(request.files.items(multi=True))
            if len(parts) > MOST_PICTURES:
                raise _refusal(f"The body has more than {MOST_PICTURES} pictures.")
            return [(part.filename or field, part.stream) for field, part in parts]
        data = read_whole()
        whole = inflate_body(data, encoding, most_bytes=most_bytes) if data else data
        return [("body", io.BytesIO(bytes(whole)))]  # It copies all but bytes.
    except (RequestEntityTooLarge, TooLarge) as error:
        if is_form and isinstance(error, TooLarge):
            raise
        if is_form:
            told = f"The form has more than {most_in_all} bytes, or more parts than are taken here."
            raise _refusal(told) from error
        raise _refusal(f"The body is more than {most_in_all} bytes.") from error


def _refusal(message: str) -> TooLarge:
    return TooLarge(message, hint="Send fewer or smaller pictures, or raise ZOO_MAX_PICTURE_BYTES.")
