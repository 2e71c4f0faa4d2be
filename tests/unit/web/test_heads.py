"""Requests whose heads are not read again are answered as gunicorn answers them."""

import errno
import json
import re
import socket
import threading
from types import SimpleNamespace

import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.http import wsgi
from gunicorn.http.errors import InvalidHeader, InvalidHeaderName
from gunicorn.http.message import Request
from gunicorn.workers.gthread import TConn, ThreadWorker

from zoo.web import heads, patience
from zoo.web.patience import PatientWorker

PLAIN = b"POST /echo?a=%%20 HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n%s\r\n%s"


def post(body, *headers):
    return PLAIN % (len(body), b"".join(header + b"\r\n" for header in headers), body)


def chunked(body):
    return post(b"", b"Transfer-Encoding: chunked").replace(b"Content-Length: 0\r\n", b"") + (
        b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    )


SAME = [post(b"one"), post(b"two"), post(b"six")]
STREAMS = {
    "the same": SAME,
    "in one piece": [b"".join(SAME)],
    "byte by byte": [bytes([byte]) for byte in b"".join(SAME)],
    "cut in the head": [SAME[0], SAME[1][:20], SAME[1][20:], SAME[2]],
    "cut before the body": [SAME[0], SAME[1][:-3], SAME[1][-3:], SAME[2]],
    "one byte longer": [SAME[0], post(b"one", b"X: y"), SAME[1], post(b"one", b"X: yy")],
    "other lengths": [post(b"one"), post(b"three"), post(b""), post(b"three")],
    "a body that is a head": [post(SAME[0]), post(SAME[0]), SAME[1]],
    "bodies left unread": [post(b"no"), post(b"no"), post(b"one")],
    "more than is taken": [post(b"one") * 2 + b"GARBAGE\r\n\r\n"],
    "twice a length": [SAME[0], SAME[0], post(b"one", b"Content-Length: 4"), SAME[1]],
    "length and chunks": [SAME[0], SAME[0], post(b"one", b"Transfer-Encoding: chunked")],
    "chunks": [chunked(b"one"), chunked(b"two"), SAME[0], chunked(b"one")],
    "expecting": [post(b"one", b"Expect: 100-continue")] * 3,
    "closing": [SAME[0], post(b"one", b"Connection: close"), SAME[1]],
    "closing at once": [post(b"one", b"Connection: close")] * 2,
    "an empty line before": [b"\r\n" + SAME[0]] * 3,
    "empty lines": [SAME[0], b"\r\n\r\n", SAME[1]],
    "of HTTP 1.0": [post(b"one").replace(b"1.1", b"1.0")] * 2,
    "kept by 1.0": [post(b"one", b"Connection: keep-alive").replace(b"1.1", b"1.0")] * 3,
    "GET and HEAD": [b"GET / HTTP/1.1\r\n\r\n"] * 3 + [b"HEAD / HTTP/1.1\r\n\r\n"] * 3,
    "answers in parts": [post(b"parts")] * 3,
    "answers without a length": [post(b"chunks")] * 3,
    "nothing to answer": [post(b"nothing")] * 3,
    "a large answer": [post(b"large")] * 3,
    "an error on the way": [SAME[0], SAME[1], post(b"bad"), SAME[0]],
    "an error after the head": [SAME[0], SAME[1], post(b"end"), SAME[0]],
    "a head that ends early": [SAME[0], SAME[1][:30]],
    "a body that ends early": [SAME[0], SAME[1][:-1]],
}


def application(environ, start):
    """Answer with what was asked, and fail where it is asked for."""
    if environ.get("CONTENT_LENGTH") == "2":
        start("200 OK", [("Content-Length", "4")])
        return [b"left"]
    body = environ["wsgi.input"].read()
    told = {key: value for key, value in environ.items() if isinstance(value, str | bool)}
    told.pop("REMOTE_PORT", None)
    answer = json.dumps({"body": body.decode("latin-1"), **told}, sort_keys=True).encode()
    environ["HTTP_X"] = "changed by the application"
    if body == b"bad":
        raise ValueError(body)
    if body == b"end":
        start("200 OK", [("Content-Length", "9")])
        return failing()
    if body == b"nothing":
        start("204 No Content", [])
        return [b""]
    if body == b"large":
        answer = b"x" * (heads.SMALL_BYTES + 1)
    if body == b"chunks":
        start("200 OK", [])
        return [answer]
    start("200 OK", [("Content-Length", str(len(answer))), ("X-Own", "é")])
    return [answer[:5], answer[5:]] if body == b"parts" else [answer]


