"""Requests that begin with the very bytes of the one before them on their connection.

A client that keeps its connection sends the same head again and again, and what gunicorn makes of
it is the same each time. Reading it and preparing the application's variables costs a tenth of a
small request, so both are done once for each head. What a head says is decided by gunicorn alone.
"""

from copy import copy
from typing import Any

from gunicorn.http import wsgi
from gunicorn.http.message import Request

KNOWN = "zoo.known"  # in the WSGI environment: a place for what is told by this head alone
END = b"\r\n\r\n"
SMALL_BYTES = 2**16  # of an answer that is copied behind its head, to be sent at once
MOST_CHECKED = 64  # headers of answers
TELLING = {"content-length", "upgrade"}  # headers that gunicorn does more with than pass them on

Header = tuple[str, str]


class Heads:
    """Makes the requests of a connection; the parser calls it in the place of ``Request``."""

    def __init__(self) -> None:
        self.head = b""
        self._request: Any = None
        self._environ: dict[str, Any] | None = None
        self._checked: dict[Header, Header] = {}

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
            self._environ = {**environ, KNOWN: {}}
            return response, environ
        return Answer(request, conn.sock, cfg, self._checked), {
            **self._environ,
            "wsgi.input": request.body,
        }


class Answer(wsgi.Response):  # type: ignore[misc]  # gunicorn has no types
    """An answer whose headers are not checked again that another had on the same connection."""

    def __init__(self, request: Any, sock: Any, cfg: Any, checked: dict[Header, Header]) -> None:  # noqa: ANN401  # gunicorn's
        super().__init__(request, sock, cfg)
        self.checked = checked

    def process_headers(self, headers: Any) -> None:  # noqa: ANN401  # the application's
        """Take the headers of the application, as gunicorn does."""
        for header in headers:
            known = self.checked.get(header) if type(header) is tuple else None
            if known is not None:
                self.headers.append(known)
                continue
            before = len(self.headers)
            super().process_headers([header])
            is_kept = len(self.headers) > before and header[0].lower() not in TELLING
            if is_kept and type(header) is tuple and len(self.checked) < MOST_CHECKED:
                self.checked[header] = self.headers[-1]


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
