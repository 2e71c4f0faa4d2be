"""Answers that nobody takes are given up, and slow ones are not."""

import select
import socket
import threading
import time

import pytest

from zoo.web.body import PATIENCE_S, SILENCE_S, SLOWEST_BYTES_PER_S
from zoo.web.outgoing import Outgoing
from zoo.web.patience import Incoming, end_slow

MUCH = 2**24
MINUTE = int(PATIENCE_S)


@pytest.fixture
def pair():
    """A connection on this machine: the client's end, which takes little at once, and ours."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(listener.getsockname())
        server, _ = listener.accept()
    with client, server:
        client.settimeout(60)
        yield client, server


class Sending:
    """A thread that sends much, as those of gunicorn do."""

    def __init__(self, server, file=None):
        self.server, self.file, self.error = server, file, None
        self.thread = threading.Thread(target=self._send, daemon=True)
        self.thread.start()
        until(lambda: is_blocked(server))

    def _send(self):
        try:
            if self.file is None:
                self.server.sendall(bytes(MUCH))
            else:
                self.server.sendfile(self.file)
        except OSError as error:
            self.error = error

    def is_ended(self, seconds=60.0):
        self.thread.join(seconds)
        return not self.thread.is_alive()


def until(is_so):
    ends_s = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < ends_s
        time.sleep(0.01)


def is_blocked(server):
    """Whether the system takes no more of us, and the other side no more of it."""
    before = acknowledged(server)
    server_is_full = not _is_writable(server)
    time.sleep(0.05)
    return server_is_full and acknowledged(server) == before


def _is_writable(server):
    looking = select.poll()
    looking.register(server, select.POLLOUT)
    return bool(looking.poll(0))


def acknowledged(server):
    outgoing = Outgoing(server)
    outgoing.is_too_slow(0)
    return outgoing.last


def drain(client):
    while client.recv(2**20):
        pass


def take(pair, count):
    """Have the client read, and wait until that has been acknowledged."""
    client, server = pair
    before = acknowledged(server)
    while count > 0:
        count -= len(client.recv(min(count, 4096)))
    until(lambda: acknowledged(server) > before)


@pytest.mark.parametrize("is_file", [False, True], ids=["memory", "file"])
def test_an_answer_that_nobody_takes_is_given_up(pair, tmp_path, is_file):
    path = tmp_path / "file"
    path.write_bytes(bytes(MUCH))
    with path.open("rb") as file:
        sending = Sending(pair[1], file if is_file else None)
        incoming = Incoming(pair[1], since_s=100)
        incoming.begin_body(None, 100)
        end_slow([incoming], 100)
        end_slow([incoming], 100 + SILENCE_S)
        assert not sending.is_ended(0.1)
        end_slow([incoming], 100 + SILENCE_S + 1)
        assert sending.is_ended()
        assert isinstance(sending.error, BrokenPipeError)
    pair[1].close()
    with pytest.raises(ConnectionResetError):  # What waited is dropped when it is closed.
        drain(pair[0])


def test_an_answer_that_is_taken_in_crumbs_is_given_up(pair):
    sending = Sending(pair[1])
    outgoing = Outgoing(pair[1])
    assert not outgoing.is_too_slow(0)
    for second in range(20, MINUTE, 20):
        take(pair, 4096)
        assert not outgoing.is_too_slow(second)
    assert outgoing.is_too_slow(MINUTE)
    outgoing.end()
    assert sending.is_ended()


def test_an_answer_that_is_taken_slowly_goes_on_for_hours(pair):
    sending = Sending(pair[1])
    outgoing = Outgoing(pair[1])
    assert not outgoing.is_too_slow(0)
    for minute in range(1, 100):
        for half in (0.5, 0):
            take(pair, SLOWEST_BYTES_PER_S * MINUTE)
            assert not outgoing.is_too_slow((minute - half) * MINUTE)
    assert not sending.is_ended(0.1)
    # Having been quick for long is no reason to stand still.
    until(lambda: is_blocked(pair[1]))
    assert not outgoing.is_too_slow(99 * MINUTE)
    assert outgoing.is_too_slow(99 * MINUTE + SILENCE_S + 1)
    outgoing.end()
    assert sending.is_ended()


def test_nobody_is_given_up_while_nothing_waits_to_be_sent(pair):
    client, server = pair
    outgoing = Outgoing(server)
    for second in range(0, 36_000, 600):
        server.sendall(b"a piece")
        assert len(client.recv(7)) == 7
        until(lambda: acknowledged(server) == 0)  # Nothing waits, so nothing is counted.
        assert not outgoing.is_too_slow(second)


def test_what_is_no_connection_of_tcp_or_closed_is_no_error():
    one, other = socket.socketpair()
    with one, other:
        assert not Outgoing(one).is_too_slow(0)
    end_slow([Incoming(one, since_s=0)], 10**6)