def failing():
    yield b"begun"
    raise ValueError


def make_worker(kind):
    """Make a worker without a process."""
    worker = kind.__new__(kind)
    worker.cfg = Config()
    worker.cfg.set("threads", 64)
    worker.log = Logger(worker.cfg)
    worker.log.error_log.disabled = True
    worker.wsgi = application
    worker.alive, worker.nr, worker.max_requests = True, 0, 10**9
    worker.keepalived_conns, worker.max_keepalived, worker.incoming = [], 10, {}
    return worker


def converse(kind, pieces):
    """Send pieces over a connection of a worker and give all that comes back."""
    worker = make_worker(kind)
    client, server = socket.socketpair()
    client.settimeout(30)
    conn = TConn(worker.cfg, server, ("127.0.0.1", 1), ("127.0.0.1", 2))

    def serve():
        while worker.handle(conn) is True:
            pass
        server.close()

    thread = threading.Thread(target=serve)
    thread.start()
    received = []
    try:
        for piece in pieces:
            client.sendall(piece)
    except OSError:
        pass  # It was closed before all was sent.
    client.shutdown(socket.SHUT_WR)
    try:
        while piece := client.recv(2**16):
            received.append(piece)
    except ConnectionError:
        pass
    thread.join()
    client.close()
    return re.sub(rb"Date: [^\r]+", b"Date: now", b"".join(received))


@pytest.mark.parametrize("name", STREAMS)
def test_a_connection_is_answered_as_by_gunicorn_alone(name):
    answer = converse(PatientWorker, STREAMS[name])
    assert answer == converse(ThreadWorker, STREAMS[name])
    assert answer.startswith(b"HTTP/1.")


def test_a_head_is_read_once(monkeypatch):
    read = []

    class Counted(Request):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            read.append(arguments)

    monkeypatch.setattr(heads, "Request", Counted)
    # The first is read by gunicorn's parser, before its connection has been seen to go on.
    answer = converse(PatientWorker, SAME * 4)
    assert answer.count(b"200 OK") == 12
    assert len(read) == 1


def test_a_small_answer_is_one_piece_with_its_head():
    pieces = []
    sock = SimpleNamespace(sendall=pieces.append)
    request = SimpleNamespace(method="POST", version=(1, 1), should_close=lambda: False)
    response = heads.wsgi.Response(request, sock, Config())
    response.start_response("200 OK", [("Content-Length", "3")])
    heads.send(response, [b"one"])
    response.close()
    assert len(pieces) == 1
    assert pieces[0].endswith(b"\r\n\r\none")


def test_a_client_that_is_gone_leaves_no_trace(monkeypatch):
    told, broken = [], []

    def send(response, _parts):
        response.headers_sent = True
        broken.append(response)
        raise BrokenPipeError(errno.EPIPE, "gone")

    monkeypatch.setattr(patience, "send", send)
    monkeypatch.setattr(Logger, "exception", lambda *arguments: told.append(arguments))
    assert converse(PatientWorker, SAME).count(b"200 OK") < len(SAME)
    assert (len(broken), told) == (1, [])


ANSWERED = [
    [("Content-Length", "3"), ("Content-Type", "text/plain"), ("X", " padded\t")],
    [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("X", "y")],
    [("Connection", "Upgrade"), ("Upgrade", "h2c"), ("Keep-Alive", "1"), ("x", "y")],
    [["X", "y"], ("X", "y"), ("X", "y")],
    [("Content-Length", "3"), ("Content-Length", "4")],
    [("X", "y\r\nZ: injected")],
    [("X y", "z")],
    [(b"X", "y")],
    [("X", 1)],
]


