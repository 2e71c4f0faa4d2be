"""Jobs whose trainer, worker, server, cluster node or cluster head is killed at random moments.

Every job ends once, publishes what an undisturbed one does, to the bit, and goes on from its
checkpoint. ZOO_TEST_KILLS says how many moments; CI takes two on either engine,
`ZOO_TEST_KILLS=100 pytest -s tests/acceptance/test_job_chaos.py` is the long run. The seed is
printed.
"""

import contextlib
import os
import random
import re
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

from zoo.catalog.attempts import count_attempts
from zoo.domain.job import JobState
from zoo.domain.plan import Strategy
from zoo.domain.training import EPOCH, Overrides
from zoo.operations import fetch, jobs
from zoo.operations.finetune import enqueue_finetune
from zoo.operations.opening import open_zoo
from zoo.settings import read_settings

KILLS = int(os.environ.get("ZOO_TEST_KILLS", "0"))
SEED = int(os.environ.get("ZOO_TEST_SEED", "0")) or random.SystemRandom().randrange(10**6)
SAFETY_S = 300  # No test depends on speed; this ends one that hangs.
EPOCHS, BATCH = 8, 8
FILES = ("model.safetensors", "model.onnx")
GOING_ON = re.compile(r"going on at step (\d+) of (\d+)")


