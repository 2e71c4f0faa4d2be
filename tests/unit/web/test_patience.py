"""Clients that hardly send are given up, and nobody else is."""

import io
import socket
from types import SimpleNamespace

import pytest

from zoo.web.body import PATIENCE_S, SILENCE_S, SLOWEST_BYTES_PER_S
from zoo.web.patience import HEAD_S, Incoming, PatientWorker, end_slow

WAITS = SimpleNamespace(length=10**6)  # gunicorn's reader of a body of which more is to come
CHUNKED = SimpleNamespace(parser=iter(()))


@pytest.fixture
def pair():
    """A connection on this machine: the client's end and the server's."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    with client, server:
        server.settimeout(10)
        yield client, server


def is_ended(server):
    server.setblocking(False)
    try:
        return server.recv(1) == b""
    except BlockingIOError:
        return False


def send(pair, count):
    """Send bytes and have the server read them all."""
    client, server = pair
    client.sendall(bytes(count))
    while count:
        count -= len(server.recv(count))


def test_a_head_has_some_seconds(pair):
    incoming = Incoming(pair[1], since_s=100)
    end_slow([incoming], 100 + HEAD_S - 1)
    assert not is_ended(pair[1])
    end_slow([incoming], 100 + HEAD_S + 1)
    assert is_ended(pair[1])


@pytest.mark.parametrize("body", [WAITS, CHUNKED])
def test_a_body_that_stands_still_is_given_up(pair, body):
    incoming = Incoming(pair[1], since_s=0)
    incoming.begin_body(body, 100)
    end_slow([incoming], 100 + SILENCE_S - 1)
    send(pair, 10)
    end_slow([incoming], 100 + SILENCE_S + 1)
    assert not is_ended(pair[1])
    end_slow([incoming], 100 + 2 * SILENCE_S + 2)
    assert is_ended(pair[1])


@pytest.mark.parametrize(("count", "ends"), [(1, True), (2 * SLOWEST_BYTES_PER_S, False)])
def test_a_body_that_trickles_is_given_up_and_a_slow_one_is_not(pair, count, ends):
    incoming = Incoming(pair[1], since_s=0)
    incoming.begin_body(WAITS, 100)
    for second in range(1, int(PATIENCE_S) + 5):
        send(pair, count)
        assert not is_ended(pair[1]) or second > PATIENCE_S
        pair[1].settimeout(10)
        if second > PATIENCE_S:
            end_slow([incoming], 100 + second)
            break
        end_slow([incoming], 100 + second)
    assert is_ended(pair[1]) == ends


@pytest.mark.parametrize("body", [SimpleNamespace(length=0), SimpleNamespace(parser=None), None])
def test_a_request_that_is_here_may_be_worked_at_for_hours(pair, body):
    incoming = Incoming(pair[1], since_s=0)
    incoming.begin_body(body or SimpleNamespace(), 100)
    end_slow([incoming], 10**6)
    assert not is_ended(pair[1])


def test_a_client_does_not_pay_for_a_server_that_is_slow(pair):
    client, server = pair
    incoming = Incoming(server, since_s=0)
    incoming.begin_body(WAITS, 100)
    client.sendall(b"x")
    server.recv(1, socket.MSG_PEEK)  # It is here, and nobody reads it.
    end_slow([incoming], 100 + 10 * PATIENCE_S)
    server.recv(1)
    end_slow([incoming], 101 + 10 * PATIENCE_S)
    assert not is_ended(server)


def test_a_connection_that_was_closed_meanwhile_is_no_error(pair):
    incoming = Incoming(pair[1], since_s=0)
    pair[1].close()
    end_slow([incoming], 10**6)
    incoming.begin_body(WAITS, 100)
    end_slow([incoming], 10**6)


class Gunicorn(PatientWorker):
    """A worker without a process, a fourth of whose threads are at work."""

    def __init__(self):
        self.alive, self.incoming = True, {}
        self.cfg = SimpleNamespace(threads=4)


def make_connection(sock, ahead=b""):
    buffer = io.BytesIO()
    buffer.write(ahead)
    unreader = SimpleNamespace(buf=buffer)
    return SimpleNamespace(sock=sock, is_http2=False, parser=SimpleNamespace(unreader=unreader))


def test_a_thread_stays_with_a_client_that_asks_again(pair):
    client, server = pair
    assert not Gunicorn()._comes_again(make_connection(server))
    assert Gunicorn()._comes_again(make_connection(server, b"GET"))
    client.sendall(b"GET")
    assert Gunicorn()._comes_again(make_connection(server))


@pytest.mark.parametrize("fault", ["stops", "busy", "http2"])
def test_a_thread_goes_on_where_others_wait_for_it(pair, fault):
    worker, connection = Gunicorn(), make_connection(pair[1], b"GET")
    worker.alive = fault != "stops"
    worker.incoming = dict.fromkeys(range(3 if fault == "busy" else 1))
    connection.is_http2 = fault == "http2"
    assert not worker._comes_again(connection)
