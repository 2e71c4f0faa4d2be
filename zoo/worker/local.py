"""The engine of this machine: a process a job, in a group of its own."""

import contextlib
import fcntl
import hashlib
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass

from zoo.domain.job import Attempt
from zoo.operations.opening import Zoo

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


@dataclass(frozen=True, slots=True, kw_only=True)
class JobProcess:
    """A running attempt."""

    attempt: Attempt
    process: subprocess.Popen[bytes]

    @property
    def is_running(self) -> bool:
        """Tell whether it has not ended yet."""
        return self.process.poll() is None

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
        self.process.wait()


def start(zoo: Zoo, attempt: Attempt) -> JobProcess:
    """Start the process of an attempt; what it prints goes to the job's log."""
    path = zoo.log_path(attempt)
    path.parent.mkdir(parents=True, exist_ok=True)
    # -P keeps Python from importing what lies in the folder the user stands in.
    command = [sys.executable, "-P", "-m", "zoo.worker.run", str(attempt.job), str(attempt.number)]
    fresh = path.with_suffix(".new")
    with fresh.open("ab") as log:
        # The process inherits the lock and holds it till its end; a log is never seen unlocked.
        fcntl.flock(log, fcntl.LOCK_EX)
        fresh.rename(path)
        process = subprocess.Popen(  # noqa: S603  # our own interpreter and module
            command,
            env=ENVIRONMENT | os.environ | zoo.settings.as_environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    return JobProcess(attempt=attempt, process=process)


def worker_name(zoo: Zoo) -> str:
    """Name this process for people who read the catalog, and for ``is_dead``."""
    return f"{_place(zoo)}:{os.getpid()}"


def is_dead(zoo: Zoo, attempt: Attempt, worker: str) -> bool:
    """Tell whether an attempt was started from this home on this machine and is gone."""
    if not worker.startswith(f"{_place(zoo)}:"):
        return False
    try:
        with zoo.log_path(attempt).open("rb") as log:
            fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (FileNotFoundError, BlockingIOError):
        return False
    return True


def _place(zoo: Zoo) -> str:
    """Name this machine and this home; other machines may work on the same catalog."""
    home = hashlib.sha256(str(zoo.settings.home).encode()).hexdigest()[:12]
    return f"{socket.gethostname()}:{home}"
