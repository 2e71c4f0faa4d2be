"""Keeping a job's process to the part of its machine that it was given."""

import os
import sys

from zoo.domain.job import Attempt
from zoo.operations import jobs
from zoo.operations.opening import Zoo
from zoo.serving.cores import limit_cores

# What OpenMP, and with it torch, and the libraries that NumPy computes with read at their start.
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
GPUS = "CUDA_VISIBLE_DEVICES"


def environment_of(zoo: Zoo, attempt: Attempt) -> dict[str, str]:
    """Give the variables that tell libraries what an attempt was given of its machine.

    Where it was given all of it and asked for no less, there is nothing to tell.
    """
    job = jobs.get_job(zoo, attempt.job)
    record = next((one for one in job.attempts if one.number == attempt.number), None)
    is_bound = record is not None and record.threads is not None
    threads = record.threads if record is not None and is_bound else job.threads
    told = dict.fromkeys(THREADS, str(threads)) if threads is not None else {}
    if record is not None and is_bound and zoo.settings.device != "cpu":
        told[GPUS] = ",".join(_names(record.gpus))
    return told


def keep_to_share(zoo: Zoo, attempt: Attempt) -> None:
    """Bound the threads and GPUs of this process, whatever it has imported already.

    Variables are read when a library comes; torch that came before its job is told directly.
    """
    told = environment_of(zoo, attempt)
    os.environ.update(told)
    if THREADS[0] in told:
        keep_to_threads(int(told[THREADS[0]]))


def keep_to_threads(threads: int) -> None:
    """Bound the threads of this process, whatever it has imported already."""
    os.environ.update(dict.fromkeys(THREADS, str(threads)))
    limit_cores(threads)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(threads)


def _names(gpus: tuple[int, ...]) -> list[str]:
    """Name GPUs as CUDA does, which counts from 0 within those that this process may use."""
    visible = os.environ.get(GPUS)
    if visible is None:
        return [str(gpu) for gpu in gpus]
    names = [one.strip() for one in visible.split(",") if one.strip()]
    return [names[gpu] for gpu in gpus if gpu < len(names)]