class Keeper:
    """A `zoo worker` or a `zoo serve`, started again whenever it is killed."""

    def __init__(self, command, folder, **env):
        self.command, self.env, self.folder = command, env, folder
        self.kind, self.process = "", None

    def start(self, kind):
        """Have one of this kind run."""
        if self.process is not None and self.kind == kind:
            return
        self.close()
        self.kind = kind
        arguments = ["serve", "--port", "0"] if kind == "serve" else ["worker"]
        with (self.folder / "keeper.log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.command.zoo, *arguments],
                env=self.command.environment(**self.env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def close(self):
        """Stop it; what it runs waits."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(SAFETY_S)
        self.process = None

    def kill(self):
        """SIGKILL it and what it started, but for jobs, and start the next one at once."""
        family = {self.process.pid}
        for number in self.command.processes():
            with contextlib.suppress(OSError, IndexError):
                line = Path(f"/proc/{number}/cmdline").read_bytes()
                if b"gunicorn" in line or b"zoo.web" in line:
                    family.add(number)
        for number in family:
            kill(number)
        self.process.wait()
        self.process = None
        self.start(self.kind)


def kill(number):
    with contextlib.suppress(ProcessLookupError):
        os.kill(number, signal.SIGKILL)


def kill_trainer(home):
    """SIGKILL the process of whatever job runs; none where none does just now."""
    for note in (home / "logs").glob("*.pid"):
        with contextlib.suppress(OSError, ValueError):
            kill(int(note.read_text().split()[0]))


class Rounds:
    """Trainings of one home, one after the other, each like the first but for what is killed."""

    def __init__(self, zoo, keeper):
        self.zoo, self.keeper, self.count = zoo, keeper, 0
        self.reference, self.words, self.pause_s = {}, 0, 0.0
        self.told = Counter()

    def begin(self):
        self.count += 1
        return enqueue_finetune(
            self.zoo,
            "lenet",
            "digits",
            name=f"mine-{self.count}",
            strategy=Strategy.FULL,
            overrides=Overrides(epochs=EPOCHS, batch=BATCH),
        )

    def run_undisturbed(self):
        """Learn what comes of a job, and how long it takes."""
        self.keeper.start("worker")
        job = self.finish(self.begin())
        self.words = len(job.events)
        self.pause_s = (job.finished_at - job.started_at).total_seconds() / self.words
        self.reference = self.digests(job)
        assert job.attempt == 1
        assert set(self.reference) == {"probe", "full"}

    def finish(self, job):
        give_up = time.monotonic() + SAFETY_S
        while not (found := jobs.get_job(self.zoo, job.id)).state.is_final:
            assert time.monotonic() < give_up, (found, self.log())
            time.sleep(0.02)
        assert found.state is JobState.SUCCEEDED, (found.error, self.log())
        return found

    def disturb(self, draw, *, kind, victim):
        """Have a job run, kill something on the way, and hold the end against the first job's."""
        self.keeper.start(kind)
        job = self.begin()
        # A moment of the job's own time, so that it is as early or late on any machine.
        # It may say less than the first one did: how often it counts is a matter of time.
        moment = draw.randrange(self.words + 1)
        while len((found := jobs.get_job(self.zoo, job.id)).events) < moment:
            if found.state.is_final:
                break
            time.sleep(0.01)
        time.sleep(draw.uniform(0, self.pause_s))
        victim()
        job = self.finish(job)
        assert self.digests(job) == self.reference
        self.told["jobs"] += 1
        self.told["attempts"] += job.attempt
        self.check_resumed(job)
        with self.zoo.catalog.reading() as db:
            assert count_attempts(db, job.id) <= job.attempt - 1

    def check_resumed(self, job):
        """Hold every attempt against the one before: no epoch that was kept is trained again."""
        done = 0
        for attempt in range(1, job.attempt + 1):
            told = [one for one in job.events if one.attempt == attempt]
            match = next((found for one in told if (found := GOING_ON.match(one.message))), None)
            epochs = [int(one.message.split()[1].rstrip(":")) for one in told if one.step == EPOCH]
            if match:
                step, steps = map(int, match.groups())
                self.told["resumed"] += 1
                # An epoch is told, then kept: of the last one told it may be only the former.
                assert step >= (done - 1) * steps // EPOCHS
            else:
                assert done <= 1 or not epochs, f"attempt {attempt} began anew after epoch {done}"
            done = max([done, *epochs])

    def digests(self, job):
        """Give what a job published: the digests of the weights and the graph, by ref."""
        name = job.params["name"]
        revisions = fetch.list_revisions(self.zoo, name)
        found = {
            ref: tuple(
                fetch.get_revision(self.zoo, f"{name}:{ref}").find_file(path).digest
                for path in FILES
            )
            for ref in ("probe", "full")
        }
        assert len(revisions) == len(found), "a job publishes each of its revisions once"
        return found

    def log(self):
        return (self.keeper.folder / "keeper.log").read_text()[-5000:]


def disturb_all(rounds, draw, victims, *, at_least):
    """Kill each victim in turn, at moments that are drawn."""
    print(f"seed {SEED}")  # noqa: T201  # The long run is read by people.
    for number in range(max(KILLS, at_least)):
        name = list(victims)[number % len(victims)]
        kind, victim = victims[name]
        rounds.disturb(draw, kind=kind, victim=victim)
        rounds.told[f"killed: {name}"] += 1
        print(dict(rounds.told), flush=True)  # noqa: T201


def test_killed_trainers_workers_and_servers_cost_no_job(zoo_command, imported, tmp_path):
    draw = random.Random(SEED)
    env = {"ZOO_LEASE_S": "10"}
    keeper = Keeper(zoo_command, tmp_path, **env)
    with open_zoo(read_settings(home=imported)) as zoo, contextlib.closing(keeper):
        rounds = Rounds(zoo, keeper)
        rounds.run_undisturbed()

        def kill_both():
            keeper.kill()
            kill_trainer(imported)

        victims = {
            "worker and trainer": ("worker", kill_both),
            "server": ("serve", keeper.kill),
            "trainer": ("worker", lambda: kill_trainer(imported)),
            "worker": ("worker", keeper.kill),
            "server and trainer": ("serve", kill_both),
        }
        disturb_all(rounds, draw, victims, at_least=2)


def test_killed_nodes_and_heads_of_a_cluster_cost_no_job(
    zoo_command, imported, tmp_path, own_ray_cluster
):
    draw = random.Random(SEED)
    cluster = own_ray_cluster
    other = [cluster.start_node()]
    env = {"ZOO_LEASE_S": "10", "ZOO_ENGINE": "ray", "ZOO_RAY_ADDRESS": cluster.address}
    keeper = Keeper(zoo_command, tmp_path, **env)

    def kill_node():
        cluster.kill(other[0])
        other[0] = cluster.start_node()

    def kill_head():
        # Without its head a cluster is none, and whoever runs it starts all of it again.
        cluster.kill("head")
        cluster.kill()
        cluster.start_head(cpus=0)
        other[0] = cluster.start_node()

    with open_zoo(read_settings(home=imported)) as zoo, contextlib.closing(keeper):
        rounds = Rounds(zoo, keeper)
        rounds.run_undisturbed()
        victims = {
            "Ray node": ("worker", kill_node),
            "Ray head": ("worker", kill_head),
            "Ray worker": ("worker", lambda: cluster.kill(kind="ray::Holder")),
            "driver": ("worker", lambda: kill_trainer(imported)),
            "worker": ("worker", keeper.kill),
        }
        disturb_all(rounds, draw, victims, at_least=2)
