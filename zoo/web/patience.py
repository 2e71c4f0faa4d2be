"""gunicorn's worker of threads, which no client holds up that hardly sends, or hardly receives.

A client that asks again at once is answered by the thread that it has: handing its connection to
the thread that waits for all of them, and from there to the next one, costs a tenth of a small
request. Only while most threads are idle, and for a moment.

A thread that reads the head of a request, or any body, waits for its client; a hundred clients that
send next to nothing would have them all. So somebody looks at what is being received, and ends the
receiving side of those that are too slow: the thread reads an end, and answers. Likewise answers
that nobody takes are given up, see `zoo.web.outgoing`.
"""

import contextlib
import select
import socket
import struct
import threading
import time
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gunicorn.http.message import Request
from gunicorn.workers.gthread import ThreadWorker

from zoo.web.body import PATIENCE_S, SILENCE_S, SLOWEST_BYTES_PER_S
from zoo.web.heads import Heads, send
from zoo.web.outgoing import Outgoing

HEAD_S = 10.0  # in which the head of a request comes, from its first byte on
EVERY_S = 1.0
LINGER_MS = 50  # that a thread waits for the next request of a connection
INFO_BYTES, RECEIVED_AT = 136, 128  # of Linux's tcp_info: its tcpi_bytes_received, 8 bytes


@dataclass(slots=True)
class Incoming:
    """A request that is being received, and the answer to it."""

    connection: socket.socket
    since_s: float
    body: Any = None  # gunicorn's reader of it, once the head is here
    outgoing: Outgoing | None = None  # once somebody looked
    first: int | None = None  # bytes that had been received when somebody first looked
    first_s: float = 0.0  # and when that was
    last: int = 0
    moved_s: float = 0.0  # when it last got further
    is_left: bool = False  # whether the next request was waited for in vain

    def begin_body(self, body: object, now_s: float) -> None:
        """Note that the head is here."""
        self.since_s = self.moved_s = now_s
        self.body = body

    def is_too_slow(self, now_s: float) -> bool:
        """Tell whether its client has been waited for long enough."""
        if self.body is None:
            return now_s - self.since_s > HEAD_S
        received = _received(self.connection)
        if received is None or not _is_due(self.body):
            return False
        if self.first is None:  # Most bodies are here before that, and not asked for.
            self.first, self.first_s = received, now_s
        if _has_unread(self.connection):  # It is we who are slow.
            self.first, self.first_s, self.since_s = received, now_s, now_s
        if received != self.last or self.since_s == now_s:
            self.last, self.moved_s = received, now_s
        due_bytes = SLOWEST_BYTES_PER_S * (now_s - self.first_s)
        is_slow = now_s - self.since_s > PATIENCE_S and received - self.first < due_bytes
        return is_slow or now_s - self.moved_s > SILENCE_S


class PatientWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """A worker of threads whose clients have to send, and to receive."""

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401  # gunicorn's
        super().__init__(*arguments, **options)
        self.incoming: dict[int, Incoming] = {}

    @cached_property  # which the settings look up slowly
    def threads(self) -> int:
        """Tell how many requests are answered at once."""
        return int(self.cfg.threads)

    def init_process(self) -> None:
        """Begin to look, and to work."""
        threading.Thread(target=self._look_on, name="patience", daemon=True).start()
        super().init_process()

    def handle(self, conn: Any) -> Any:  # noqa: ANN401  # gunicorn's
        """Receive a request and answer it, and those that follow at once."""
        try:
            while True:
                self.incoming[id(conn)] = Incoming(conn.sock, time.monotonic())
                goes_on = super().handle(conn)
                if getattr(conn.parser, "mesg_class", None) is Request:
                    conn.parser.mesg_class = Heads()
                is_left = self.incoming[id(conn)].is_left
                if goes_on is not True or is_left or not self._comes_again(conn):
                    return goes_on
        finally:
            self.incoming.pop(id(conn), None)

    def handle_request(self, req: Any, conn: Any) -> Any:  # noqa: ANN401  # gunicorn's
        """Answer a request whose head is here."""
        heads = getattr(req, "heads", None)
        if heads is not None:
            return self._answer_alike(req, conn, heads)
        self._begin_body(req, conn)
        goes_on = super().handle_request(req, conn)
        if goes_on is True and _is_read(req.body):
            conn.parser.mesg = None  # of which gunicorn would look for a rest, three times
        return goes_on

    def _begin_body(self, req: Any, conn: Any) -> None:  # noqa: ANN401  # gunicorn's
        incoming = self.incoming.get(id(conn))
        if incoming is not None:
            incoming.begin_body(getattr(req.body, "reader", None), time.monotonic())

    def _answer_alike(self, req: Any, conn: Any, heads: Heads) -> bool:  # noqa: ANN401  # gunicorn's
        """Answer a request whose head is that of the last, and those like it that follow at once.

        Tells whether the connection goes on. What gunicorn does between two requests is a tenth of
        a small one; whatever is not quite alike is left to it.
        """
        parser = conn.parser
        self._begin_body(req, conn)
        while True:
            if not self._answer(req, conn, heads):
                return False
            if not _is_read(req.body):
                return True
            parser.mesg = None  # of which gunicorn would look for a rest, three times
            if not self._comes_again(conn):
                self.incoming[id(conn)].is_left = True
                return True
            data = parser.unreader.read()
            number = parser.req_count + 1
            if not data or (req := heads.find_again(data, parser.unreader, number)) is None:
                parser.unreader.unread(data)
                return bool(data)
            parser.mesg, parser.req_count = req, number
            now_s = time.monotonic()  # Its head is here.
            body = getattr(req.body, "reader", None)
            self.incoming[id(conn)] = Incoming(conn.sock, now_s, body=body, moved_s=now_s)

    def _answer(self, req: Any, conn: Any, heads: Heads) -> bool:  # noqa: ANN401  # gunicorn's
        """Answer a request whose head is that of the last; tell whether the connection goes on.

        As gunicorn does, whose handler of errors is above; without its hooks, which we have not.
        """
        response, environ = heads.prepare(req, conn, self.cfg)
        environ["wsgi.multithread"] = True
        if not self.alive or len(self.keepalived_conns) >= self.max_keepalived:
            response.force_close()
        parts = self.wsgi(environ, response.start_response)
        try:
            send(response, parts)
            response.close()
        except OSError:  # The client is gone, or took nothing.
            raise
        except Exception:
            if response.headers_sent:  # Another answer behind the begun one would corrupt it.
                self.log.exception("Error handling request")
                raise StopIteration from None
            raise
        finally:
            if hasattr(parts, "close"):
                parts.close()
        return not response.should_close()

    def _comes_again(self, conn: Any) -> bool:  # noqa: ANN401  # gunicorn's
        """Tell whether the next request of a connection is here, or comes in a moment."""
        if not self.alive or conn.is_http2 or 2 * len(self.incoming) > self.threads:
            return False
        looking = select.poll()
        looking.register(conn.sock, select.POLLIN)
        return bool(conn.parser.unreader.buf.tell() or looking.poll(LINGER_MS))

    def _look_on(self) -> None:
        while self.alive:
            time.sleep(EVERY_S)
            end_slow(list(self.incoming.values()), time.monotonic())


def end_slow(incoming: list[Incoming], now_s: float) -> None:
    """End the receiving side of what comes too slowly; answers are still sent.

    Where an answer is not taken, both sides are ended.
    """
    for one in incoming:
        with contextlib.suppress(OSError, ValueError):  # It has just been closed.
            if one.is_too_slow(now_s):
                one.connection.shutdown(socket.SHUT_RD)
        with contextlib.suppress(OSError, ValueError):
            one.outgoing = one.outgoing or Outgoing(one.connection)
            if one.outgoing.is_too_slow(now_s):
                one.outgoing.end()


def _is_due(body: object) -> bool:
    """Tell whether more of a body is to come, of known length or in chunks."""
    if hasattr(body, "length"):
        return bool(body.length)
    return getattr(body, "parser", None) is not None


def _is_read(body: Any) -> bool:  # noqa: ANN401  # gunicorn's
    """Tell whether a body of known length was read to its end."""
    return getattr(getattr(body, "reader", None), "length", None) == 0 and not body.buf.tell()


def _has_unread(connection: socket.socket) -> bool:
    """Tell whether bytes are here that nobody has read."""
    looking = select.poll()
    looking.register(connection, select.POLLIN)
    return bool(looking.poll(0))


def _received(connection: socket.socket) -> int | None:
    """Tell how many bytes a connection has brought; None where the system does not say."""
    kind = getattr(socket, "TCP_INFO", None)
    if kind is None:
        return None
    with contextlib.suppress(OSError, struct.error):
        told = connection.getsockopt(socket.IPPROTO_TCP, kind, INFO_BYTES)
        return int(struct.unpack_from("=Q", told, RECEIVED_AT)[0])
    return None
