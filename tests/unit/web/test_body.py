"""Bodies received straight from a connection, and clients that break off."""

import socket
import struct
from types import SimpleNamespace

import pytest

from zoo.errors import BadRequest
from zoo.web.body import receive_whole

LENGTH = 1000


@pytest.fixture
def ends():
    """Both ends of a connection over TCP: the client's and the server's."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    with client, server:
        yield client, server


def environ_of(server, before=b""):
    """What gunicorn hands over, when so much of the body came with the head."""
    unreader = SimpleNamespace(take_buffered=lambda: before, unread=None)
    reader = SimpleNamespace(length=LENGTH, unreader=unreader)
    return {"gunicorn.socket": server, "wsgi.input": SimpleNamespace(reader=reader)}


def reset(client):
    """End a connection at once, without a word."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


@pytest.mark.parametrize("with_head", [0, 1, LENGTH])
def test_a_body_is_put_together(ends, with_head):
    client, server = ends
    body = bytes(range(250)) * 4
    client.sendall(body[with_head:])
    assert receive_whole(environ_of(server, body[:with_head]), LENGTH) == body


@pytest.mark.parametrize("end", [reset, socket.socket.close])
@pytest.mark.parametrize("sent", [0, LENGTH - 1])
def test_a_client_that_breaks_off_is_told_apart_from_a_fault(ends, end, sent):
    client, server = ends
    client.sendall(bytes(sent))
    end(client)
    with pytest.raises(BadRequest, match="ended before all of it"):
        receive_whole(environ_of(server), LENGTH)
