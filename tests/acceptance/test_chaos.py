"""Servers that are killed, disks that fill up or fail, at random moments of a mixed load.

Whatever was acknowledged is whole afterwards, and nothing dangles. ZOO_TEST_KILLS says how many
moments; CI takes a few, `ZOO_TEST_KILLS=200 pytest -s tests/acceptance/test_chaos.py` is the long
run. The seed is printed.
"""

import base64
import contextlib
import hashlib
import http.client
import json
import os
import random
import shutil
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from zoo.domain.revision import File, revision_id
from zoo.operations import fetch
from zoo.operations.opening import open_zoo
from zoo.operations.scrub import scrub
from zoo.settings import read_settings

MOMENTS = int(os.environ.get("ZOO_TEST_KILLS", "3"))
WORKERS = 6
MODELS = 5
MOST_ANSWERS = 60  # between two moments
LONGEST_S = 0.3  # on top of that
DISK_MIB = 64
NARROWEST = 2**21  # bytes that a filled disk has left, at most
EACH_DISK = 10  # moments, before another takes its place
MOST_MOMENTS = 10 * MOMENTS  # where nothing was acknowledged before
PAGE = 100_000
PATIENCE_S = 300  # No test depends on speed; this ends one that hangs.
FAULTS = Path(__file__).with_name("faults")
SHORT_GRACE_S = "2"  # for sweeps that have something to remove during the load


