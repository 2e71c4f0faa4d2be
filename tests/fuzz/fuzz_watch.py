"""What a reader may not do, watched while it reads one file."""

import faulthandler
import os
import signal
import sys
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from zoo.errors import ZooError

# Beyond twice the file: a buffer of 4 MiB, which is what reading "at most so much" of a text takes
# however short it is, and as much again for what Python and numpy keep of names, fields and errors.
SPARE_BYTES = 8 * 2**20
CPU_S = 5.0
HANG_S = 60.0  # of wall time, before the whole run is ended with a traceback

# Events of Python's audit hook, by how they begin.
FORBIDDEN = (
    "compile",
    "ctypes.",
    "exec",
    "import",
    "marshal.",
    "open",
    "os.",
    "pickle.",
    "shutil.",
    "socket.",
    "subprocess.",
    "tempfile.",
    "webbrowser.",
)
HARMLESS = {"object.__getattr__", "os.listdir", "os.scandir"}


class TooSlow(BaseException):
    """A reader took more time than it may; no reader catches it by mistake."""


@dataclass
class Watch:
    """One audit hook for the whole process, which cannot be removed, only told to look away."""

    path: Path
    is_on: bool = False
    seen: list[str] = field(default_factory=list)

    def start(self):
        sys.addaudithook(self._hear)
        signal.signal(signal.SIGVTALRM, self._stop)

    def run(self, read: Callable[[Path], object], *, cpu_s: float = CPU_S):
        """Run a reader on the file; give the error's class name or "", and the breaches.

        Breaches: an error that is not the zoo's, time, memory, and what was touched besides.
        """
        breaches: list[str] = []
        self.seen.clear()
        faulthandler.dump_traceback_later(HANG_S, exit=True)
        signal.setitimer(signal.ITIMER_VIRTUAL, 4 * cpu_s)
        start_s = time.process_time()
        self.is_on = True
        name = _outcome(read, self.path, breaches)
        self.is_on = False
        cpu_taken_s = time.process_time() - start_s
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        faulthandler.cancel_dump_traceback_later()
        if cpu_taken_s > cpu_s:
            breaches.append(f"{cpu_taken_s:.1f} s of CPU, allowed are {cpu_s}")
        breaches += [f"touched: {event}" for event in self.seen[:3]]
        return name, breaches

    def run_traced(self, read: Callable[[Path], object], *, cpu_s: float = CPU_S):
        """Run a reader as ``run`` does, several times slower, and look at its memory too."""
        if not tracemalloc.is_tracing():
            tracemalloc.start(1)
        tracemalloc.reset_peak()
        before_bytes = tracemalloc.get_traced_memory()[0]
        name, breaches = self.run(read, cpu_s=cpu_s)
        peak_bytes = tracemalloc.get_traced_memory()[1] - before_bytes
        allowed_bytes = 2 * self.path.stat().st_size + SPARE_BYTES
        if peak_bytes > allowed_bytes:
            breaches.append(f"{peak_bytes >> 20} MiB of memory, more than {allowed_bytes >> 20}")
        return name, breaches

    def _hear(self, event, args):
        if not self.is_on or event in HARMLESS or not event.startswith(FORBIDDEN):
            return
        if event == "open" and _is_same(args[0], self.path):
            return
        self.seen.append(f"{event} {str(args)[:200]}")

    def _stop(self, _number, _frame):
        raise TooSlow


def _outcome(read, path, breaches):

    try:
        read(path)
    except ZooError as error:
        if not str(error) or not error.hint:
            breaches.append("an error without a message or a hint")
        return type(error).__name__
    except TooSlow:
        return "TooSlow"
    except Exception as error:  # noqa: BLE001  # Any other is what is looked for.
        breaches.append(_told(error))
        return type(error).__name__
    return ""


def _told(error):
    """Say where an error came from, in one line that is the same for the same fault."""
    trace = error.__traceback__
    places = []
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{Path(code.co_filename).name}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return f"{type(error).__name__}: {str(error)[:120]} at {' < '.join(places[:-4:-1])}"


def _is_same(opened, path):
    return isinstance(opened, str | bytes | os.PathLike) and os.fspath(opened) in {
        str(path),
        os.fsencode(path),
    }
