"""What a driver asks of a Ray cluster, and how long it waits."""

import os
from dataclasses import dataclass

import ray

from zoo.domain.job import Job
from zoo.operations.opening import Zoo
from zoo.worker.local import ENVIRONMENT
from zoo.worker.processes import GRACE_S

LOOK_S = 0.1
STOP_S = GRACE_S / 2  # that a body has to put its job back
KEYS = "AWS_"  # how variables begin that tell where a bucket is and who may read it
LOST = 1  # the code a driver ends with when what ran elsewhere died


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What one process of an attempt asks of a node."""

    cpus: int  # and as many threads it keeps to
    gpus: int
    memory_bytes: int | None  # None: whatever there is


def ask_for(zoo: Zoo, job: Job, *, processes: int = 1) -> Asked:
    """Give what each process of a job asks for: its part of what the job asks for, if it does.

    A cluster without GPUs does jobs that ask for some on its cores, as a machine without them does.
    """
    gpus = 0
    if wants_gpu(zoo) and job.gpus != 0:
        gpus = max((job.gpus or 1) // processes, 1)
    return Asked(
        gpus=gpus,
        cpus=zoo.settings.ray_cpus if job.threads is None else max(job.threads // processes, 1),
        memory_bytes=None if job.memory_bytes is None else job.memory_bytes // processes,
    )


def wants_gpu(zoo: Zoo) -> bool:
    """Tell whether a job is to have a GPU: where the cluster has any, unless that is not wanted."""
    return zoo.settings.device != "cpu" and ray.cluster_resources().get("GPU", 0) > 0


def environment_of(zoo: Zoo) -> dict[str, str]:
    """Give the variables of a process elsewhere: the settings, and the keys of the bucket."""
    keys = {name: value for name, value in os.environ.items() if name.startswith(KEYS)}
    return ENVIRONMENT | keys | zoo.settings.as_environment()
