"""The engine of this machine: a process a job, in a group of its own."""

import contextlib
import ctypes
import fcntl
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from typing import BinaryIO, Protocol

from zoo.domain.access import LOCAL
from zoo.domain.job import Attempt
from zoo.operations.opening import Zoo
from zoo.worker.forked import can_fork, fork
from zoo.worker.run import hold
from zoo.worker.share import environment_of

GRACE_S = 20.0  # between asking a process to stop and ending it
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


class Process(Protocol):
    """A process that was started here: ``subprocess.Popen``, or ``zoo.worker.forked.Forked``."""

    @property
    def pid(self) -> int:
        """Its number, and its group's."""

    def poll(self) -> int | None:
        """Give the code it ended with; None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; raise ``TimeoutExpired`` where that takes longer."""

    def terminate(self) -> None:
        """Ask it to end."""

    def kill(self) -> None:
        """End it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobProcess:
    """A running attempt."""

    attempt: Attempt
    process: Process

    @property
    def is_running(self) -> bool:
        """Tell whether it has not ended yet."""
        return self.process.poll() is None

    def await_end(self, timeout_s: float) -> None:
        """Wait for its end, but no longer than so many seconds."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout_s)

    def stop(self) -> None:
        """Ask it to put the job back and wait for that; end it if it does not."""
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        try:
            self.process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it and everything it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()  # A copy of this process that has no group of its own yet.
        self.process.wait()


def start(zoo: Zoo, attempt: Attempt, *, is_alone: bool = False) -> JobProcess:
    """Start the process of an attempt; what it prints goes to the job's log.

    Where this process is there for that one job (``is_alone``), the other is a copy of it, if it
    can be copied; it then imports nothing twice. Otherwise it is a new interpreter.
    """
    path = zoo.log_path(attempt)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    with fresh.open("ab") as log:
        # The process inherits the lock and holds it till its end; a log is never seen unlocked.
        fcntl.flock(log, fcntl.LOCK_EX)
        fresh.rename(path)
        make = _copy if is_alone and can_fork() else _interpret
        return JobProcess(attempt=attempt, process=make(zoo, attempt, log))


def _interpret(zoo: Zoo, attempt: Attempt, log: BinaryIO) -> Process:
    # -P keeps Python from importing what lies in the folder the user stands in.
    command = [sys.executable, "-P", "-m", "zoo.worker.run", str(attempt.job), str(attempt.number)]
    return subprocess.Popen(  # noqa: S603  # our own interpreter and module
        command,
        env=ENVIRONMENT | os.environ | zoo.settings.as_environment() | environment_of(zoo, attempt),
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
        hold(replace(zoo, caller=LOCAL), attempt)
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


def worker_name(zoo: Zoo) -> str:
    """Name this process for people who read the catalog, and for ``is_dead``."""
    return f"{zoo.machine}:{os.getpid()}"


def is_dead(zoo: Zoo, attempt: Attempt, worker: str) -> bool:
    """Tell whether an attempt was started from this home on this machine and is gone."""
    if not worker.startswith(f"{zoo.machine}:"):
        return False
    try:
        with zoo.log_path(attempt).open("rb") as log:
            fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (FileNotFoundError, BlockingIOError):
        return False
    return True
