"""Requests that begin with the very bytes of the one before them on their connection.

A client that keeps its connection sends the same head again and again, and what gunicorn makes of
it is the same each time. Reading it and preparing the application's variables costs a tenth of a
small request, so both are done once for each head. What a head says is decided by gunicorn alone.
"""

from copy import copy
from typing import Any

from gunicorn.http import wsgi
from gunicorn.http.message import Request

END = b"\r\n\r\n"
SMALL_BYTES = 2**16  # of an answer that is copied behind its head, to be sent at once


class Heads:
    """Makes the requests of a connection; the parser calls it in the place of ``Request``."""

    def __init__(self) -> None:
        self.head = b""
        self._request: Any = None
        self._environ: dict[str, Any] | None = None

    def __call__(self, cfg: Any, unreader: Any, peer: Any, number: int) -> Any:  # noqa: ANN401  # gunicorn's
        """Give the next request; as `Request`, of which it is one."""
        data: bytes = unreader.read()
        if self.head and data.startswith(self.head):
            unreader.unread(data[len(self.head) :])
            again = copy(self._request)
            again.req_number = number
            again.set_body_reader()
            again.heads = self
            return again
        unreader.unread(data)
        request = Request(cfg, unreader, peer, number)
        head, end, _ = data.partition(END)
        # An empty line may stand before a request: what is read then ends further behind.
        is_whole = bool(end) and head[:1].isalpha()
        self.head = head + end if is_whole else b""
        self._request, self._environ = copy(request), None
        return request

    def prepare(self, request: Any, conn: Any, cfg: Any) -> tuple[Any, dict[str, Any]]:  # noqa: ANN401  # gunicorn's
        """Give a response to write and the variables of a request that is like the last."""
        if self._environ is None or request._expected_100_continue:  # noqa: SLF001  # answered there
            response, environ = wsgi.create(request, conn.sock, conn.client, conn.server, cfg)
            self._environ = dict(environ)
            return response, environ
        return wsgi.Response(request, conn.sock, cfg), {
            **self._environ,
            "wsgi.input": request.body,
        }


def send(response: Any, parts: Any) -> None:  # noqa: ANN401  # gunicorn's, and the application's
    """Send an answer; a small one of one part in one piece with its head."""
    if type(parts) is list and len(parts) == 1 and _is_small(response, parts[0]):
        lines = response.default_headers()
        lines += [f"{name}: {value}\r\n" for name, value in response.headers]
        response.sock.sendall("".join([*lines, "\r\n"]).encode("latin-1") + parts[0])
        response.headers_sent, response.sent = True, len(parts[0])
        return
    for part in parts:
        response.write(part)


def _is_small(response: Any, part: bytes) -> bool:  # noqa: ANN401  # gunicorn's
    return (
        response.response_length == len(part) <= SMALL_BYTES
        and not response.headers_sent
        and not response._omits_body  # noqa: SLF001  # as its own `write` asks
    )
