"""A process that is copied from the one that asks for it, with all that this has imported.

A new interpreter imports the same once more, which is most of what a quick job takes.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

import zoo

THREADS, DESCRIPTORS = Path("/proc/self/task"), Path("/proc/self/fd")
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.0005, 0.02  # between two looks at a process that is waited for
TOLD = (signal.SIGINT, signal.SIGTERM)


@dataclass(slots=True)
class Forked:
    """A copy of this process; the part of ``subprocess.Popen`` that its keepers use."""

    pid: int
    returncode: int | None = None

    def poll(self) -> int | None:
        """Give the code it ended with; None while it runs."""
        if self.returncode is None:
            try:
                number, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                self.returncode = 0  # Someone else was told, as with ``Popen``.
            else:
                if number:
                    self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, for so many seconds at most.

        Raises:
            TimeoutExpired: it still runs then.
        """
        until = None if timeout is None else time.monotonic() + timeout
        pause = FIRST_PAUSE_S
        while (code := self.poll()) is None:
            if until is not None and time.monotonic() >= until:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)
        return code

    def terminate(self) -> None:
        """Ask it to end."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        if self.poll() is None:  # Once it is reaped its number may be another's.
            os.kill(self.pid, number)


def can_fork() -> bool:
    """Tell whether this process can be copied: on Linux, while it has one thread.

    A copy has only the thread that made it, and whatever another one held stays locked in it. The
    system is asked, for libraries have threads that Python does not know of.
    """
    return sys.platform == "linux" and len(list(THREADS.iterdir())) == 1


def fork(body: Callable[[], None], log: BinaryIO) -> Forked:
    """Run ``body`` in a copy of this process, in a session of its own; what it prints is logged.

    The copy holds no file of this process but the log, and hears of no signal to its group.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    held = signal.pthread_sigmask(signal.SIG_BLOCK, TOLD)
    try:
        pid = os.fork()
        if not pid:
            _run(body, log, held)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
    return Forked(pid)


def _run(body: Callable[[], None], log: BinaryIO, held: set[int | signal.Signals]) -> NoReturn:
    """Be another process; nothing of what the first one would still have done is done."""
    code = 1
    try:
        os.setsid()
        _redirect(log)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # The one who started us passes it on.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
        _forget_folder()
        body()
        code = 0
    except BaseException:  # noqa: BLE001  # It is the end of a process: there is no one above.
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _redirect(log: BinaryIO) -> None:
    """Have nothing but the log open: whoever reads this process's output must not wait for us.

    Other descriptors lead nowhere from now on instead of being closed: an object that still knows
    one would close it later, and by then it might be a file of the job's.
    """
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    for number in (1, 2):
        os.dup2(log.fileno(), number)
    for number in [int(found.name) for found in DESCRIPTORS.iterdir()]:
        if number not in {0, 1, 2, nowhere}:
            with contextlib.suppress(OSError):  # The one that the list was read by is closed.
                os.fstat(number)
                os.dup2(nowhere, number, inheritable=False)
    os.close(nowhere)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115  # till the end of the process
    sys.stdout = open(1, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115


def _forget_folder() -> None:
    """Import nothing from the folder the user stands in, unless the zoo itself lies there."""
    here = Path.cwd()
    if here != Path(zoo.__file__).resolve().parents[1]:
        sys.path[:] = [path for path in sys.path if path and Path(path).resolve() != here]
