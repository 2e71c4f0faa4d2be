"""What a driver asks of a Ray cluster, and how long it waits."""

import ray

from zoo.operations.opening import Zoo
from zoo.worker.local import ENVIRONMENT
from zoo.worker.processes import GRACE_S

LOOK_S = 0.1
STOP_S = GRACE_S / 2  # that a body has to put its job back
LOST = 1  # the code a driver ends with when what ran elsewhere died


def wants_gpu(zoo: Zoo) -> bool:
    """Tell whether a job is to have a GPU: where the cluster has any, unless that is not wanted."""
    return zoo.settings.device != "cpu" and ray.cluster_resources().get("GPU", 0) > 0


def environment_of(zoo: Zoo) -> dict[str, str]:
    """Give the variables of a process elsewhere."""
    return ENVIRONMENT | zoo.settings.as_environment()
