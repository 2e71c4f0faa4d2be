"""`zoo push` and `zoo pull` between two zoos, over connections that break and disks that lie."""

import contextlib
import hashlib
import os
import re
import shutil
import socket
import threading
import time
from contextlib import contextmanager

import pytest

from zoo.operations import fetch
from zoo.operations.opening import open_zoo
from zoo.operations.publish import Publication, publish
from zoo.settings import read_settings

LARGE = 24 * 2**20


@pytest.fixture
def there(tmp_path, zoo_command):
    """The command over a second home, on another machine as it were."""
    command = type(zoo_command)(tmp_path / "there")
    yield command
    command.kill_all()


@pytest.fixture
def stock(zoo_command):
    """A function that publishes files, given as path to bytes, in a home; gives the revision."""

    def add(command, name="lab/net", **texts):
        with open_zoo(read_settings(home=command.home)) as zoo:
            files = {path: zoo.blobs.put([data]) for path, data in texts.items()}
            new = Publication(model=name, files=files, message="made", summary={"runs": "x"})
            return publish(zoo, new)

    return lambda *arguments, **texts: add(zoo_command, *arguments, **texts)


def found(command, address):
    with open_zoo(read_settings(home=command.home)) as zoo:
        return fetch.get_revision(zoo, address)


class Proxy:
    """A way to a server on which connections break after so many bytes, up or down."""

    def __init__(self, url, most_bytes):
        host, port = url.removeprefix("http://").split(":")
        self.server, self.most_bytes, self.left = (host, int(port)), most_bytes, most_bytes
        self.breaks = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.pairs = []
        self.accepting = threading.Thread(target=self.accept)
        self.accepting.start()

    def accept(self):
        with self.listener:
            while True:
                try:
                    client, _ = self.listener.accept()
                except OSError:
                    return
                self.pairs.append(threading.Thread(target=self.join, args=(client,)))
                self.pairs[-1].start()

    def join(self, client):
        with client, socket.create_connection(self.server) as server:
            up = threading.Thread(target=self.carry, args=(client, server))
            up.start()
            self.carry(server, client)
            up.join()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        for thread in [self.accepting, *self.pairs]:
            thread.join()

    def carry(self, source, target):
        with contextlib.suppress(OSError):
            while (data := source.recv(65_536)) and self.allow(len(data)):
                target.sendall(data)
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def allow(self, count):
        self.left -= count
        if self.left < 0:
            self.left = self.most_bytes
            self.breaks += 1
            return False
        return True


@contextmanager
def proxied(url, *, most_bytes):
    proxy = Proxy(url, most_bytes)
    try:
        yield proxy
    finally:
        proxy.close()


def test_a_model_goes_there_and_back_as_it_was(serve, there, stock):
    revision = stock(a=b"small", large=os.urandom(LARGE), empty=b"")
    with serve() as server:
        pulled = there.ok("pull", "lab/net", "--at", server.url, "--name", "copy")
        assert pulled.out.strip() == f"copy@{revision.id}"
        assert found(there, "copy").files == revision.files
        assert found(there, "copy").summary == {"runs": "x"}
        shutil.rmtree(there.home / "cache", ignore_errors=True)
        pushed = there.ok("push", "copy", "--at", server.url, "--name", "lab/again", "--ref", "b")
        assert pushed.out.strip() == f"lab/again@{revision.id}"
        _, told = server.ask("/v1/models/lab/again/revisions/b")
        assert (told["id"], told["summary"]) == (revision.id, {"runs": "x"})
        assert there.ok("pull", "lab/net", "--at", server.url).code == 0
    assert there.ok("verify", "--all").code == 0


