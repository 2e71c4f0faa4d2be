"""Two real servers, as on two machines, that share nothing but PostgreSQL and S3."""

import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import obstore
import pytest
import urllib3
from obstore.store import S3Store

CALLS = Path(__file__).with_name("s3_calls.py")
SAFETY_S = 300
TOKENS = []  # what each request to the bucket told of who asks


class Passing(BaseHTTPRequestHandler):
    """The address that clients reach the bucket at; it passes on what is asked of it."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        TOKENS.append(self.headers.get("Authorization"))
        asked = {"Range": self.headers["Range"]} if "Range" in self.headers else {}
        with urllib3.PoolManager() as pool:
            answer = pool.request("GET", self.server.bucket + self.path, headers=asked)
        self.send_response(answer.status)
        for name in ("Content-Range", "ETag"):
            if name in answer.headers:
                self.send_header(name, answer.headers[name])
        self.send_header("Content-Length", str(len(answer.data)))
        self.end_headers()
        self.wfile.write(answer.data)

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def public(s3_server):
    """The address of a way to the bucket that remembers whether it was shown a token."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Passing)
    server.bucket = s3_server
    threading.Thread(target=server.serve_forever).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


HERE = {"NO_PROXY": "127.0.0.1"}  # No proxy is asked for what is on this machine.


def test_what_one_machine_is_sent_the_other_gives(
    serve, zoo_command, postgresql_url, s3_settings, public
):
    tmp_path = zoo_command.home.parent
    shared = {f"ZOO_{name.upper()}": value for name, value in s3_settings.items()}
    shared |= {"ZOO_DATABASE_URL": postgresql_url, "ZOO_SIGNING_KEY": "of both", **HERE}
    shared["ZOO_STORE_PUBLIC_ENDPOINT"] = public
    second = type(zoo_command)(tmp_path / "second")
    with (
        serve(**shared, ZOO_ACCESS="tokens") as server,
        serve.func(second, **shared, ZOO_ACCESS="tokens") as beside,
    ):
        token = re.search(r"zoo_\S+", server.process.stderr.readline())[0]
        hub = {"HF_ENDPOINT": server.url, "HF_TOKEN": token, "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        done = subprocess.run(
            [sys.executable, CALLS, tmp_path / "client"],
            env=os.environ | hub | HERE | {"HF_HOME": str(tmp_path / "hf")},
            capture_output=True,
            text=True,
            timeout=SAFETY_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, done.stderr
        assert len(TOKENS) >= 3  # one for each way of reading the large file
        other = type(zoo_command)(tmp_path / "other")
        there = {"ZOO_URL": beside.url, "ZOO_TOKEN": token, **HERE}
        other.ok("pull", "lab/net", env=there)
        other.ok("push", "lab/net", "--name", "lab/copy", env=there)
        pushed = (tmp_path / "client" / "up" / "model.safetensors").read_bytes()
        assert other.read_file("lab/net", "model.safetensors") == pushed
        assert server.ask("/v1/models/lab/copy", token=token)[0] == 200
        answer = server.ask("/v1/models/lab/net", method="DELETE", token=token)
        assert beside.ask("/v1/models/lab/net", token=token)[0] == 404, answer
    assert set(TOKENS) == {None}  # The token is for the zoo alone.
    bucket, _, prefix = s3_settings["store"].removeprefix("s3://").partition("/")
    options = {"endpoint": s3_settings["store_endpoint"], "client_options": {"allow_http": True}}
    kept = S3Store(bucket, prefix=prefix, **options)
    sizes = [one["size"] for some in obstore.list(kept, "blobs") for one in some]
    assert sizes.count(len(pushed)) == 1
    for command in (zoo_command, second):
        assert not (command.home / "blobs").exists()
        assert not (command.home / "zoo.db").exists()