def begin(response, headers, status="200 OK"):
    try:
        response.start_response(status, headers)
    except (TypeError, ValueError, InvalidHeader, InvalidHeaderName) as error:
        return type(error), str(error)
    told = vars(response).copy()
    for mine in ("req", "heads", "beginning"):
        told.pop(mine, None)
    return told, response.default_headers(), response.should_close()


def make_request(*headers, version=(1, 1)):
    request = Request.__new__(Request)
    request.__dict__ |= {"headers": headers, "version": version, "must_close": False}
    request.method = "POST"
    return request


@pytest.mark.parametrize("order", [ANSWERED, ANSWERED[::-1]])
@pytest.mark.parametrize("closing", [(), (("CONNECTION", "close"),)])
def test_an_answer_like_one_before_begins_as_gunicorn_begins_it(order, closing, monkeypatch):
    monkeypatch.setattr(heads.wsgi.util, "http_date", lambda: "now")
    request, kept = make_request(*closing), heads.Heads()
    kept.is_last = request.should_close()
    cfg = Config()
    for status in ("200 OK", "404 Not Found", "200 OK", "204 No Content", "200\n", 200):
        for headers in [*order, *order]:
            mine = begin(heads.Answer(request, None, cfg, kept), headers, status)
            assert mine == begin(wsgi.Response(request, None, cfg), headers, status)


def test_an_answer_that_is_begun_twice_is_told_so():
    kept = heads.Heads()
    for _ in range(2):
        answer = heads.Answer(make_request(), None, Config(), kept)
        answer.start_response("200 OK", [("X", "y")])
        with pytest.raises(AssertionError):
            answer.start_response("200 OK", [("X", "y")])
        answer.start_response("500 No", [("X", "z")], (ValueError, ValueError(), None))
        assert answer.headers == [("X", "y"), ("X", "z")]  # as gunicorn has it
        assert answer.beginning is None  # so neither is told for the other


def test_no_more_beginnings_are_kept_than_a_few():
    kept = heads.Heads()
    for number in range(1000):
        heads.Answer(make_request(), None, Config(), kept).start_response(
            "200 OK", [("X", f"{number}")]
        )
        assert len(kept.beginnings) <= heads.MOST_BEGINNINGS


def test_the_date_of_an_answer_is_that_of_its_second(monkeypatch):
    sent, kept = [], heads.Heads()
    sock = SimpleNamespace(sendall=sent.append)
    for now in (1.0, 1.9, 2.0):
        monkeypatch.setattr(heads.time, "time", lambda now=now: now)
        answer = heads.Answer(make_request(), sock, Config(), kept)
        answer.start_response("200 OK", [("Content-Length", "3")])
        heads.send(answer, [b"one"])
    assert [re.search(rb"Date: .*?:.*?:(\d+)", one)[1] for one in sent] == [b"01", b"01", b"02"]
    assert sent[0] == sent[1]


def test_an_answer_that_closes_says_so_after_one_that_did_not():
    sent, kept = [], heads.Heads()
    for closes in (False, True, False):
        answer = heads.Answer(make_request(), SimpleNamespace(sendall=sent.append), Config(), kept)
        if closes:
            answer.force_close()
        answer.start_response("200 OK", [("Content-Length", "3")])
        heads.send(answer, [b"one"])
    assert [b"Connection: close" in one for one in sent] == [False, True, False]


def test_a_head_that_differs_after_like_ones_is_read(monkeypatch):
    monkeypatch.setattr(patience, "LINGER_MS", 10_000)
    other = post(b"one", b"X: y")
    pieces = [*SAME, *SAME, other, other, *SAME, post(b"one", b"Connection: close")]
    assert converse(PatientWorker, pieces) == converse(ThreadWorker, pieces)


def test_the_next_request_is_waited_for_once(monkeypatch):
    waited = []

    def comes_again(_worker, conn):
        waited.append(conn.parser.req_count)
        return len(waited) < 3

    monkeypatch.setattr(PatientWorker, "_comes_again", comes_again)
    worker = make_worker(PatientWorker)
    client, server = socket.socketpair()
    with client, server:
        conn = TConn(worker.cfg, server, ("127.0.0.1", 1), ("127.0.0.1", 2))
        client.sendall(b"".join(SAME))
        assert worker.handle(conn) is True
        assert waited == [1, 2, 3]
        assert not worker.incoming
