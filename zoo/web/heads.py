"""Requests that begin with the very bytes of the one before them on their connection.

A client that keeps its connection sends the same head again and again, and what gunicorn makes of
it is the same each time. Reading it and preparing the application's variables costs a tenth of a
small request, so both are done once for each head. What a head says is decided by gunicorn alone.
"""

import time
from copy import copy
from dataclasses import dataclass
from typing import Any

from gunicorn.http import wsgi
from gunicorn.http.body import Body, LengthReader
from gunicorn.http.message import Request

KNOWN = "zoo.known"  # in the WSGI environment: a place for what is told by this head alone
END = b"\r\n\r\n"
SMALL_BYTES = 2**16  # of an answer that is copied behind its head, to be sent at once
MOST_BEGINNINGS = 16  # of answers to one head that are kept; their lengths may differ each time
# What gunicorn makes of a status and headers, beside the headers that it sends.
STARTED = ("status", "status_code", "response_length", "upgrade", "chunked", "_omits_body")


@dataclass(slots=True, kw_only=True)
class Beginning:
    """How an answer begins: what gunicorn made of a status and headers, and the bytes of it."""

    started: dict[str, Any]
    headers: list[tuple[str, str]]
    octets: bytes = b""
    second: int = -1  # of the clock, when they were written: they tell the date


class Heads:
    """Makes the requests of a connection; the parser calls it in the place of ``Request``."""

    def __init__(self) -> None:
        self.head = b""
        self.is_last = False  # whether the connection ends with a request of this head
        self.beginnings: dict[object, Beginning] = {}  # of answers to it, by what was started with
        self._request: Any = None
        self._environ: dict[str, Any] | None = None
        self._body_bytes: int | None = None  # where the head tells it

    def __call__(self, cfg: Any, unreader: Any, peer: Any, number: int) -> Any:  # noqa: ANN401  # gunicorn's
        """Give the next request; as `Request`, of which it is one."""
        data: bytes = unreader.read()
        if (again := self.find_again(data, unreader, number)) is not None:
            return again
        unreader.unread(data)
        request = Request(cfg, unreader, peer, number)
        head, end, _ = data.partition(END)
        # An empty line may stand before a request: what is read then ends further behind.
        is_whole = bool(end) and head[:1].isalpha()
        self.head = head + end if is_whole else b""
        self.is_last, self.beginnings = request.should_close(), {}
        self._request, self._environ = copy(request), None
        self._body_bytes = getattr(request.body.reader, "length", None)
        return request

    def find_again(self, data: bytes, unreader: Any, number: int) -> Any:  # noqa: ANN401  # gunicorn's
        """Give the request that bytes begin, where its head is that of the last; else None.

        What of them is behind the head is left to the reader, which has nothing ahead of them.
        """
        if not (self.head and data.startswith(self.head)):
            return None
        unreader.unread(data[len(self.head) :])
        # As `copy`, which takes ten times as long.
        again = object.__new__(type(self._request))
        again.__dict__.update(self._request.__dict__)
        again.req_number = number
        again.heads = self
        if self._body_bytes is None:
            again.set_body_reader()
        else:
            again.body = Body(LengthReader(unreader, self._body_bytes))
        return again

    def prepare(self, request: Any, conn: Any, cfg: Any) -> tuple[Any, dict[str, Any]]:  # noqa: ANN401  # gunicorn's
        """Give a response to write and the variables of a request that is like the last."""
        if self._environ is None or request._expected_100_continue:  # noqa: SLF001  # answered there
            response, environ = wsgi.create(request, conn.sock, conn.client, conn.server, cfg)
            self._environ = {**environ, KNOWN: {}}
            return response, environ
        return Answer(request, conn.sock, cfg, self), {**self._environ, "wsgi.input": request.body}


class Answer(wsgi.Response):  # type: ignore[misc]  # gunicorn has no types
    """An answer that gunicorn does not begin again as it began another to the same head."""

    def __init__(self, request: Any, sock: Any, cfg: Any, heads: Heads) -> None:  # noqa: ANN401  # gunicorn's
        super().__init__(request, sock, cfg)
        self.heads = heads
        self.beginning: Beginning | None = None

    def start_response(self, status: Any, headers: Any, exc_info: Any = None) -> Any:  # noqa: ANN401  # the application's
        """Take the status and the headers of the application, as gunicorn does."""
        if exc_info is not None or self.status is not None or type(headers) is not list:
            self.beginning = None  # It begins anew, or otherwise than is kept.
            return super().start_response(status, headers, exc_info)
        key, kept = (status, *headers), self.heads.beginnings
        try:
            self.beginning = kept.get(key)
        except TypeError:  # A header is a list.
            return super().start_response(status, headers)
        if self.beginning is not None:
            self.__dict__.update(self.beginning.started)
            self.headers = self.beginning.headers.copy()
            return self.write
        write = super().start_response(status, headers)
        if len(kept) >= MOST_BEGINNINGS:
            kept.clear()
        started = {name: getattr(self, name) for name in STARTED}
        self.beginning = kept[key] = Beginning(started=started, headers=self.headers.copy())
        return write

    def should_close(self) -> bool:
        """Tell whether the connection ends with this answer."""
        if self.response_length is None:
            return bool(super().should_close())
        return self.must_close or self.heads.is_last


def send(response: Any, parts: Any) -> None:  # noqa: ANN401  # gunicorn's, and the application's
    """Send an answer; a small one of one part in one piece with its head."""
    if type(parts) is list and len(parts) == 1 and _is_small(response, parts[0]):
        response.sock.sendall(_head_of(response) + parts[0])
        response.headers_sent, response.sent = True, len(parts[0])
        return
    for part in parts:
        response.write(part)


def _head_of(response: Any) -> bytes:  # noqa: ANN401  # gunicorn's
    """Give the head of an answer, which is the same for a second where it began like another."""
    beginning = getattr(response, "beginning", None)
    if beginning is None or response.must_close:
        return _write_head(response)
    second = int(time.time())
    if beginning.second != second:
        beginning.octets, beginning.second = _write_head(response), second
    octets: bytes = beginning.octets
    return octets


def _write_head(response: Any) -> bytes:  # noqa: ANN401  # gunicorn's
    lines = response.default_headers()
    lines += [f"{name}: {value}\r\n" for name, value in response.headers]
    return "".join([*lines, "\r\n"]).encode("latin-1")


def _is_small(response: Any, part: bytes) -> bool:  # noqa: ANN401  # gunicorn's
    return (
        response.response_length == len(part) <= SMALL_BYTES
        and not response.headers_sent
        and not response._omits_body  # noqa: SLF001  # as its own `write` asks
    )
