"""A gigabyte goes up and down in little memory; clients that hardly send do not stop others."""

import hashlib
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

GIB = 2**30
MOST_MB = 150  # above what the idle server takes
SLOW = 64
FORM = "Content-Length: 99999\r\nContent-Type: multipart/form-data; boundary=e"
SCRIPT = """
import hashlib, sys
import huggingface_hub as hub
api = hub.HfApi()
api.create_repo("large")
api.upload_file(repo_id="local/large", path_or_fileobj=sys.argv[1], path_in_repo="model.bin")
path = hub.hf_hub_download("local/large", "model.bin")
print(hashlib.file_digest(open(path, "rb"), "sha256").hexdigest())
"""


def peak_mb(command):
    """The MB of the largest process of a home, at its largest."""
    sizes = []
    for number in command.processes():
        found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{number}/status").read_text())
        sizes.append(int(found[1]) / 1000)
    return max(sizes)


@pytest.mark.parametrize(("is_xet", "size"), [(True, GIB), (False, GIB // 16)], ids=["xet", "lfs"])
def test_a_large_file_takes_little_memory(serve, zoo_command, tmp_path, is_xet, size):
    path = tmp_path / "model.bin"
    sha256 = hashlib.sha256()
    with path.open("wb") as file:
        for _ in range(size // 2**22):
            piece = os.urandom(2**20) * 4
            sha256.update(piece)
            file.write(piece)
    # Without work for ten seconds a worker makes a process ready that jobs are copied from. It is
    # as large as what it has imported, and no transfer passes through it.
    with serve(ZOO_WORKER_SLOTS="0") as server:
        idle = peak_mb(zoo_command)
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(path)],
            env=os.environ
            | {
                "HF_ENDPOINT": server.url,
                "HF_HOME": str(tmp_path / "hf"),
                "HF_TOKEN": "any",
                "HF_HUB_DISABLE_XET": "0" if is_xet else "1",
                "NO_PROXY": "127.0.0.1",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.split()[-1] == sha256.hexdigest()
        assert peak_mb(zoo_command) - idle < MOST_MB


def send_slowly(server, head):
    """Begin a request and leave it there."""
    host, port = server.url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)))
    connection.sendall(head.encode())
    return connection


@pytest.mark.parametrize(
    "head",
    [
        "POST /v1/datasets?name=x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999\r\n\r\nPK",
        f"POST /v1/models/x/revisions HTTP/1.1\r\nHost: localhost\r\n{FORM}\r\n\r\n--e",
        "GET /v1/models HTTP/1.1\r\nHost: loc",
    ],
    ids=["body", "form", "header"],
)
def test_clients_that_hardly_send_do_not_stop_the_next(serve, head):
    with serve() as server:
        slow = [send_slowly(server, head) for _ in range(SLOW)]
        try:
            assert server.ask("/v1/models")[0] == 200
        finally:
            for connection in slow:
                connection.close()
        assert server.ask("/v1/models")[0] == 200


def test_more_clients_that_hardly_send_than_there_are_threads_do_not_stop_the_next(serve):
    """Nobody has to know a token for this: a head that does not end, in every thread."""
    head = "GET /v1/models HTTP/1.1\r\nHost: loc"
    with serve(ZOO_WEB_THREADS="3") as server:
        slow = [send_slowly(server, head) for _ in range(6)]
        try:
            assert server.ask("/v1/models")[0] == 200
        finally:
            for connection in slow:
                connection.close()
