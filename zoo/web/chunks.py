"""Bodies in chunks: what is damaged in them is a fault of their client, and told to it.

The server's reader finds it out in the middle of a view, by errors of its own.
"""

from collections.abc import Callable, Iterable
from typing import IO, Any

from gunicorn.http.errors import ParseException

from zoo.errors import BadRequest

HINT = "Send the body's length instead, or chunks as RFC 9112 tells in section 7.1."


class CheckedChunks:
    """A WSGI app around another, which reads bodies in chunks by `Chunks`."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self.app = app

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request."""
        if environ.get("HTTP_TRANSFER_ENCODING"):
            environ["wsgi.input"] = Chunks(environ["wsgi.input"])
        return self.app(environ, start)


class Chunks:
    """The body of a request that does not tell its length."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        """Read up to so many bytes, or all.

        Raises:
            BadRequest: its chunks are damaged, or end before the last.
        """
        return _checked(self._stream.read, size)

    def readline(self, size: int = -1) -> bytes:
        """Read a line, or as many bytes of it; raises as `read`."""
        return _checked(self._stream.readline, size)


def _checked(read: Callable[[int], bytes], size: int) -> bytes:
    try:
        return read(size)
    except ParseException as error:
        raise BadRequest("The chunks of the body are damaged.", hint=HINT) from error
    except OSError as error:
        raise BadRequest("The body ended before all of it was sent.") from error
