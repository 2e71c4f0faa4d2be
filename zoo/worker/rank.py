"""A rank of a training: ``python -m zoo.worker.rank JOB ATTEMPT RANK COUNT FILE FIRST``.

It builds the same network from the same pictures, takes its share of every batch, and writes
nothing down: the first rank, the job's own process, keeps, tells and publishes.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from pathlib import Path

from zoo.domain.job import Attempt
from zoo.domain.plan import CodesPrecision
from zoo.domain.training import Overrides, Training
from zoo.errors import Interrupted, RankLost
from zoo.operations import jobs
from zoo.operations.opening import Zoo, open_zoo
from zoo.settings import read_settings
from zoo.worker.finetune import read_subject
from zoo.worker.helpers import as_rank, device_of
from zoo.worker.network import choose_device
from zoo.worker.progress import Progress
from zoo.worker.tapping import take_codes
from zoo.worker.trained import Bench, Start, deterministic

LOOK_S = 1.0  # between two looks whether the first rank lives


class Silent(Progress):
    """Says nothing, and never stops by itself: the first rank says when."""

    def say(self, step: str, message: str) -> None:
        """Say nothing."""

    def count(self, step: str, message: str, done: int, total: int) -> None:
        """Say nothing."""

    def check(self) -> None:
        """Go on."""


def main() -> None:
    """Take part in the training named by the command line."""
    job, number, rank, count = (int(each) for each in sys.argv[1:5])
    meeting, first = Path(sys.argv[5]), int(sys.argv[6])
    # The first rank is told to stop, and tells the others.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(first,), daemon=True).start()
    with open_zoo(read_settings()) as zoo, contextlib.suppress(Interrupted, RankLost):
        take_part(zoo, Attempt(job=job, number=number), rank, count, meeting)


def take_part(zoo: Zoo, attempt: Attempt, rank: int, count: int, meeting: Path) -> None:
    """Train as one of several ranks.

    Raises:
        Interrupted: the first rank was asked to stop.
        RankLost: another rank ended.
    """
    job, silent = jobs.get_job(zoo, attempt.job), Silent(zoo, attempt)
    device = device_of(choose_device(zoo.settings.device), rank, count)
    with deterministic(device), as_rank(rank, count, meeting, device) as ranks:
        told = ranks.tell(None)
        subject = read_subject(zoo, job, silent)
        # Whatever this machine would choose: all ranks learn from the same codes.
        precision = CodesPrecision(told["precision"])
        tapped = take_codes(
            zoo, subject.parent, subject.dataset, subject.plan, silent, asked=precision
        )
        overrides = Overrides(**job.params.get("training", {}))
        bench = Bench(
            zoo,
            subject,
            Start(tapped=tapped, c=told["c"], overrides=overrides),
            silent,
            rank=rank,
            training=Training.from_json(told["training"]),
        )
        loop = bench.loop(lambda _snapshot: None, ranks)
        if (snapshot := ranks.tell(None)) is not None:
            loop.resume(snapshot)
        loop.run()


def _end_with(first: int) -> None:
    """End this process when the first rank is gone, which may be while it is waited for."""
    while os.getppid() == first:
        time.sleep(LOOK_S)
    os._exit(1)


if __name__ == "__main__":
    main()
