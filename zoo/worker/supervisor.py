"""The loop that claims jobs, has them run and looks after those whose process died."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from zoo.domain.job import Attempt, Job, JobEvent, JobState
from zoo.errors import EngineUnavailable, Interrupted, LeaseLost, ZooError
from zoo.operations import failing, jobs
from zoo.operations.logs import keep_logs
from zoo.operations.opening import Zoo
from zoo.operations.room import find_room
from zoo.worker.engine import Engine, Execution
from zoo.worker.engines import open_engine
from zoo.worker.processes import GRACE_S

LOG = logging.getLogger(__name__)
PAUSE_S = 0.2
REST_S = 5.0  # after a fault of the catalog
LOGS_S = 5.0  # between two looks at logs


class Supervisor:
    """Runs the jobs of a zoo until it is stopped."""

    def __init__(self, zoo: Zoo, engine: Engine | None = None) -> None:
        self.zoo = zoo
        self.engine = engine or open_engine(zoo)
        self.running: list[Execution] = []
        self._asked: dict[Attempt, float] = {}  # when an attempt that lost its job was told so
        self._logs_due = 0.0
        # A cluster knows itself what it has; of this machine jobs are given parts.
        is_cluster = zoo.settings.engine == "ray"
        self.room = None if is_cluster else find_room(zoo.settings)

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
            self.close()

    def close(self) -> None:
        """Stop what runs, all of it within one grace, and have it wait for another worker."""
        for execution in self.running:
            execution.ask_to_stop()
        end = time.monotonic() + GRACE_S
        for execution in self.running:
            execution.await_end(max(0.0, end - time.monotonic()))
            if execution.is_running:
                execution.kill()
            put_back(self.zoo, execution)
        self.engine.close()

    def step(self) -> None:
        """Look after what runs, and start one job if there is room and work."""
        self._reap()
        self._keep_logs()
        if len(self.running) < self.slots and self.engine.has_room:
            attempt = self.claim()
            if attempt is not None:
                self.running.append(start(self.zoo, self.engine, attempt))
        if self.slots:
            self.engine.tend(is_idle=not self.running)

    @property
    def slots(self) -> int:
        """How many jobs run side by side."""
        return self.zoo.settings.worker_slots

    def claim(self) -> Attempt | None:
        """Take the next job; None where there is none."""
        return jobs.claim(self.zoo, worker=self.engine.worker, room=self.room)

    def _keep_logs(self) -> None:
        """Give the store the logs of what ended here, now and then."""
        if time.monotonic() >= self._logs_due:
            self._logs_due = time.monotonic() + LOGS_S
            keep_logs(self.zoo)

    def _reap(self) -> None:
        self.running = [execution for execution in self.running if execution.is_running]
        free_the_dead(self.zoo, self.engine)
        known = jobs.list_running(self.zoo)
        held = {execution.attempt for execution in self.running}
        for attempt, worker in known:
            if attempt not in held and (orphan := self.engine.find_orphan(attempt, worker)):
                LOG.warning("job %d outlived its worker and is looked after here", attempt.job)
                self.running.append(orphan)
        self._end_those_without(known)

    def _end_those_without(self, known: list[tuple[Attempt, str]]) -> None:
        """End what runs on though its job was cancelled, or is another attempt's by now."""
        counted = {attempt for attempt, _ in known}
        lost = [execution for execution in self.running if execution.attempt not in counted]
        now = time.monotonic()
        self._asked = {one.attempt: self._asked.get(one.attempt, now) for one in lost}
        for execution in lost:
            if self._asked[execution.attempt] == now:
                execution.ask_to_stop()
            elif now - self._asked[execution.attempt] > GRACE_S:
                execution.kill()


def start(zoo: Zoo, engine: Engine, attempt: Attempt) -> Execution:
    """Start an attempt; where that fails its job waits for another.

    Raises:
        EngineUnavailable: it cannot be started.
    """
    try:
        return engine.submit(attempt)
    except OSError as error:
        with contextlib.suppress(LeaseLost):
            jobs.put_back(zoo, attempt)
        raise EngineUnavailable(
            f"The process of job {attempt.job} could not be started: {error}",
            hint="Look for room on the disk, memory, and limits on processes.",
            job=attempt.job,
        ) from error


def free_the_dead(zoo: Zoo, engine: Engine) -> None:
    """Give back the jobs whose process died on this machine, whoever started it."""
    for attempt, worker in jobs.list_running(zoo):
        if engine.is_dead(attempt, worker):
            failing.lose(zoo, attempt)


def stop_and_put_back(zoo: Zoo, execution: Execution) -> None:
    """Stop an attempt and see that its job waits for another, however it ended."""
    execution.stop()
    put_back(zoo, execution)


def put_back(zoo: Zoo, execution: Execution) -> None:
    """See that the job of an attempt that has ended waits for another."""
    with contextlib.suppress(LeaseLost):  # It mostly has put the job back, or ended it, itself.
        jobs.put_back(zoo, execution.attempt)


def run_job(zoo: Zoo, number: int, listen: Callable[[JobEvent], None]) -> Job:
    """Run a job to its end from this process, or follow it where another worker was quicker.

    The jobs that it comes after are brought to their ends before. One that is put aside is left so;
    of one that has ended what it said is told, and nothing is run.

    Raises:
        Interrupted: this process was told to stop; the job is kept.
        EngineUnavailable: its process could not be started; the job is kept.
    """
    for earlier in jobs.list_unfinished_before(zoo, number):
        if _run_alone(zoo, earlier, listen).state is not JobState.SUCCEEDED:
            return jobs.get_job(zoo, number)
    return _run_alone(zoo, number, listen)


def _run_alone(zoo: Zoo, number: int, listen: Callable[[JobEvent], None]) -> Job:
    """Run a job to its end, or follow it, where nothing that it comes after is left to do."""
    engine = open_engine(zoo, is_alone=True)
    _forgive(zoo, engine, number)
    follower = _Follower(zoo, number, listen)
    execution: Execution | None = None
    try:
        while not (job := follower.look()).state.is_at_rest:
            if execution is None or not execution.is_running:
                free_the_dead(zoo, engine)
                execution = _start_one(zoo, engine, number)
            if execution is None:
                time.sleep(PAUSE_S)
            else:
                execution.await_end(PAUSE_S)
    except KeyboardInterrupt as error:
        raise Interrupted(
            f"Interrupted; job {number} is kept with what it has done.",
            hint="Run the same command again to go on.",
            job=number,
        ) from error
    finally:
        if execution is not None:
            stop_and_put_back(zoo, execution)
        engine.close()
    return job


def _start_one(zoo: Zoo, engine: Engine, number: int) -> Execution | None:
    """Take and start a job; None where it cannot be taken now."""
    attempt = jobs.claim(zoo, worker=engine.worker, number=number) if engine.has_room else None
    return None if attempt is None else start(zoo, engine, attempt)


def _forgive(zoo: Zoo, engine: Engine, number: int) -> None:
    """Put a job back whose process died before this command was given, without counting that.

    Whoever gives a command again after killing it, however often, wants it to go on.
    """
    for attempt, worker in jobs.list_running(zoo):
        if attempt.job == number and engine.is_dead(attempt, worker):
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
