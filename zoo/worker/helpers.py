"""The other processes of a training that has several: started, met, and ended with it."""

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from zoo.errors import Invalid
from zoo.operations.opening import Zoo
from zoo.training.ranks import Ranks, find_met, joined
from zoo.worker.progress import Progress

LOOK_S = 1.0  # between two looks whether those who are waited for live
END_S = 20.0  # that a rank has to end by itself after its training
LOOPBACK = {"linux": "lo", "darwin": "lo0"}  # by which ranks of one machine speak


def device_of(device: torch.device, rank: int, count: int) -> torch.device:
    """Give the device of a rank: a GPU each, or the processors shared.

    Raises:
        Invalid: there are not as many GPUs.
    """
    if device.type != "cuda" or count == 1:
        return device
    if find_met():
        return torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    if count > torch.cuda.device_count():
        raise Invalid(
            f"{count} devices were asked for; this machine has {torch.cuda.device_count()} GPUs.",
            hint="Give --devices as many, or leave it out.",
            devices=count,
        )
    return torch.device("cuda", rank)


@contextlib.contextmanager
def helped(zoo: Zoo, progress: Progress, count: int, device: torch.device) -> Iterator[Ranks]:
    """Be the first of ``count`` ranks; the others are processes of this job's group.

    They write to its log, and end with the training, however it ends. Those of a cluster are there
    already, and it looks after them.

    Raises:
        RankLost: one of them ended before.
    """
    if (met := find_met()) is not None:
        yield met
        return
    with tempfile.TemporaryDirectory(prefix="zoo-ranks-") as folder:
        meeting = Path(folder) / "meeting"
        others = [_start(zoo, progress, rank, count, meeting) for rank in range(1, count)]
        arrived = threading.Event()
        threading.Thread(target=_watch, args=(others, arrived), daemon=True).start()
        try:
            with as_rank(0, count, meeting, device) as ranks:
                arrived.set()
                yield ranks
        except BaseException:
            for other in others:
                other.kill()
            raise
        finally:
            arrived.set()
            for other in others:
                _end(other)


def _watch(others: Sequence[subprocess.Popen[bytes]], arrived: threading.Event) -> None:
    """End this process where one of the others ended before all met; its job is taken again.

    Whoever waits for a rank that never comes waits where nothing interrupts it. Of one that is lost
    after the meeting the library tells.
    """
    while not arrived.wait(LOOK_S):
        ended = [other.returncode for other in others if other.poll() is not None]
        if ended and not arrived.is_set():
            print(f"a rank of this training ended with {ended[0]} before all met", file=sys.stderr)  # noqa: T201  # this is the job's log
            sys.stderr.flush()
            for other in others:
                other.kill()
            os._exit(1)


@contextlib.contextmanager
def as_rank(rank: int, count: int, meeting: Path, device: torch.device) -> Iterator[Ranks]:
    """Join the ranks; on processors each takes its share of the cores."""
    if (met := find_met()) is not None:
        yield met
        return
    if sys.platform in LOOPBACK:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", LOOPBACK[sys.platform])
    before = torch.get_num_threads()
    if device.type == "cpu":
        torch.set_num_threads(max(1, before // count))
    try:
        with joined(rank, count, meeting, device) as ranks:
            yield ranks
    finally:
        torch.set_num_threads(before)


def _start(
    zoo: Zoo, progress: Progress, rank: int, count: int, meeting: Path
) -> subprocess.Popen[bytes]:
    attempt = progress.attempt
    told = (attempt.job, attempt.number, rank, count, meeting, os.getpid())
    command = [sys.executable, "-P", "-m", "zoo.worker.rank", *map(str, told)]
    return subprocess.Popen(  # noqa: S603  # our own interpreter and module
        command, env=os.environ | zoo.settings.as_environment(), stdin=subprocess.DEVNULL
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
