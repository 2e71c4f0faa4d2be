"""The process of an attempt on this machine: its log, its lock, its end and that of its children.

Both engines have one for each attempt. It inherits a lock on its log and holds it till its end, so
whoever finds the log unlocked knows that it is gone. A note beside the log tells its number.
"""

import contextlib
import fcntl
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from zoo.domain.job import Attempt
from zoo.operations.opening import Zoo
from zoo.worker.watched import Watched

GRACE_S = 20.0  # between asking a process to stop and ending it
STARTED_AT = 19  # the place of the start time among the fields of /proc/PID/stat after the name


class Process(Protocol):
    """A process: ``subprocess.Popen``, ``zoo.worker.forked.Forked``, ``Watched``."""

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
    """A running attempt; see ``Execution``."""

    attempt: Attempt
    process: Process

    @property
    def is_running(self) -> bool:
        """Tell whether it has not ended yet; what it started ends with it."""
        if self.process.poll() is None:
            return True
        self._end_group()
        return False

    def await_end(self, timeout_s: float) -> None:
        """Wait for its end, but no longer than so many seconds."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout_s)

    def ask_to_stop(self) -> None:
        """Ask it to put its job back."""
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()

    def stop(self) -> None:
        """Ask it to put the job back and wait for that; end it if it does not."""
        self.ask_to_stop()
        try:
            self.process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            self.kill()
        else:
            self._end_group()

    def kill(self) -> None:
        """End it and everything it started."""
        self._end_group()
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()  # A copy of this process that has no group of its own yet.
        self.process.wait()

    def _end_group(self) -> None:
        # On macOS a group of which all have ended may not be signalled.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)


@contextmanager
def opened_log(zoo: Zoo, attempt: Attempt) -> Iterator[BinaryIO]:
    """Open the log of an attempt for its process to inherit, with the lock it holds till its end.

    A log is never seen unlocked before.
    """
    path = zoo.log_path(attempt)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    with fresh.open("ab") as log:
        fcntl.flock(log, fcntl.LOCK_EX)
        fresh.rename(path)
        yield log


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
    _note_of(zoo, attempt).unlink(missing_ok=True)
    return True


@contextmanager
def noted(zoo: Zoo, attempt: Attempt) -> Iterator[None]:
    """Leave the number of this process where ``find_orphan`` looks, until the attempt has ended."""
    note = _note_of(zoo, attempt)
    note.write_text(f"{os.getpid()} {_started_at(os.getpid())}")
    try:
        yield
    finally:
        note.unlink(missing_ok=True)


def find_orphan(zoo: Zoo, attempt: Attempt, worker: str) -> JobProcess | None:
    """Give the process of an attempt that outlived its worker, both of this home and machine.

    It holds the job's lease by itself, so nobody else is given the job; whoever finds it looks
    after it from then on. None also where the system cannot tell, which has it left alone.
    """
    if not worker.startswith(f"{zoo.machine}:") or _is_alive(int(worker.rpartition(":")[2])):
        return None
    try:
        pid, started_at = _note_of(zoo, attempt).read_text().split()
        descriptor = os.pidfd_open(int(pid))
    except (OSError, ValueError, AttributeError):  # It has just ended, or this is no Linux.
        return None
    # Held by its descriptor the number cannot become another's between these two looks.
    if _started_at(int(pid)) != started_at:
        os.close(descriptor)
        return None
    return JobProcess(attempt=attempt, process=Watched(int(pid), descriptor))


def _note_of(zoo: Zoo, attempt: Attempt) -> Path:
    return zoo.log_path(attempt).with_suffix(".pid")


def _started_at(pid: int) -> str:
    """Tell when a process began, in ticks of the system; 0 where that cannot be told."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[STARTED_AT]
    except OSError:
        return "0"


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
