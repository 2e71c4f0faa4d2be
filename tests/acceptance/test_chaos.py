"""The server is killed at random moments of a mixed load; whatever it had acknowledged is whole.

ZOO_TEST_KILLS says how often; CI kills a few times, `ZOO_TEST_KILLS=200 pytest
tests/acceptance/test_chaos.py` is the long run. The seed is printed.
"""

import base64
import hashlib
import http.client
import json
import os
import random
import threading
import time

import pytest

from zoo.operations import fetch
from zoo.operations.opening import open_zoo
from zoo.operations.scrub import scrub
from zoo.settings import read_settings

KILLS = int(os.environ.get("ZOO_TEST_KILLS", "3"))
WORKERS = 6
MODELS = 5
LONGEST_S = 3.0  # between two kills


class Load:
    """Clients that create, upload, commit, delete and take back, until the server is gone."""

    def __init__(self, seed):
        self.draw = random.Random(seed)
        self.lock = threading.Lock()
        self.acknowledged = {}  # model -> {revision: {path: digest}}
        self.counts = {}

    def run(self, url, stop):
        threads = [
            threading.Thread(target=self.work, args=(url, stop, self.draw.random()))
            for _ in range(WORKERS)
        ]
        for thread in threads:
            thread.start()
        return threads

    def work(self, url, stop, seed):
        draw = random.Random(seed)
        while not stop.is_set():
            name = f"load/{draw.randrange(MODELS)}"
            act = draw.choice([self.commit, self.commit, self.upload, self.upload, self.delete])
            try:
                act(url, name, draw)
            except (OSError, http.client.HTTPException, ValueError):
                time.sleep(0.01)  # The server is gone, or going.

    def ask(self, url, method, path, body=b""):
        host, port = url.removeprefix("http://").split(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=20)
        try:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            connection.request(method, path, data, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            status, told = answer.status, json.loads(answer.read() or b"{}")
        finally:
            connection.close()
        with self.lock:
            key = (method, path.split("/")[-2], status)
            self.counts[key] = self.counts.get(key, 0) + 1
        assert status < 500, (method, path, told)
        return status, told

    def commit(self, url, name, draw, lines=None):
        owner, _, model = name.partition("/")
        self.ask(url, "POST", "/api/repos/create", {"name": model, "organization": owner})
        if lines is None:
            content = draw.randbytes(draw.randrange(1, 20_000))
            value = {
                "path": f"file-{draw.randrange(8)}",
                "content": base64.b64encode(content).decode(),
                "encoding": "base64",
            }
            lines = [{"key": "file", "value": value}]
        every = [{"key": "header", "value": {"summary": "load"}}, *lines]
        data = b"\n".join(json.dumps(line).encode() for line in every)
        status, told = self.ask(url, "POST", f"/api/models/{name}/commit/main", data)
        if status == 200:
            with self.lock:
                self.acknowledged.setdefault(name, set()).add(told["commitOid"])

    def upload(self, url, name, draw):
        content = draw.randbytes(draw.randrange(100_000, 3_000_000))
        digest = hashlib.sha256(content).hexdigest()
        body = {"operation": "upload", "objects": [{"oid": digest, "size": len(content)}]}
        status, told = self.ask(url, "POST", f"/{name}.git/info/lfs/objects/batch", body)
        if status == 200:
            href = told["objects"][0]["actions"]["upload"]["href"].partition("/lfs/")[2]
            self.ask(url, "PUT", f"/lfs/{href}", content)
            value = {"path": f"large-{draw.randrange(4)}", "oid": digest, "size": len(content)}
            self.commit(url, name, draw, [{"key": "lfsFile", "value": value}])

    def delete(self, url, name, draw):
        """Delete a model and take it back, so that what it acknowledged is still due."""
        del draw
        self.ask(url, "DELETE", f"/v1/models/{name}")
        self.ask(url, "PATCH", f"/v1/models/{name}", {"is_deleted": False})


def check(home, load):
    """Everything acknowledged is there, everything there is whole."""
    with open_zoo(read_settings(home=home)) as zoo:
        assert scrub(zoo) == []
        for name, revisions in load.acknowledged.items():
            try:
                known = {revision.id for revision in fetch.list_revisions(zoo, name)}
            except fetch.ModelNotFound:
                with zoo.catalog.reading() as db:  # Killed between deletion and return.
                    deleted = "SELECT deleted_at IS NOT NULL FROM models WHERE name = ?"
                    assert db.connection().exec_driver_sql(deleted, (name,)).scalar()
                continue
            assert revisions <= known


@pytest.mark.timeout(0)
def test_what_was_acknowledged_survives_kills_at_any_moment(serve, zoo_command, home):
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201  # shown where it fails
    draw, load = random.Random(seed), Load(seed)
    for _ in range(KILLS):
        stop = threading.Event()
        with serve(ZOO_WORKER_SLOTS="0") as server:
            threads = load.run(server.url, stop)
            sweeper = zoo_command.start("sweep", env={"ZOO_GRACE_S": "86400"})
            time.sleep(draw.random() * LONGEST_S)
            zoo_command.kill_all()
            sweeper.communicate()
            stop.set()
            for thread in threads:
                thread.join()
        check(home, load)
    print(load.counts)  # noqa: T201
    assert sum(map(len, load.acknowledged.values())) > 0
    assert zoo_command("verify", "--all").code == 0
