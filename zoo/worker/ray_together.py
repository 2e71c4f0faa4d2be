"""A training of several ranks on a Ray cluster, on one node or many: Ray Train has them meet.

The first rank runs the body of the job, as everywhere; the others take part in its training.
"""

import contextlib
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import ray.train
from ray.exceptions import RayError
from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
from ray.train.torch import TorchConfig, TorchTrainer

from zoo.domain.job import Attempt
from zoo.errors import CatalogUnavailable, Interrupted, LeaseLost, RankLost
from zoo.operations import jobs
from zoo.operations.opening import Zoo
from zoo.worker.finished import job_folder
from zoo.worker.progress import Progress
from zoo.worker.ray_asking import LOOK_S, LOST, STOP_S, Asked, environment_of
from zoo.worker.ray_holder import held, open_here
from zoo.worker.share import keep_to_threads

PATIENCE_S = 86_400  # of the other ranks, while the first one computes codes


def train_together(
    zoo: Zoo, voice: Progress, stop: threading.Event, asked: Asked, count: int
) -> int:
    """Have so many ranks of the cluster run an attempt; give the code the driver ends with."""
    has_gpu = asked.gpus > 0
    attempt = voice.attempt
    folder = job_folder(zoo.trainings_folder, jobs.get_job(zoo, attempt.job)) / "ray"
    trainer = TorchTrainer(
        take_rank,
        train_loop_config={
            "environment": environment_of(zoo),
            "attempt": attempt,
            "threads": asked.cpus,
        },
        torch_config=TorchConfig(backend="nccl" if has_gpu else "gloo", timeout_s=PATIENCE_S),
        scaling_config=ScalingConfig(
            num_workers=count,
            use_gpu=has_gpu,
            resources_per_worker={
                "CPU": asked.cpus,
                "GPU": int(has_gpu),
                **({"memory": asked.memory_bytes} if asked.memory_bytes else {}),
            },
        ),
        run_config=RunConfig(
            name=str(attempt.number),
            storage_path=str(folder),
            failure_config=FailureConfig(
                max_failures=0
            ),  # Another attempt is the catalog's to give.
        ),
    )
    threading.Thread(target=_look_after, args=(zoo, voice, stop), daemon=True).start()
    try:
        trainer.fit()
    except (TrainingFailedError, RayError) as error:
        print(error, file=sys.stderr)  # noqa: T201  # this is the job's log
        return LOST
    return 0


def _look_after(zoo: Zoo, voice: Progress, stop: threading.Event) -> None:
    """Hold the lease until the first rank speaks, and end this process where it has to stop.

    The others hear of it with the first one, at its next word; what was kept last is gone on from.
    """
    attempt = voice.attempt
    while not (voice.lost.is_set() or stop.wait(LOOK_S)):
        if not voice.stop.is_set():
            with contextlib.suppress(CatalogUnavailable):
                told = jobs.get_job(zoo, attempt.job).events
                if any(event.attempt == attempt.number for event in told):
                    voice.stop.set()
    with contextlib.suppress(LeaseLost):
        jobs.put_back(zoo, attempt)
    time.sleep(STOP_S)
    os._exit(0)


def take_rank(told: dict[str, Any]) -> None:
    """Be one of the ranks, in a process of the cluster."""
    context, attempt = ray.train.get_context(), told["attempt"]
    keep_to_threads(told["threads"])
    with open_here(told["environment"]) as zoo:
        if context.get_world_rank() == 0:
            held(zoo, attempt, is_spread=True)
        else:
            _take_part(zoo, attempt, context.get_world_rank(), context.get_world_size())


def _take_part(zoo: Zoo, attempt: Attempt, rank: int, count: int) -> None:
    from zoo.worker.rank import take_part  # noqa: PLC0415  # torch is imported with the ranks met

    with contextlib.suppress(Interrupted, RankLost):
        take_part(zoo, attempt, rank, count, Path())
