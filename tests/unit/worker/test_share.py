"""A job's process does with the part of its machine that it was given."""

import json
import os
import subprocess
import sys

import pytest

from zoo.domain.job import JobKind
from zoo.domain.resources import Room
from zoo.operations import jobs
from zoo.worker.share import environment_of

GIB = 2**30
ASK = """
import json, os, sys
if "first" in sys.argv:
    import torch
from zoo.domain.job import Attempt
from zoo.operations.opening import open_zoo
from zoo.serving.cores import count_cores
from zoo.settings import read_settings
from zoo.worker.share import keep_to_share
with open_zoo(read_settings()) as zoo:
    keep_to_share(zoo, Attempt(job=int(sys.argv[1]), number=1))
import torch
print(json.dumps([torch.get_num_threads(), count_cores(), os.environ.get("CUDA_VISIBLE_DEVICES")]))
"""


@pytest.fixture
def claim(zoo):
    """A function that has a machine with so much take a job."""

    def claim(room):
        job = jobs.enqueue(zoo, JobKind.VERIFY, {"model": "m"})
        return jobs.claim(zoo, worker="here:home:1", number=job.id, room=room)

    return claim


def test_an_attempt_with_the_whole_machine_is_told_nothing(zoo, claim):
    assert environment_of(zoo, claim(None)) == {}


def test_libraries_are_told_threads_and_gpus(zoo, claim, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-b,GPU-c")
    room = Room(slots=1, threads=3, memory_bytes=GIB, gpus=(0, 1))
    told = environment_of(zoo, claim(room))
    assert told["OMP_NUM_THREADS"] == told["OPENBLAS_NUM_THREADS"] == "3"
    assert told["CUDA_VISIBLE_DEVICES"] == "GPU-b"


@pytest.mark.parametrize("when", ["first", "later"])
def test_torch_is_bound_whether_it_came_before_the_job_or_not(zoo, claim, when):
    attempt = claim(Room(slots=1, threads=1, memory_bytes=GIB))
    asked = subprocess.run(
        [sys.executable, "-c", ASK, str(attempt.job), when],
        env=os.environ | zoo.settings.as_environment(),
        capture_output=True,
        text=True,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    assert json.loads(asked.stdout) == [1, 1, ""]
