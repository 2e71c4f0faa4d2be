"""The real tritonclient, and clients that are worse than it, against a real server."""

import asyncio
import json
import re
import socket
import subprocess
import sys
import threading
import urllib.request
from collections import Counter
from pathlib import Path

import pytest

CALLS = Path(__file__).with_name("triton_calls.py")
SAFETY_S = 300
INFER = "/v2/models/lenet/infer"
RAW = "Inference-Header-Content-Length: 0\r\n"
PIXELS = bytes(28 * 28 * 3)

pytestmark = pytest.mark.usefixtures("imported")


def run_calls(url, picture, *token):
    done = subprocess.run(
        [sys.executable, CALLS, url.removeprefix("http://"), "lenet", picture, *token],
        capture_output=True,
        text=True,
        check=False,
        timeout=SAFETY_S,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    failed = [error for error in told["calls"].values() if error]
    assert not failed, "\n".join(failed)
    assert told["missing"] == []


@pytest.fixture
def picture(digits):
    return min((digits / "7").iterdir())


def test_every_method_of_the_client_works_unchanged(serve, picture):
    with serve() as server:
        run_calls(server.url, picture)


def test_the_client_sends_a_token_where_one_is_asked_for(serve, picture):
    with serve(ZOO_ACCESS="tokens") as server:
        token = re.search(r"zoo_\S+", server.process.stderr.readline())[0]
        run_calls(server.url, picture, token)


def address(server):
    host, port = server.url.removeprefix("http://").split(":")
    return host, int(port)


def head(length, *more):
    return (
        f"POST {INFER} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"{RAW}Content-Length: {length}\r\n{''.join(more)}\r\n"
    ).encode()


def read_all(connection):
    pieces = []
    while piece := connection.recv(2**16):
        pieces.append(piece)
    return b"".join(pieces)


def is_whole(answer):
    """Tell whether an answer is one of success, with its whole body."""
    before, _, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", before.lower())
    return before.startswith(b"HTTP/1.1 200") and len(body) == int(length[1])


def test_a_client_that_goes_away_in_the_middle_of_a_body_disturbs_nobody(serve):
    with serve() as server:
        for part in (0, 1, 1000, len(PIXELS) - 1):
            with socket.create_connection(address(server)) as connection:
                connection.sendall(head(len(PIXELS)) + PIXELS[:part])
        with socket.create_connection(address(server)) as connection:
            connection.sendall(head(len(PIXELS)) + PIXELS)
            assert is_whole(read_all(connection))
        with urllib.request.urlopen(f"{server.url}/metrics") as answer:
            told = answer.read().decode()
        assert re.search(r"^nv_inference_pending_request_count\{.*\} 0\.0$", told, re.MULTILINE)
        code, _, err = server.stop()
        assert (code, "Traceback" in err) == (0, False), err


def test_a_thousand_clients_at_once_are_all_answered(serve):
    async def ask(host, port):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(head(len(PIXELS)) + PIXELS)
        answer = await reader.read()
        writer.close()
        return "whole" if is_whole(answer) else answer[:300]

    async def ask_all(count):
        return await asyncio.gather(*[ask(*address(server)) for _ in range(count)])

    with serve() as server:
        assert Counter(asyncio.run(ask_all(1000))) == {"whole": 1000}
        stats = server.ask("/v2/models/lenet/stats")[1]["model_stats"][0]
        assert stats["inference_stats"]["success"]["count"] == 1000


def test_what_was_accepted_is_answered_when_the_server_is_stopped(serve):
    """The server says 100 Continue where it has taken a request in; later ones may be lost."""
    with serve() as server:
        taken_in = [socket.create_connection(address(server)) for _ in range(16)]
        for connection in taken_in:
            connection.sendall(head(len(PIXELS), "Expect: 100-continue\r\n"))
            assert connection.recv(100).startswith(b"HTTP/1.1 100")
        broken = []
        stop = threading.Event()
        others = [
            threading.Thread(target=press, args=(address(server), stop, broken)) for _ in range(4)
        ]
        for thread in others:
            thread.start()
        server.process.terminate()
        for connection in taken_in:
            connection.sendall(PIXELS)
        answers = [read_all(connection) for connection in taken_in]
        stop.set()
        for thread in others:
            thread.join()
        for connection in taken_in:
            connection.close()
        assert [is_whole(answer) for answer in answers] == [True] * 16
        assert broken == []
        assert server.process.wait(SAFETY_S) == 0


def press(to, stop, broken):
    """Ask again and again, until the server is gone; note answers that break off."""
    while not stop.is_set():
        try:
            with socket.create_connection(to) as connection:
                connection.sendall(head(len(PIXELS)) + PIXELS)
                answer = read_all(connection)
        except OSError:
            continue
        if answer and not is_whole(answer):
            broken.append(answer)