@pytest.mark.parametrize("verb", ["push", "pull"])
def test_a_connection_that_breaks_is_gone_on_with(serve, zoo_command, there, stock, verb):
    revision = stock(large=os.urandom(LARGE))
    with serve() as server:
        there.ok("pull", "lab/net", "--at", server.url)
        data = os.urandom(LARGE)
        with open_zoo(read_settings(home=there.home)) as zoo:
            files = {"other": zoo.blobs.put([data])}
            publish(zoo, Publication(model="mine", files=files, message="x"))
        digest = revision.files[0].digest
        (there.home / "blobs" / digest[:2] / digest).unlink()
        with proxied(server.url, most_bytes=LARGE // 3) as proxy:
            url = proxy.url
            if verb == "push":
                assert there.ok("push", "mine", "--at", url).out.startswith("mine@")
            else:
                there.ok("pull", "lab/net", "--at", url, "--name", "again")
            assert proxy.breaks >= 2
    if verb == "push":
        assert found(zoo_command, "mine").files[0].digest == hashlib.sha256(data).hexdigest()
    else:
        assert found(there, "again").files == revision.files


def wait_for(path, size):
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up:
        grown = [one for one in path.rglob("*") if one.is_file() and one.stat().st_size >= size]
        if grown:
            return grown[0]
        time.sleep(0.005)
    raise AssertionError(f"nothing of {size} bytes in {path}")


def test_a_killed_pull_goes_on_in_the_next_process(serve, there, stock):
    stock(large=os.urandom(LARGE))
    with serve() as server:
        url = server.url
        process = there.start("pull", "lab/net", "--at", url)
        part = wait_for(there.home / "cache" / "pulls", 2**20)
        there.kill_all()
        process.communicate()
        kept = part.stat().st_size if part.exists() else None
        assert kept is None or kept >= 2**20
        ran = there.ok("pull", "lab/net", "--at", url)
        assert ran.out.startswith("lab/net@")
    assert there.ok("verify", "--all").code == 0


def test_a_killed_push_goes_on_where_the_other_zoo_stopped(zoo_command, there, stock):
    revision = stock(large=os.urandom(8 * LARGE))
    home = there.home
    with open_zoo(read_settings(home=home)):
        pass
    serve_there = there.start("serve", "--port", "0")
    url = serve_there.stdout.readline().strip()
    process = zoo_command.start("push", "lab/net", "--at", url)
    wait_for(home / "cache" / "uploads", 2**20)
    zoo_command.kill_all()
    process.communicate()
    assert zoo_command.ok("push", "lab/net", "--at", url).out.strip() == f"lab/net@{revision.id}"
    there.kill_all()
    serve_there.communicate()
    assert found(there, "lab/net").files == revision.files
    assert not list((home / "cache" / "uploads").rglob("*/*"))


def test_bytes_that_changed_in_the_other_zoo_are_refused(serve, zoo_command, there, stock):
    revision = stock(a=b"some bytes", b=b"others")
    digest = revision.find_file("a").digest
    path = zoo_command.home / "blobs" / digest[:2] / digest
    path.chmod(0o644)
    path.write_bytes(b"same bytes")
    with serve() as server:
        ran = there("pull", "lab/net", "--at", server.url)
    assert (ran.code, ran.out) == (6, "")
    assert digest in ran.told
    assert there("show", "lab/net").code == 3
    assert not list((there.home / "cache" / "pulls").iterdir())


def test_what_goes_wrong_is_told(serve, there, stock, tmp_path):
    stock(a=b"x")
    home = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    with serve(ZOO_ACCESS="tokens") as server:
        secret = re.search(r"zoo_\S+", server.process.stderr.readline())[0]
        url = server.url

        def run(*arguments, **env):
            return there(*arguments, "--at", url, env=home | env)

        assert (run("pull", "lab/net").code, "zoo_" in run("pull", "lab/net").err) == (4, True)
        assert run("pull", "lab/net", ZOO_TOKEN="zoo_wrong").code == 4
        assert run("login", "--token", "zoo_wrong").code == 4
        assert run("login", "--token", secret).out.startswith("admin at ")
        assert run("pull", "lab/nothing").code == 3
        assert run("pull", "lab/net:nothing").code == 3
        assert run("pull", "lab/net").code == 0
        assert run("push", "nothing").code == 3
        assert run("push", "lab/net", "--name", "v1/x").code == 1
        kept = tmp_path / ".config" / "zoo" / "tokens.json"
        assert kept.stat().st_mode & 0o077 == 0
        assert run("login", "--forget").code == 0
        assert run("pull", "lab/net").code == 4
    assert there("pull", "lab/net", "--at", url, env=home).code == 7
    for wrong in ("ftp://x", "http://", "http://u:p@x", "x"):
        assert there("pull", "lab/net", "--at", wrong, env=home).code == 1
    assert there("pull", "lab/net", env=home).code == 2


def test_a_file_that_is_cut_off_in_the_other_zoo_is_told_and_not_waited_for(
    serve, zoo_command, there, stock
):
    digest = stock(a=b"some bytes").files[0].digest
    path = zoo_command.home / "blobs" / digest[:2] / digest
    path.chmod(0o644)
    path.write_bytes(b"")
    with serve(ZOO_SCRUB_DAYS="0") as server:  # It would be set aside before it is asked for.
        ran = there("pull", "lab/net", "--at", server.url)
    assert (ran.code, "a" in ran.told) == (7, True)
    assert there("show", "lab/net").code == 3
