"""The engine of this machine: a process a job, in a group of its own."""

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from zoo.domain.access import LOCAL
from zoo.domain.job import Attempt
from zoo.operations.opening import Zoo
from zoo.worker import processes
from zoo.worker.forked import can_fork, fork
from zoo.worker.forkserver import ForkServer
from zoo.worker.processes import JobProcess, Process
from zoo.worker.run import AWAITED, hold
from zoo.worker.share import environment_of

IDLE_S = 10.0  # without work, after which the fork server is made ready for the next job
# What the libraries of a job's process are told, unless the user tells them something.
#
# glibc keeps the memory of large arrays for the next ones. Otherwise each map of a batch comes from
# the system, page by page, and goes back to it, which was a fifth to a third of the CPU time of
# SqueezeNet on batches of 16.
#
# Threads of torch and NumPy that wait for work sleep. Otherwise they spin, and where others want
# the cores too, that was two fifths of the CPU time of the same batches on two of them.
ENVIRONMENT = {
    "MALLOC_MMAP_THRESHOLD_": str(2**34),
    "MALLOC_TRIM_THRESHOLD_": str(2**34),
    "OMP_WAIT_POLICY": "PASSIVE",
    "OPENBLAS_THREAD_TIMEOUT": "4",  # 2 to its power of clock ticks; 26 by default
}
# The first two as mallopt(3) takes them: never trim, and map nothing beside the heap.
MALLOPT = {"MALLOC_TRIM_THRESHOLD_": (-1, -1), "MALLOC_MMAP_THRESHOLD_": (-4, 0)}


@dataclass(slots=True, kw_only=True)
class LocalEngine:
    """Runs attempts as processes of this machine.

    Where this process is there for one job alone (``is_alone``), the job's is a copy of it, if it
    can be copied; it then imports nothing twice. Otherwise it is a copy of the fork server, or,
    before that is ready, a new interpreter.

    The fork server is started when the worker has had nothing to do for a while, or has had more
    than one job: a worker that is stopped soon never pays for it.
    """

    zoo: Zoo
    is_alone: bool = False
    _forkserver: ForkServer | None = None
    _started: int = 0
    _idle_since: float = field(default_factory=time.monotonic)

    @property
    def worker(self) -> str:
        """Name this worker; see ``Engine.worker``."""
        return processes.worker_name(self.zoo)

    @property
    def has_room(self) -> bool:
        """Tell that a job may be taken; this machine always answers."""
        return True

    def submit(self, attempt: Attempt) -> JobProcess:
        """Start the process of an attempt.

        Raises:
            OSError: the system cannot start another one.
        """
        self._started += 1
        with processes.opened_log(self.zoo, attempt) as log:
            return JobProcess(attempt=attempt, process=self._start(attempt, log))

    def is_dead(self, attempt: Attempt, worker: str) -> bool:
        """Tell whether an attempt is gone; see ``Engine.is_dead``."""
        return processes.is_dead(self.zoo, attempt, worker)

    def find_orphan(self, attempt: Attempt, worker: str) -> JobProcess | None:
        """Give an attempt whose worker is gone; see ``Engine.find_orphan``."""
        return processes.find_orphan(self.zoo, attempt, worker)

    def tend(self, *, is_idle: bool) -> None:
        """Start the fork server when it is worth its cost."""
        if not is_idle:
            self._idle_since = time.monotonic()
        if self._forkserver is not None and not self._forkserver.is_alive:
            self.close()
        is_worth_it = self._started > 1 or time.monotonic() - self._idle_since > IDLE_S
        if self._forkserver is None and is_worth_it and sys.platform == "linux":
            self._forkserver = ForkServer(environment(self.zoo))
            # One that ends by itself is given as long again, not started over and over.
            self._started, self._idle_since = 0, time.monotonic()

    def close(self) -> None:
        """End the fork server; attempts go on."""
        if self._forkserver is not None:
            self._forkserver.close()
            self._forkserver = None

    def _start(self, attempt: Attempt, log: BinaryIO) -> Process:
        if self.is_alone and can_fork():
            return _copy(self.zoo, attempt, log)
        if self._forkserver is not None and self._forkserver.is_ready:
            try:
                return self._forkserver.fork(attempt, log.fileno())
            except OSError:
                self.close()
                raise
        module = ["zoo.worker.run", str(attempt.job), str(attempt.number)]
        module += [AWAITED] if self.is_alone else []
        return interpret(self.zoo, module, log, told=environment_of(self.zoo, attempt))


def environment(zoo: Zoo) -> dict[str, str]:
    """Give the variables of a process that runs jobs of this zoo."""
    return ENVIRONMENT | os.environ | zoo.settings.as_environment()


def interpret(
    zoo: Zoo, module: list[str], log: BinaryIO, *, told: Mapping[str, str] | None = None
) -> Process:
    """Run a module and its arguments in a new interpreter, in a group of its own.

    It is ``told`` these variables on top of what every such process is.
    """
    # -P keeps Python from importing what lies in the folder the user stands in.
    return subprocess.Popen(  # noqa: S603  # our own interpreter and module
        [sys.executable, "-P", "-m", *module],
        env={**environment(zoo), **(told or {})},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )


def _copy(zoo: Zoo, attempt: Attempt, log: BinaryIO) -> Process:
    # No connection may be in both; each process opens its own when it needs one.
    zoo.catalog.close()

    def body() -> None:
        _tell_libraries()
        os.environ.update(zoo.settings.as_environment())
        hold(replace(zoo, caller=LOCAL), attempt, is_awaited=True)
        zoo.catalog.close()

    return fork(body, log)


def _tell_libraries() -> None:
    """Tell them what ``ENVIRONMENT`` says, but for what the user tells them.

    torch and NumPy read it when they are imported, which this process has not done yet. glibc has
    read its variables already and is called instead.
    """
    libc = ctypes.CDLL(None)
    is_glibc = hasattr(libc, "gnu_get_libc_version")
    for name in ENVIRONMENT.keys() - os.environ.keys():
        os.environ[name] = ENVIRONMENT[name]
        if is_glibc and name in MALLOPT:
            libc.mallopt(*MALLOPT[name])
