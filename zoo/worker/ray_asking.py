"""What a driver asks of a Ray cluster, and how long it waits."""

import os
from typing import Any

import ray

from zoo.domain.job import Job
from zoo.operations.opening import Zoo
from zoo.worker.local import ENVIRONMENT
from zoo.worker.processes import GRACE_S

LOOK_S = 0.1
STOP_S = GRACE_S / 2  # that a body has to put its job back
KEYS = "AWS_"  # how variables begin that tell where a bucket is and who may read it
LOST = 1  # the code a driver ends with when what ran elsewhere died


def wants_gpu(zoo: Zoo) -> bool:
    """Tell whether a job is to have a GPU: where the cluster has any, unless that is not wanted."""
    return zoo.settings.device != "cpu" and ray.cluster_resources().get("GPU", 0) > 0


def asked_of(zoo: Zoo, job: Job) -> dict[str, Any]:
    """Give what a process of a job asks of a node, by the names of Ray's options.

    What the job asks for counts; where it asks for nothing, what the settings say of any job.
    """
    gpus = job.gpus if job.gpus is not None else int(wants_gpu(zoo))
    asked = {"num_cpus": job.threads or zoo.settings.ray_cpus, "num_gpus": gpus}
    return asked | ({"memory": job.memory_bytes} if job.memory_bytes else {})


def environment_of(zoo: Zoo) -> dict[str, str]:
    """Give the variables of a process elsewhere: the settings, and the keys of the bucket."""
    keys = {name: value for name, value in os.environ.items() if name.startswith(KEYS)}
    return ENVIRONMENT | keys | zoo.settings.as_environment()
