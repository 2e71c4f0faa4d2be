"""What goes wrong around a server that predicts, and that it answers all it has taken in."""

import io
import json
import signal
import socket
import struct
from contextlib import ExitStack, closing

import pytest
from PIL import Image

from zoo.operations.opening import open_zoo
from zoo.operations.publish import Publication, publish
from zoo.settings import read_settings

pytestmark = pytest.mark.usefixtures("imported")
PATH = "/v1/models/lenet/predict"
MANY = 1000
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.fixture
def picture(digits):
    return min((digits / "7").iterdir()).read_bytes()


@pytest.fixture
def connect():
    """Connect to a server; every connection is closed with the test."""
    with ExitStack() as stack:

        def connect(server):
            host, port = server.url.removeprefix("http://").split(":")
            connection = socket.create_connection((host, int(port)), timeout=300)
            return stack.enter_context(closing(connection))

        yield connect


def head(size, *more):
    lines = [f"POST {PATH} HTTP/1.1", "Host: localhost", f"Content-Length: {size}", *more]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def read_answer(connection):
    """Read an answer to its end; give its status and what it says."""
    with connection.makefile("rb") as file:
        status = int(file.readline().split()[1])
        length = 0
        while (line := file.readline()) != b"\r\n":
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        return status, json.loads(file.read(length))


def test_a_thousand_clients_at_once_are_all_answered(serve, connect, picture):
    with serve() as server:
        server.ask(PATH, picture, content_type="image/png")
        connections = []
        for _ in range(MANY):
            connections.append(connect(server))
            connections[-1].sendall(head(len(picture)) + picture)
        answers = [read_answer(connection) for connection in connections]
    assert [status for status, _ in answers] == [200] * MANY
    assert len({json.dumps(answer) for _, answer in answers}) == 1


def test_what_was_taken_in_is_answered_when_the_server_is_told_to_end(serve, connect, picture):
    with serve() as server:
        connections = []
        for _ in range(32):
            connections.append(connect(server))
            connections[-1].sendall(head(len(picture), "Expect: 100-continue"))
        for connection in connections:  # which tells that it is being served
            assert connection.recv(len(CONTINUE), socket.MSG_WAITALL) == CONTINUE
        server.process.send_signal(signal.SIGTERM)
        for connection in connections:
            connection.sendall(picture)
        statuses = [read_answer(connection)[0] for connection in connections]
        _, err = server.process.communicate(timeout=300)
        assert server.process.returncode == 0
    assert statuses == [200] * len(connections)
    assert "Traceback" not in err


def test_clients_that_go_away_in_the_middle_leave_a_server_that_answers(serve, connect, picture):
    with serve() as server:
        for number in range(100):
            connection = connect(server)
            connection.sendall(head(len(picture)) + picture[: number * len(picture) // 100])
            if number % 2:  # a reset instead of an orderly end
                linger = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            connection.close()
        assert server.ask(PATH, picture, content_type="image/png")[0] == 200
        code, _, err = server.stop()
    assert code == 0
    assert "Traceback" not in err


def test_a_bomb_and_a_damaged_picture_are_refused_and_the_next_one_is_answered(serve, picture):
    bomb = io.BytesIO()
    Image.new("1", (11_000, 10_000)).save(bomb, "PNG")
    with serve() as server:
        for sent in (bomb.getvalue(), picture[: len(picture) // 2], b"\xff\xd8\xff"):
            status, answer = server.ask(PATH, sent, content_type="image/png")
            assert (status, answer["error"]["code"]) == (422, "unreadable_picture")
        assert server.ask(PATH, picture, content_type="image/png")[0] == 200


def test_a_revision_that_cannot_run_leaves_the_one_before_it_serving(serve, home, picture):
    with serve() as server, open_zoo(read_settings(home=home)) as zoo:
        _, before = server.ask(PATH, picture, content_type="image/png")
        digest = zoo.blobs.put([b"I am no graph"])
        publish(zoo, Publication(model="lenet", files={"model.onnx": digest}, message=""))
        for _ in range(3):
            status, after = server.ask(PATH, picture, content_type="image/png")
            assert (status, after) == (200, before)
        _, _, err = server.stop()
    told = [line for line in err.splitlines() if "could not be loaded" in line]
    assert len(told) == 1
    assert before["predictions"][0]["model"] in told[0]


def test_a_full_queue_is_told_with_the_seconds_to_wait_and_the_body_is_read(serve, connect):
    large = io.BytesIO()
    Image.new("RGB", (600, 600)).save(large, "BMP")  # a megabyte that is still being sent
    body = large.getvalue()
    with serve(ZOO_QUEUE_BYTES=str(2**20), ZOO_QUEUE_PICTURES="1") as server:
        connections = []
        for _ in range(48):
            connections.append(connect(server))
            connections[-1].sendall(head(len(body))[:-2])
        for connection in connections:
            connection.sendall(b"\r\n" + body)
        answers = [read_answer(connection) for connection in connections]
    assert {status for status, _ in answers} <= {200, 429}
    assert all(
        answer["error"]["code"] == "overloaded" for status, answer in answers if status == 429
    )


def test_a_device_that_is_not_there_is_refused_at_the_start(zoo_command):
    ran = zoo_command("serve", "--port", "0", env={"ZOO_DEVICE": "cuda"})
    assert (ran.code, ran.out) == (1, "")
    assert "CUDA was asked for" in ran.told
    assert "missing" in ran.told
    assert "ZOO_DEVICE=cpu" in ran.err.splitlines()[-1]
