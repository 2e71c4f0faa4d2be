"""The loop that claims jobs, has them run and looks after those whose process died."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from zoo.domain.job import Job, JobEvent, JobState
from zoo.domain.resources import Room
from zoo.errors import Interrupted, LeaseLost, ZooError
from zoo.operations import jobs
from zoo.operations.logs import keep_logs
from zoo.operations.opening import Zoo
from zoo.operations.room import find_room
from zoo.worker import local

LOG = logging.getLogger(__name__)
PAUSE_S = 0.2
REST_S = 5.0  # after a fault of the catalog
LOGS_S = 5.0  # between two looks at logs


@dataclass(slots=True)
class Supervisor:
    """Runs the jobs of a zoo until it is stopped."""

    zoo: Zoo
    running: list[local.JobProcess] = field(default_factory=list)

    room: Room = field(init=False)  # of this machine
    logs_due: float = 0.0

    def __post_init__(self) -> None:
        self.room = find_room(self.zoo.settings)

    def loop(self, stop: threading.Event) -> None:
        """Claim and run jobs until ``stop`` is set; then leave what runs resumable."""
        try:
            while not stop.wait(PAUSE_S):
                try:
                    self.step()
                except ZooError as error:
                    LOG.warning("the worker waits: %s", error)
                    stop.wait(REST_S)
        finally:
            for process in self.running:
                stop_and_put_back(self.zoo, process)

    def step(self) -> None:
        """Look after what runs, and start one job if there is room and work."""
        self._reap()
        self._keep_logs()
        if len(self.running) < self.zoo.settings.worker_slots:
            worker = local.worker_name(self.zoo)
            attempt = jobs.claim(self.zoo, worker=worker, room=self.room)
            if attempt is not None:
                self.running.append(local.start(self.zoo, attempt))

    def _keep_logs(self) -> None:
        """Give the store the logs of what ended here, now and then."""
        if time.monotonic() >= self.logs_due:
            self.logs_due = time.monotonic() + LOGS_S
            keep_logs(self.zoo)

    def _reap(self) -> None:
        self.running = [process for process in self.running if process.is_running]
        free_the_dead(self.zoo)


def free_the_dead(zoo: Zoo) -> None:
    """Give back the jobs whose process died on this machine, whoever started it."""
    for attempt, worker in jobs.list_running(zoo):
        if local.is_dead(zoo, attempt, worker):
            jobs.lose(zoo, attempt)


def stop_and_put_back(zoo: Zoo, process: local.JobProcess) -> None:
    """Stop a process and see that its job waits for another attempt, however it ended."""
    process.stop()
    with contextlib.suppress(LeaseLost):  # It mostly has put the job back, or ended it, itself.
        jobs.put_back(zoo, process.attempt)


def run_job(zoo: Zoo, number: int, listen: Callable[[JobEvent], None]) -> Job:
    """Run a job to its end from this process, or follow it where another worker was quicker.

    The jobs that it comes after are brought to their ends before. One that is put aside is left so.

    Raises:
        Interrupted: this process was told to stop; the job is kept.
    """
    for earlier in jobs.get_job(zoo, number).after:
        if run_job(zoo, earlier, listen).state is not JobState.SUCCEEDED:
            return jobs.get_job(zoo, number)
    _forgive(zoo, number)
    follower = _Follower(zoo, number, listen)
    process: local.JobProcess | None = None
    try:
        while not (job := follower.look()).state.is_at_rest:
            if process is None or not process.is_running:
                free_the_dead(zoo)
                attempt = jobs.claim(zoo, worker=local.worker_name(zoo), number=number)
                process = local.start(zoo, attempt, is_alone=True) if attempt else None
            if process is None:
                time.sleep(PAUSE_S)
            else:
                process.await_end(PAUSE_S)
    except KeyboardInterrupt as error:
        raise Interrupted(
            f"Interrupted; job {number} is kept with what it has done.",
            hint="Run the same command again to go on.",
            job=number,
        ) from error
    finally:
        if process is not None:
            stop_and_put_back(zoo, process)
    return job


def _forgive(zoo: Zoo, number: int) -> None:
    """Put a job back whose process died before this command was given, without counting that.

    Whoever gives a command again after killing it, however often, wants it to go on.
    """
    for attempt, worker in jobs.list_running(zoo):
        if attempt.job == number and local.is_dead(zoo, attempt, worker):
            with contextlib.suppress(LeaseLost):
                jobs.put_back(zoo, attempt)


@dataclass(slots=True)
class _Follower:
    """Reads what a job says, each event once."""

    zoo: Zoo
    number: int
    listen: Callable[[JobEvent], None]
    seen: int = 0

    def look(self) -> Job:
        job = jobs.get_job(self.zoo, self.number, after=self.seen)
        for event in job.events:
            self.listen(event)
            self.seen = event.number
        return job