class Load:
    """Clients that create, upload, commit, delete and take back, until the server is gone."""

    def __init__(self, seed, *, may_fail=(), is_swept=False):
        self.draw = random.Random(seed)
        self.lock = threading.Lock()
        self.may_fail = may_fail  # statuses from 500 on
        self.acknowledged = {}  # model -> revisions
        self.counts = Counter()
        self.acts = [self.commit, self.commit, self.upload, self.upload, self.resume]
        # With a short grace a model may be swept before its client comes back for it.
        self.acts.append(self.delete_own if is_swept else self.delete)

    def run(self, url, stop):
        threads = [
            threading.Thread(target=self.work, args=(url, stop, self.draw.random()))
            for _ in range(WORKERS)
        ]
        for thread in threads:
            thread.start()
        return threads

    def wait(self, draw, server):
        """Wait for some answers, and a moment more, however fast this machine is."""
        wanted = self.counts.total() + draw.randrange(MOST_ANSWERS)
        give_up = time.monotonic() + PATIENCE_S
        while self.counts.total() < wanted and server.process.poll() is None:
            assert time.monotonic() < give_up, "nobody answers"
            time.sleep(0.01)
        time.sleep(draw.random() * LONGEST_S)

    def work(self, url, stop, seed):
        draw = random.Random(seed)
        while not stop.is_set():
            name = f"load/{draw.randrange(MODELS)}"
            try:
                draw.choice(self.acts)(url, name, draw)
            except (OSError, http.client.HTTPException, ValueError):
                time.sleep(0.01)  # The server is gone, or going.

    def ask(self, url, method, path, body=b""):
        host, port = url.removeprefix("http://").split(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=PATIENCE_S)
        try:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            connection.request(method, path, data, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            status, told = answer.status, json.loads(answer.read() or b"{}")
        finally:
            connection.close()
        with self.lock:
            self.counts[method, path.partition("?")[0].split("/")[-2], status] += 1
        assert status < 500 or status in self.may_fail, (method, path, status, told)
        return status, told

    def acknowledge(self, name, revision):
        with self.lock:
            self.acknowledged.setdefault(name, set()).add(revision)

    def commit(self, url, name, draw, lines=None):
        """Commit small files, or lines that name large ones; give the revision if there is one."""
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
        if status == 200 and not name.startswith("own/"):
            self.acknowledge(name, told["commitOid"])
        return told["commitOid"] if status == 200 else None

    def upload(self, url, name, draw):
        """Send a file as clients of the Hub do, then name it in a commit."""
        content = draw.randbytes(draw.randrange(100_000, 3_000_000))
        digest = hashlib.sha256(content).hexdigest()
        body = {"operation": "upload", "objects": [{"oid": digest, "size": len(content)}]}
        status, told = self.ask(url, "POST", f"/{name}.git/info/lfs/objects/batch", body)
        if status == 200:
            href = told["objects"][0]["actions"]["upload"]["href"].partition("/lfs/")[2]
            if self.ask(url, "PUT", f"/lfs/{href}", content)[0] != 200:
                return
            value = {"path": f"large-{draw.randrange(4)}", "oid": digest, "size": len(content)}
            self.commit(url, name, draw, [{"key": "lfsFile", "value": value}])

    def resume(self, url, name, draw):
        """Send a file by pieces, go on where each stopped, and publish it by its manifest."""
        content = draw.randbytes(2**23 + draw.randrange(1, PAGE))
        digest, size = hashlib.sha256(content).hexdigest(), len(content)
        for _ in range(8):
            _, told = self.ask(url, "POST", f"/v1/models/{name}/uploads", {"digests": [digest]})
            if "uploads" not in told:
                return
            standing = told["uploads"][0]
            if standing["is_kept"]:
                break
            start = standing["received_bytes"]
            piece = content[start : start + draw.randrange(size // 4, size)]
            where = f"/v1/models/{name}/uploads/{digest}?size_bytes={size}&offset={start}"
            self.ask(url, "PUT", where, piece)
        else:
            return
        revision = revision_id([File(path="resumed", digest=digest, size_bytes=size)])
        body = {"files": {"resumed": digest}, "ref": f"resumed-{draw.randrange(3)}"}
        if self.ask(url, "PUT", f"/v1/models/{name}/revisions/{revision}", body)[0] == 200:
            self.acknowledge(name, revision)

    def delete(self, url, name, draw):
        """Delete a model and take it back, so that what it acknowledged is still due."""
        del draw
        self.ask(url, "DELETE", f"/v1/models/{name}")
        self.ask(url, "PATCH", f"/v1/models/{name}", {"is_deleted": False})

    def delete_own(self, url, name, draw):
        """Delete a model of one's own; one that is taken back in time has everything."""
        name = f"own/{draw.randbytes(8).hex()}"
        made = self.commit(url, name, draw)
        status, _ = self.ask(url, "DELETE", f"/v1/models/{name}")
        if status == 200 and draw.random() < 0.5:
            status, _ = self.ask(url, "PATCH", f"/v1/models/{name}", {"is_deleted": False})
            if status == 200 and made is not None:
                self.acknowledge(name, made)


def moments(load):
    """Count the moments, and go on where nothing was acknowledged yet: that would prove nothing."""
    for moment in range(MOST_MOMENTS):
        if moment < MOMENTS or not load.acknowledged:
            yield moment


def check(home, load):
    """Everything acknowledged is there, everything there is whole."""
    with open_zoo(read_settings(home=home)) as zoo:
        assert scrub(zoo) == []
        assert not list(zoo.blobs.incoming.glob("*"))
        for name, revisions in load.acknowledged.items():
            try:
                known = {revision.id for revision in fetch.list_revisions(zoo, name)}
            except fetch.ModelNotFound:
                with zoo.catalog.reading() as db:  # Killed between deletion and return.
                    deleted = "SELECT deleted_at IS NOT NULL FROM models WHERE name = ?"
                    assert db.connection().exec_driver_sql(deleted, (name,)).scalar()
                continue
            assert revisions <= known


@contextlib.contextmanager
def sweeping(zoo_command, **env):
    """Sweep again and again; gives what was removed, in the end."""
    stop, removed = threading.Event(), Counter()

    def sweep_on():
        while not stop.is_set():
            sweeper = zoo_command.start("sweep", "--json", env={"ZOO_GRACE_S": SHORT_GRACE_S} | env)
            out, err = sweeper.communicate()
            assert "Traceback" not in err, err
            if sweeper.returncode == 0:
                swept = json.loads(out)
                removed.update(models=len(swept["models"]), blobs=len(swept["blobs"]))

    thread = threading.Thread(target=sweep_on)
    thread.start()
    try:
        yield removed
    finally:
        stop.set()
        thread.join()


def drawn(what):
    """Draw a seed, and show it where a test fails."""
    seed = random.randrange(2**32)
    print(f"{what}: seed {seed}")  # noqa: T201
    return random.Random(seed), seed


@pytest.mark.timeout(0)
def test_what_was_acknowledged_survives_kills_at_any_moment(serve, zoo_command, home):
    draw, seed = drawn("kills")
    load = Load(seed)
    for _ in moments(load):
        stop = threading.Event()
        with serve(ZOO_WORKER_SLOTS="0") as server:
            threads = load.run(server.url, stop)
            sweeper = zoo_command.start("sweep", env={"ZOO_GRACE_S": "86400"})
            load.wait(draw, server)
            zoo_command.kill_all()
            sweeper.communicate()
            stop.set()
            for thread in threads:
                thread.join()
        check(home, load)
    print(load.counts)  # noqa: T201
    assert sum(map(len, load.acknowledged.values())) > 0
    assert zoo_command("verify", "--all").code == 0


class Mounted:
    """A small disk in memory, which is really full."""

    def __init__(self, home):
        self.home, self.env = home, {}
        self.ballast = home / "ballast"

    def fill(self, draw):
        free = shutil.disk_usage(self.home).free
        with contextlib.suppress(OSError), self.ballast.open("wb") as file:
            file.write(bytes(max(0, free - draw.randrange(NARROWEST))))

    def free(self):
        self.ballast.unlink(missing_ok=True)

    def grow(self):
        """Make room for good, also where the load alone has filled the disk."""
        subprocess.run(["mount", "-o", "remount,size=1g", str(self.home)], check=True)


class Simulated:
    """A store that takes some bytes of a write and has no room for the rest."""

    def __init__(self, notes):
        asked = {"folder": str(notes), "fills": True}
        self.env = {"PYTHONPATH": str(FAULTS), "ZOO_TEST_FAULTS": json.dumps(asked)}
        self.flag = notes / "full"

    def fill(self, draw):
        del draw
        self.flag.touch()

    def free(self):
        self.flag.unlink(missing_ok=True)

    def grow(self):
        pass  # The disk below has room.


@contextlib.contextmanager
def small_disk(home, notes, *, is_real):
    """Give a disk to fill at the home of a zoo: a real one where this user may mount one."""
    home.mkdir()
    notes.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", str(home)]
    is_mounted = is_real and subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        yield Mounted(home) if is_mounted else Simulated(notes)
    finally:
        if is_mounted:
            subprocess.run(["umount", str(home)], check=True)
        shutil.rmtree(home)
        shutil.rmtree(notes)


@pytest.mark.timeout(0)
@pytest.mark.parametrize("is_real", [True, False], ids=["disk", "store"])
def test_what_was_acknowledged_survives_a_full_disk(serve, zoo_command, home, tmp_path, is_real):
    draw, seed = drawn("full")
    removed, counts = Counter(), Counter()
    for start in range(0, MOMENTS, EACH_DISK):
        load = Load(seed + start, may_fail={507}, is_swept=True)
        with small_disk(home, tmp_path / "notes", is_real=is_real) as disk:
            stop = threading.Event()
            with serve(ZOO_WORKER_SLOTS="0", **disk.env) as server:
                with sweeping(zoo_command, **disk.env) as swept:
                    threads = load.run(server.url, stop)
                    for _ in range(start, min(MOMENTS, start + EACH_DISK)):
                        load.wait(draw, server)
                        disk.fill(draw)
                        load.wait(draw, server)
                        disk.free()
                    stop.set()
                    for thread in threads:
                        thread.join()
                disk.grow()
                assert load.commit(server.url, "load/last", draw)
            check(home, load)
            assert zoo_command("verify", "--all").code == 0
        removed += swept
        counts += load.counts
    print(type(disk).__name__, removed, counts)  # noqa: T201
    assert any(status == 507 for *_, status in counts)


def power_cut(notes, draw):
    """Take back what a disk may lose of all that was done and not synced."""
    done, begun, synced = [], {}, set()
    acts = notes / "notes"  # There is none where the power went before anything was written.
    for line in acts.read_bytes().splitlines() if acts.exists() else ():
        one = json.loads(line)
        if one["act"] == "file":
            synced.add((one["inode"], one["size"]))
        elif one["act"] == "gone":
            done = [old for old in done if old["target"] != one["target"]]
        elif one["act"] == "begin":
            begun[one["token"]] = [
                old
                for old in done
                if not old.get("is_durable") and str(Path(old["target"]).parent) == one["folder"]
            ]
        elif one["act"] in {"lost", "end"}:
            for old in begun[one["token"]]:
                old["is_lost" if one["act"] == "lost" else "is_durable"] = True
        else:
            one["is_whole"] = one["act"] == "mkdir" or (one["inode"], one["size"]) in synced
            done.append(one)
    return sum(take_back(one, draw) for one in reversed(done))


def take_back(one, draw):
    """Take one name back, unless it was synced; tell whether it was."""
    target = Path(one["target"])
    if not target.exists() or target.stat().st_ino != one["inode"]:
        return False
    if not one["is_whole"]:
        target.chmod(0o600)
        target.write_bytes(bytes(one["size"]))
    is_safe = one.get("is_durable") and not one.get("is_lost")
    if is_safe or (not one.get("is_lost") and draw.random() < 0.5):
        return False
    if one["act"] == "mkdir":
        shutil.rmtree(target)
    elif one["old"]:
        os.replace(one["old"], target)  # noqa: PTH105
    else:
        target.unlink()
    return True


@pytest.mark.timeout(0)
def test_what_was_acknowledged_survives_failing_disks_and_power_cuts(
    serve, zoo_command, home, tmp_path
):
    draw, seed = drawn("power")
    load = Load(seed, may_fail={500}, is_swept=True)
    removed, taken_back = Counter(), 0
    for moment in moments(load):
        notes = tmp_path / f"notes-{moment}"
        notes.mkdir()
        asked = {"folder": str(notes), "slow": 0.1, "fails": 0.05, "dies": 0.01}
        env = {"PYTHONPATH": str(FAULTS), "ZOO_TEST_FAULTS": json.dumps(asked)}
        stop = threading.Event()
        with serve(ZOO_WORKER_SLOTS="0", **env) as server:
            with sweeping(zoo_command, **env) as swept:
                threads = load.run(server.url, stop)
                load.wait(draw, server)
                zoo_command.kill_all()
                stop.set()
                for thread in threads:
                    thread.join()
            zoo_command.kill_all()
        removed += swept
        taken_back += power_cut(notes, draw)
        check(home, load)
        shutil.rmtree(notes)
    print(removed, taken_back, load.counts)  # noqa: T201
    assert sum(map(len, load.acknowledged.values())) > 0
    assert zoo_command("verify", "--all").code == 0
