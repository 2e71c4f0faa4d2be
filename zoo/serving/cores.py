"""How many cores this process may use."""

import math
import os
from pathlib import Path

QUOTA_V2 = Path("/sys/fs/cgroup/cpu.max")
QUOTA_V1 = Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")
PERIOD_V1 = Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us")


_limits: list[int] = []  # of this process; the last one counts


def count_cores() -> int:
    """Count the cores of the affinity, or of the cgroup's quota where that allows fewer.

    A process that was told to do with fewer still counts those.
    """
    allowed = min([len(os.sched_getaffinity(0)), *_limits[-1:]])
    quota = _read_quota()
    return allowed if quota is None else max(1, min(allowed, math.ceil(quota)))


def limit_cores(most: int) -> None:
    """Have this process count no more cores than so many from now on."""
    _limits.append(most)


def _read_quota() -> float | None:
    """Read how many cores' time the cgroup may use, or None where nothing bounds it."""
    try:
        if QUOTA_V2.exists():
            quota, period = QUOTA_V2.read_text().split()
        else:
            quota, period = QUOTA_V1.read_text(), PERIOD_V1.read_text()
        return int(quota) / int(period) if int(quota) > 0 else None
    except (OSError, ValueError, ZeroDivisionError):
        return None  # "max", or no cgroup that tells
