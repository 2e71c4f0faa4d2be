"""What this machine has for jobs: what its settings say, else what its cgroup allows."""

import os
from pathlib import Path

from zoo.domain.resources import Room
from zoo.serving.cores import count_cores
from zoo.settings import Settings

MEMORY_V2 = Path("/sys/fs/cgroup/memory.max")
MEMORY_V1 = Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")
GPUS = Path("/proc/driver/nvidia/gpus")  # a folder each, wherever the driver is loaded
OPENMP = "OMP_NUM_THREADS"
VISIBLE = "CUDA_VISIBLE_DEVICES"


def find_room(settings: Settings) -> Room:
    """Measure the machine, within what its settings allow."""
    slots = settings.worker_slots
    return Room(
        slots=slots,
        # Who asks for more slots than there are cores wants the jobs to share these.
        threads=settings.worker_threads or max(slots, count_threads()),
        memory_bytes=settings.worker_memory_bytes or count_memory(),
        gpus=() if settings.device == "cpu" else tuple(range(settings.worker_gpus or count_gpus())),
    )


def count_threads() -> int:
    """Give the threads to compute with: a core each, or fewer where OpenMP was told so."""
    told = os.environ.get(OPENMP, "")
    return min(count_cores(), int(told)) if told.isdecimal() and int(told) else count_cores()


def count_memory() -> int:
    """Give the bytes of memory of the machine, or of the cgroup where that allows fewer."""
    every = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in (MEMORY_V2, MEMORY_V1):
        try:
            return min(every, int(path.read_text(encoding="ascii")))
        except (OSError, ValueError):
            continue  # "max", or no cgroup that tells
    return every


def count_gpus() -> int:
    """Count the GPUs that this process may use, without the seconds that torch takes to come."""
    visible = os.environ.get(VISIBLE)
    if visible is not None:
        return len([one for one in visible.split(",") if one.strip()])
    return len(list(GPUS.iterdir())) if GPUS.is_dir() else 0
