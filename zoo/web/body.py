"""Large bodies, a piece at a time: straight from the connection where the server lets us.

A WSGI server copies each byte of a body several times on its way here. gunicorn hands its socket
over, so a body of known length is received into one buffer that is used again and again: a fourth
of the cost for each GiB, see docs/registry.md. Anywhere else, and for bodies in chunks, the stream
of WSGI is read.
"""

import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any, Protocol

import numpy as np
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
    _check_length()
    found = _find_connection(request.environ)
    if found is None:
        while piece := request.stream.read(PIECE_BYTES):
            yield piece
        return
    connection, reader = found
    if first := _take_buffered(reader):
        yield first
    yield from _receive(connection, reader)


def read_whole() -> memoryview:
    """Read the body of the request into one stretch of memory, into which it is received.

    Raises:
        TooLarge, BadRequest, TooSlow: as `read_pieces`.
    """
    _check_length()
    if _find_connection(request.environ) is None:
        return memoryview(b"".join(read_pieces()))
    return receive_whole(request.environ, request.content_length or 0)


def receive_whole(environ: Mapping[str, Any], length: int) -> memoryview:
    """Receive a body of a length that is known and allowed into one stretch of memory.

    Raises:
        BadRequest, TooSlow: as `read_pieces`.
    """
    whole = np.empty(length, np.uint8).data
    found = _find_connection(environ)
    if found is None:
        _read_stream(environ["wsgi.input"], whole)
        return whole
    connection, reader = found
    first = _take_buffered(reader)
    whole[: len(first)] = first
    here = _receive_what_is_here(connection, reader, whole[len(first) :])
    if rest := whole[len(first) + here :]:
        with _patiently(connection) as patience:
            _fill(connection, reader, rest, patience)
    return whole


def _read_stream(stream: IO[bytes], view: memoryview) -> None:
    """Fill memory from the stream of any server."""
    filled = 0
    while filled < len(view):
        piece = stream.read(len(view) - filled)
        if not piece:
            raise _cut_short()
        view[filled : filled + len(piece)] = piece
        filled += len(piece)


def _check_length() -> None:
    """Refuse a body that says it is longer than this address takes."""
    most = request.max_content_length
    length = request.content_length
    if length is not None and most is not None and length > most:
        raise TooLarge(f"The body has {length} bytes; at most {most} are taken here.")


def _find_connection(environ: Mapping[str, Any]) -> tuple[socket.socket, _Reader] | None:
    """Give gunicorn's socket and reader, where this is gunicorn and the length is known."""
    connection = environ.get("gunicorn.socket")
    body = environ.get("wsgi.input")
    reader: Any = getattr(body, "reader", None)
    if not (isinstance(connection, socket.socket) and getattr(reader, "length", None)):
        return None
    if not hasattr(getattr(reader, "unreader", None), "take_buffered"):
        return None
    ahead = getattr(body, "buf", None)
    if ahead is not None and ahead.tell():  # What the body itself has read would be lost.
        return None
    return connection, reader


def _take_buffered(reader: _Reader) -> bytes:
    """Take what of the body came with the head of the request."""
    before: bytes = reader.unreader.take_buffered()
    first, rest = before[: reader.length], before[reader.length :]
    if rest:
        reader.unreader.unread(rest)
    reader.length -= len(first)
    return first


def _receive_what_is_here(connection: socket.socket, reader: _Reader, view: memoryview) -> int:
    """Receive what has come by now: most often all of it, in one call and without a wait.

    Raises:
        BadRequest: the client has broken off.
    """
    try:
        received = connection.recv_into(view, 0, socket.MSG_DONTWAIT) if view else 0
    except BlockingIOError:
        return 0
    except ConnectionError as error:
        raise _cut_short() from error
    reader.length -= received
    return received


def _receive(connection: socket.socket, reader: _Reader) -> Iterator[memoryview]:
    """Receive what is left of a body."""
    buffer = memoryview(bytearray(PIECE_BYTES))
    with _patiently(connection) as patience:
        while reader.length > 0:
            piece = buffer[: min(PIECE_BYTES, reader.length)]
            _fill(connection, reader, piece, patience)
            yield piece


@contextmanager
def _patiently(connection: socket.socket) -> "Iterator[_Patience]":
    """Wait for a client for a bounded time."""
    timeout_s = connection.gettimeout()
    connection.settimeout(SILENCE_S)
    try:
        yield _Patience()
    finally:
        connection.settimeout(timeout_s)


def _fill(
    connection: socket.socket, reader: _Reader, view: memoryview, patience: "_Patience"
) -> None:
    """Receive as many bytes as a view holds."""
    filled = 0
    while filled < len(view):
        received = _receive_into(connection, view[filled:])
        filled += received
        reader.length -= received
        patience.check(received)


def _receive_into(connection: socket.socket, view: memoryview) -> int:
    try:
        received = connection.recv_into(view)
    except TimeoutError as error:
        raise TooSlow(f"Nothing of the body came for {SILENCE_S:.0f} seconds.") from error
    except ConnectionError as error:
        raise _cut_short() from error
    if received == 0:
        raise _cut_short()
    return received


def _cut_short() -> BadRequest:
    return BadRequest("The body ended before all of it was sent.")


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
