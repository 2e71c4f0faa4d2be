"""Large bodies, a piece at a time: straight from the connection where the server lets us.

A WSGI server copies each byte of a body several times on its way here. gunicorn hands its socket
over, so a body of known length is received into one buffer that is used again and again: a fourth
of the cost for each GiB, see docs/registry.md. Anywhere else, and for bodies in chunks, the stream
of WSGI is read.
"""

import socket
import time
from collections.abc import Iterator
from typing import Any, Protocol, cast

from flask import request

from zoo.errors import BadRequest, TooLarge, TooSlow

PIECE_BYTES = 2**20
SILENCE_S = 30.0  # of a client in the middle of a body
SLOWEST_BYTES_PER_S = 1024  # over the time a body has taken, once that is long
PATIENCE_S = 60.0  # before slowness counts


class _Reader(Protocol):
    """What is used of gunicorn's reader of a body of known length."""

    length: int
    unreader: Any


def read_pieces() -> Iterator[bytes | memoryview]:
    """Read the body of the request; a view is used again for the next piece.

    Raises:
        TooLarge: it is longer than this address takes.
        BadRequest: it ends before all of it was sent.
        TooSlow: its client sends next to nothing.
    """
    most = request.max_content_length
    length = request.content_length
    if length is not None and most is not None and length > most:
        raise TooLarge(f"The body has {length} bytes; at most {most} are taken here.")
    found = _find_connection()
    if found is None:
        while piece := request.stream.read(PIECE_BYTES):
            yield piece
        return
    connection, reader = found
    before = reader.unreader.take_buffered()
    first, rest = before[: reader.length], before[reader.length :]
    if rest:
        reader.unreader.unread(rest)
    reader.length -= len(first)
    if first:
        yield first
    yield from _receive(connection, reader)


def _find_connection() -> tuple[socket.socket, _Reader] | None:
    """Give gunicorn's socket and reader, where this is gunicorn and the length is known."""
    connection = request.environ.get("gunicorn.socket")
    body = request.environ.get("wsgi.input")
    reader = getattr(body, "reader", None)
    has_all = hasattr(reader, "length") and hasattr(
        getattr(reader, "unreader", None), "take_buffered"
    )
    # Bytes that the body itself has read ahead would be lost.
    is_fresh = has_all and not getattr(body, "buf", _Empty()).tell()
    if not (isinstance(connection, socket.socket) and is_fresh and request.content_length):
        return None
    return connection, cast("_Reader", reader)


class _Empty:
    """A buffer that holds nothing."""

    def tell(self) -> int:
        """Tell how much has been read ahead."""
        return 0


def _receive(connection: socket.socket, reader: _Reader) -> Iterator[memoryview]:
    """Receive what is left of a body."""
    buffer = memoryview(bytearray(PIECE_BYTES))
    patience = _Patience()
    timeout_s = connection.gettimeout()
    connection.settimeout(SILENCE_S)
    try:
        while reader.length > 0:
            wanted, filled = min(PIECE_BYTES, reader.length), 0
            while filled < wanted:
                received = _receive_into(connection, buffer[filled:wanted])
                filled += received
                reader.length -= received
                patience.check(received)
            yield buffer[:filled]
    finally:
        connection.settimeout(timeout_s)


def _receive_into(connection: socket.socket, view: memoryview) -> int:
    try:
        received = connection.recv_into(view)
    except TimeoutError as error:
        raise TooSlow(f"Nothing of the body came for {SILENCE_S:.0f} seconds.") from error
    if received == 0:
        raise BadRequest("The body ended before all of it was sent.")
    return received


class _Patience:
    """How long a body may take."""

    def __init__(self) -> None:
        self.since_s = time.monotonic()
        self.received = 0

    def check(self, received: int) -> None:
        """Count bytes, and refuse a client that holds a thread for next to nothing."""
        self.received += received
        taken_s = time.monotonic() - self.since_s
        if taken_s > PATIENCE_S and self.received < SLOWEST_BYTES_PER_S * taken_s:
            raise TooSlow(f"{self.received} bytes of the body came in {taken_s:.0f} seconds.")
