"""Real `zoo` processes, each test with a home of its own."""

import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.error import HTTPError

import pytest

from zoo.operations import datasets, fetch
from zoo.operations.opening import open_zoo
from zoo.settings import read_settings

ZOO = Path(sys.executable).with_name("zoo")
SAFETY_S = 300  # No test depends on speed; this ends one that hangs.
NOWHERE = "http://127.0.0.1:9"  # where nobody listens


class Ran:
    """A command that ended."""

    def __init__(self, completed):
        self.code, self.out, self.err = completed.returncode, completed.stdout, completed.stderr

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def told(self):
        """The error and its next step, which end what a failed command says."""
        *_, first, second = self.err.splitlines()
        assert first.startswith("error: ")
        assert second.startswith("  next: ")
        return first.removeprefix("error: ")


class Command:
    """The `zoo` command over one home, with no network."""

    zoo = ZOO

    def __init__(self, home):
        self.home = home

    def environment(self, **more):
        proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy"), NOWHERE)
        return os.environ | proxies | {"ZOO_HOME": str(self.home)} | more

    def __call__(self, *arguments, **options):
        """Run a command to its end."""
        completed = subprocess.run(
            [ZOO, *map(str, arguments)],
            env=self.environment(**options.pop("env", {})),
            capture_output=True,
            text=True,
            timeout=SAFETY_S,
            check=False,
            stdin=subprocess.DEVNULL,
            **options,
        )
        return Ran(completed)

    def ok(self, *arguments, **options):
        """Run a command that has to succeed."""
        ran = self(*arguments, **options)
        assert ran.code == 0, ran.err
        return ran

    def read_file(self, model, path):
        """Read a file of a model's revision."""
        with open_zoo(read_settings(home=self.home)) as zoo:
            _, local = fetch.get_file(zoo, fetch.get_revision(zoo, model), path)
            return local.read_bytes()

    def start(self, *arguments, env=None):
        """Start a command and return its process."""
        return subprocess.Popen(
            [ZOO, *map(str, arguments)],
            env=self.environment(**(env or {})),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )

    def processes(self):
        """Find every process of this home, whoever started it."""
        mark = f"ZOO_HOME={self.home}".encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                environment = (folder / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if mark in environment:
                found.append(int(folder.name))
        return found

    def kill_all(self):
        """SIGKILL every process of this home; none of them sees another one die."""
        while found := self.processes():
            for name in (signal.SIGSTOP, signal.SIGKILL):
                for number in found:
                    try:
                        os.kill(number, name)
                    except ProcessLookupError:
                        continue
            # A process forgets its environment first and lets go of its files and locks last.
            while any(map(is_alive, found)):
                time.sleep(0.01)


def is_alive(number):
    """Tell whether any thread of a process has not ended yet; one that waits to be reaped has.

    The first thread may be a zombie while others still end and hold the files and locks of all.
    """
    try:
        threads = [*Path(f"/proc/{number}/task").iterdir()]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return any(state_of(thread) not in {"Z", "X"} for thread in threads)


def state_of(thread):
    """Give the state of a thread as its folder in /proc tells it; "X" where it has gone."""
    try:
        return (thread / "stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


class Server:
    """A `zoo serve` that answers."""

    def __init__(self, command, process, url):
        self.command, self.process, self.url = command, process, url
        self.open_connection = None

    def ask(self, path, data=None, *, method=None, content_type="application/json", token=None):
        """Send a request and return (status, answer)."""
        body = json.dumps(data).encode() if isinstance(data, dict) else data
        headers = {"Content-Type": content_type}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        request = urllib.request.Request(self.url + path, data=body, method=method, headers=headers)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=SAFETY_S) as answer:
                return answer.status, json.loads(answer.read())
        except HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def upload(self, model, files):
        """Send files as a revision of a model."""
        body, content_type = multipart(files)
        return self.ask(f"/v1/models/{model}/revisions", body, content_type=content_type)

    def send_part_of_upload(self, model, files, *, share):
        """Send the first part of an upload and leave the connection open."""
        body, content_type = multipart(files)
        host, port = self.url.removeprefix("http://").split(":")
        head = (
            f"POST /v1/models/{model}/revisions HTTP/1.1\r\nHost: {host}\r\n"
            f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self.open_connection = socket.create_connection((host, int(port)))
        self.open_connection.sendall(head.encode() + body[: int(share * len(body))])

    def wait_for(self, job, *, until=("succeeded", "failed", "cancelled")):
        """Follow a job until it is in one of these states."""
        give_up = time.monotonic() + SAFETY_S
        while time.monotonic() < give_up:
            _, found = self.ask(f"/v1/jobs/{job}")
            if found["state"] in until:
                return found
            time.sleep(0.05)
        raise AssertionError(f"job {job} is still {found['state']}")

    def stop(self, name=signal.SIGTERM):
        """Ask the server to stop and return its exit code and what it said."""
        self.process.send_signal(name)
        out, err = self.process.communicate(timeout=SAFETY_S)
        return self.process.returncode, out, err


def multipart(files):
    """Encode files, given as name to bytes, as curl -F file=@NAME does."""
    parts = [
        b'--edge\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n\r\n%s\r\n'
        % (name.encode(), data)
        for name, data in files.items()
    ]
    return b"".join(parts) + b"--edge--\r\n", "multipart/form-data; boundary=edge"


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def zoo_command(home):
    """The `zoo` command over a home of its own; its processes end with the test."""
    command = Command(home)
    yield command
    command.kill_all()


@contextmanager
def serving(command, *arguments, **env):
    """Start `zoo serve` on a free port and give the server; its processes end with it."""
    process = command.start("serve", "--port", "0", *arguments, env=env)
    try:
        url = process.stdout.readline().strip().replace("//0.0.0.0:", "//127.0.0.1:")
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url), process.stderr.read()
        server = Server(command, process, url)
        yield server
        if server.open_connection:
            server.open_connection.close()
    finally:
        command.kill_all()
        process.communicate()


@pytest.fixture
def serve(zoo_command):
    """A context manager that starts `zoo serve` on a free port and gives the server."""
    return partial(serving, zoo_command)


@pytest.fixture
def serve_real(real_zoo):
    """Likewise, over the home that the tests of real data share."""
    return partial(serving, real_zoo)


@pytest.fixture(scope="session")
def _imported(tmp_path_factory, starter, digits):
    command = Command(tmp_path_factory.mktemp("imported") / "home")
    command.ok("import", starter, "--name", "lenet")
    command.ok("datasets", "add", digits)
    return command.home


@pytest.fixture
def imported(_imported, home):
    """The home holds the model lenet and the dataset digits."""
    shutil.copytree(_imported, home)
    return home


@pytest.fixture(scope="session")
def real_zoo(tmp_path_factory):
    """The `zoo` command over a home that the tests of real data share: importing takes a while."""
    command = Command(tmp_path_factory.mktemp("real") / "home")
    yield command
    command.kill_all()


@pytest.fixture
def check_store(home):
    """A function that compares catalog and store, byte by byte, and gives each model's files."""

    def check():
        with open_zoo(read_settings(home=home)) as zoo:
            assert not list((home / "blobs" / "incoming").glob("*"))
            kept = {blob.digest: blob.size_bytes for blob in zoo.blobs.list_blobs()}
            for digest in kept:
                assert (
                    hashlib.sha256(zoo.blobs.local_path(digest).read_bytes()).hexdigest() == digest
                )
            named = [
                file
                for model in fetch.list_models(zoo, limit=1000)
                for revision in fetch.list_revisions(zoo, model.name)
                for file in revision.files
            ]
            for summary in datasets.list_datasets(zoo):
                named += datasets.get_dataset(zoo, f"{summary.name}@{summary.id}").pictures
            for one in named:
                assert kept.get(one.digest) == one.size_bytes, one
            return {
                model.name: {file.path for file in model.head.files}
                for model in fetch.list_models(zoo, limit=1000)
            }

    return check
