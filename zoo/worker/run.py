"""The process of one job, which holds its own lease: ``python -m zoo.worker.run JOB ATTEMPT``.

A job that is asked for at the terminal is run by a copy of the process that asks, and most jobs of
a worker by a copy of its fork server; see ``local``.
"""

import contextlib
import importlib
import os
import signal
import sys
import threading
import time
import traceback

from zoo.domain.job import Attempt
from zoo.errors import Interrupted, JobFailed, LeaseLost, RankLost, StorageFull, ZooError, is_full
from zoo.operations import failing, jobs
from zoo.operations.beginning import begin
from zoo.operations.opening import Zoo, open_zoo
from zoo.settings import read_settings
from zoo.worker.importing import uncollected
from zoo.worker.processes import GRACE_S, noted
from zoo.worker.progress import Progress
from zoo.worker.share import keep_to_share
from zoo.worker.table import BODIES

AWAITED = "awaited"  # of an attempt: the command that started it waits for it


def main() -> None:
    """Run the attempt named by the command line."""
    attempt = Attempt(job=int(sys.argv[1]), number=int(sys.argv[2]))
    hold_anew(attempt, is_awaited=AWAITED in sys.argv[3:])


def hold_anew(attempt: Attempt, *, is_awaited: bool = False) -> None:
    """Open the zoo that the environment names, and hold an attempt."""
    with open_zoo(read_settings()) as zoo:
        hold(zoo, attempt, is_awaited=is_awaited)


def hold(zoo: Zoo, attempt: Attempt, *, is_awaited: bool = False) -> None:
    """Run an attempt in a process that is there for nothing else, and hold its lease."""
    progress = Progress(zoo, attempt, is_awaited=is_awaited)
    signal.signal(signal.SIGTERM, lambda *_: progress.stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The one who started us passes it on.
    for task in (progress.beat, lambda: end_lost(progress)):
        threading.Thread(target=task, daemon=True).start()
    with noted(zoo, attempt):
        run(zoo, progress)


def end_lost(progress: Progress, grace_s: float = GRACE_S) -> None:
    """End this process and what it started, once its attempt does not count any more.

    The body hears of that at its next word and ends by itself; it may be far from one.
    """
    progress.lost.wait()
    time.sleep(grace_s)
    os.killpg(os.getpid(), signal.SIGKILL)


def run(zoo: Zoo, progress: Progress) -> None:
    """Run an attempt to its end, whatever that is, and write the end down."""
    # Where another attempt counts by now, there is nothing left to write down.
    with contextlib.suppress(LeaseLost):
        try:
            # A rank on one of several nodes has kept to its part of the job's before.
            if not progress.is_spread:
                keep_to_share(zoo, progress.attempt)
            job = begin(zoo, progress.attempt)
            # torch is imported here, with the lease already held.
            with uncollected():
                body = importlib.import_module(f"zoo.worker.{BODIES[job.kind]}")
            body.run(zoo, job, progress)
        except Interrupted:
            jobs.put_back(zoo, progress.attempt)
        except LeaseLost:
            raise
        except RankLost as error:
            if progress.is_spread:
                failing.lose(zoo, progress.attempt)
            else:
                _fail(zoo, progress, error)
        except ZooError as error:
            _fail(zoo, progress, error)
        except Exception as error:  # noqa: BLE001  # the one place: a failure is written down
            traceback.print_exc()
            _fail(zoo, progress, _failure(zoo, progress.attempt, error))


def _fail(zoo: Zoo, progress: Progress, error: ZooError) -> None:
    failing.fail(zoo, progress.attempt, error, is_awaited=progress.is_awaited)


def _failure(zoo: Zoo, attempt: Attempt, error: Exception) -> ZooError:
    """Give an unforeseen error a name."""
    if is_full(error):
        return StorageFull(f"No room left in {zoo.settings.home}.", path=str(zoo.settings.home))
    log = zoo.log_path(attempt)
    return JobFailed(
        f"{type(error).__name__}: {error}",
        hint=f"This is a fault of the zoo; its trace is in {log}.",
        log=str(log),
    )


if __name__ == "__main__":
    main()
