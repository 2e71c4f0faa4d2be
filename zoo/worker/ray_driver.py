"""The driver of one attempt in a Ray cluster: ``python -m zoo.worker.ray_driver JOB ATTEMPT``.

It asks the cluster for a process with the resources of the job, holds the lease until that holds it
by itself, and waits for its end. What the driver had started ends when the driver does.
"""

import contextlib
import signal
import sys
import threading
import time
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError

from zoo.domain.job import Attempt, Job
from zoo.errors import EngineUnavailable, JobFailed, LeaseLost
from zoo.operations import failing, jobs
from zoo.operations.opening import Zoo, open_zoo
from zoo.settings import read_settings
from zoo.worker.processes import noted
from zoo.worker.progress import Progress
from zoo.worker.ray_asking import (
    LOOK_S,
    LOST,
    STOP_S,
    Asked,
    ask_for,
    environment_of,
)
from zoo.worker.ray_holder import Holder


def main() -> None:
    """Drive the attempt named by the command line."""
    attempt = Attempt(job=int(sys.argv[1]), number=int(sys.argv[2]))
    with open_zoo(read_settings()) as zoo, noted(zoo, attempt):
        sys.exit(drive(zoo, attempt))


def drive(zoo: Zoo, attempt: Attempt) -> int:
    """Have the cluster run an attempt; give the code this process ends with."""
    voice, stop = Progress(zoo, attempt), threading.Event()
    threading.Thread(target=voice.beat, daemon=True).start()
    try:
        connect(zoo)
    except EngineUnavailable as error:
        print(error, file=sys.stderr)  # noqa: T201  # this is the job's log
        with contextlib.suppress(LeaseLost):
            jobs.put_back(zoo, attempt)
        return 0
    # Ray has put its own in place of these.
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    job = jobs.get_job(zoo, attempt.job)
    count = job.params.get("training", {}).get("devices") or 1
    if count > 1:
        # Ray Train brings torch along, which no other driver needs.
        from zoo.worker.ray_together import train_together  # noqa: PLC0415

        return train_together(zoo, voice, stop, ask_for(zoo, job, processes=count), count)
    return _Held(zoo, voice, stop, ask_for(zoo, job)).run(job)


def connect(zoo: Zoo) -> None:
    """Join the cluster that the settings name.

    Raises:
        EngineUnavailable: it does not answer, or this machine is no part of it.
    """
    address = zoo.settings.ray_address
    try:
        ray.init(address=address, log_to_driver=True, configure_logging=False)
    except (ConnectionError, RuntimeError, RayError) as error:
        raise EngineUnavailable(
            f"The Ray cluster at {address} cannot be joined: {error}",
            hint=f"This machine has to be a part of it: ray start --address={address}",
        ) from error


class _Held:
    """An attempt that a process of the cluster holds."""

    def __init__(self, zoo: Zoo, voice: Progress, stop: threading.Event, asked: Asked) -> None:
        self.zoo, self.voice, self.stop = zoo, voice, stop
        # What Ray makes of a class has no type that says so.
        self.holder: Any = (
            ray.remote(Holder)
            .options(
                max_concurrency=3,
                max_restarts=0,
                num_cpus=asked.cpus,
                num_gpus=asked.gpus,
                memory=asked.memory_bytes,
            )
            .remote(environment_of(zoo), voice.attempt, asked.cpus)
        )

    def run(self, job: Job) -> int:
        """Wait for its start and its end."""
        try:
            self._wait_for_start()
            return self._wait_for_end()
        except LeaseLost:
            return 0  # It was cancelled, or put back, while it waited for room.
        except RayActorError as error:
            print(error, file=sys.stderr)  # noqa: T201  # this is the job's log
            return self._told(job, error)
        finally:
            ray.kill(self.holder)

    def _wait_for_start(self) -> None:
        ready = self.holder.ready.remote()
        while not ray.wait([ready], timeout=LOOK_S)[0]:
            if self.voice.lost.is_set():
                raise LeaseLost
            if self.stop.is_set():
                jobs.put_back(self.zoo, self.voice.attempt)
                raise LeaseLost
        ray.get(ready)
        self.voice.stop.set()  # It beats for itself from now on.

    def _wait_for_end(self) -> int:
        end, give_up = self.holder.run.remote(), None
        while not ray.wait([end], timeout=LOOK_S)[0]:
            if self.stop.is_set() and give_up is None:
                self.holder.stop.remote()
                give_up = time.monotonic() + STOP_S
            if give_up is not None and time.monotonic() > give_up:
                return LOST
        ray.get(end)
        return 0

    def _told(self, job: Job, error: RayActorError) -> int:
        """Write down why it could not be made; what died, however early, is counted as lost."""
        if not error.actor_init_failed:
            return LOST
        failed = JobFailed(
            f"The cluster cannot run job {job.id}: {error}".splitlines()[0],
            hint="Nodes need the same zoo, and its database: see docs/several-machines.md",
            log=str(self.zoo.log_path(self.voice.attempt)),
        )
        with contextlib.suppress(LeaseLost):
            failing.fail(self.zoo, self.voice.attempt, failed)
        return 0


if __name__ == "__main__":
    main()
