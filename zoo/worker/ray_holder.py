"""What holds an attempt on a node of a Ray cluster: one process, for that attempt alone."""

import os
import signal
import threading
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack

from zoo.domain.job import Attempt
from zoo.operations import jobs
from zoo.operations.opening import Zoo, open_zoo
from zoo.settings import read_settings
from zoo.worker.processes import GRACE_S
from zoo.worker.progress import Progress
from zoo.worker.run import run
from zoo.worker.share import keep_to_threads


class Holder:
    """Runs the body of an attempt and holds its lease, as ``zoo.worker.run`` does elsewhere."""

    def __init__(self, environment: Mapping[str, str], attempt: Attempt, threads: int) -> None:
        """Open the zoo as this node sees it; from then on the lease is held here.

        The process keeps to as many threads as it was given cores of the node.

        Raises:
            JobNotFound: the catalog that this node sees is another one.
        """
        keep_to_threads(threads)
        self._open = ExitStack()
        zoo = self._open.enter_context(open_here(environment))
        jobs.get_job(zoo, attempt.job)
        self.progress = _voice(zoo, attempt)

    def run(self) -> None:
        """Run the attempt to its end, whatever that is."""
        with self._open:
            run(self.progress.zoo, self.progress)

    def stop(self) -> None:
        """Ask the attempt to put its job back."""
        self.progress.stop.set()

    def ready(self) -> None:
        """Answer, which tells that the lease is held."""


def held(zoo: Zoo, attempt: Attempt, *, is_spread: bool) -> None:
    """Run an attempt that is held by this process, which may be spread over other nodes too."""
    progress = _voice(zoo, attempt)
    progress.is_spread = is_spread
    run(zoo, progress)


def open_here(environment: Mapping[str, str]) -> AbstractContextManager[Zoo]:
    """Open the zoo of a worker elsewhere, in this node's own home if its environment names one."""
    own = os.environ.get("ZOO_HOME")
    os.environ.update(environment)
    if own:
        os.environ["ZOO_HOME"] = own
    return open_zoo(read_settings())


def _voice(zoo: Zoo, attempt: Attempt) -> Progress:
    """Give the voice of an attempt, whose lease is held from now on."""
    progress = Progress(zoo, attempt)
    for task in (progress.beat, lambda: _end_lost(progress)):
        threading.Thread(target=task, daemon=True).start()
    return progress


def _end_lost(progress: Progress) -> None:
    """End this process when its attempt does not count any more and its body does not hear that."""
    progress.lost.wait()
    time.sleep(GRACE_S)
    os.kill(os.getpid(), signal.SIGKILL)
