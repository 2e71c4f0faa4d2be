"""The engine of a cluster, where there is none."""

import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from zoo.catalog.attempts import count_attempts
from zoo.domain.job import JobKind, JobState
from zoo.domain.resources import Needs
from zoo.domain.terms import Terms
from zoo.errors import BadSetting
from zoo.operations import jobs
from zoo.operations.opening import open_zoo
from zoo.settings import read_settings
from zoo.worker import ray, ray_asking
from zoo.worker.engines import open_engine
from zoo.worker.supervisor import Supervisor

SAFETY_S = 120


@pytest.fixture
def gone():
    """An address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"127.0.0.1:{free.getsockname()[1]}"


@pytest.fixture
def zoo(tmp_path, gone):
    with open_zoo(read_settings(home=tmp_path, engine="ray", ray_address=gone)) as opened:
        yield opened


@pytest.mark.parametrize("address", ["", "head", "head:port", ":6379"])
def test_an_address_that_is_none_is_refused(tmp_path, address):
    settings = read_settings(home=tmp_path, engine="ray", ray_address=address)
    with open_zoo(settings) as zoo, pytest.raises(BadSetting, match="ZOO_RAY_ADDRESS"):
        open_engine(zoo)


def test_without_ray_it_says_what_to_install(zoo, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(BadSetting) as caught:
        open_engine(zoo)
    assert "zoo[ray]" in caught.value.hint


def test_jobs_wait_while_the_cluster_does_not_answer_and_it_is_asked_less_and_less(zoo):
    job = jobs.enqueue(zoo, JobKind.IMPORT, {"model": "m"})
    worker = Supervisor(zoo)
    worker.step()
    assert jobs.get_job(zoo, job.id).attempt == 0
    rests = []
    for _ in range(7):
        worker.engine._looked_at = -ray.LONGEST_REST_S
        assert not worker.engine.has_room
        rests.append(worker.engine._rest_s)
    assert rests == sorted(rests)
    assert rests[-1] == ray.LONGEST_REST_S


def test_an_attempt_whose_cluster_went_is_put_back_and_counts_for_nothing(zoo, gone):
    job = jobs.enqueue(zoo, JobKind.IMPORT, {"model": "m"})
    worker = Supervisor(zoo)
    host, port = gone.split(":")
    with socket.create_server((host, int(port))):  # It answers, and is none.
        attempt = jobs.claim(zoo, worker=worker.engine.worker)
        driver = worker.engine.submit(attempt)
    driver.process.kill()
    give_up = time.monotonic() + SAFETY_S
    while driver.is_running:
        assert time.monotonic() < give_up
    assert jobs.get_job(zoo, job.id).state is JobState.QUEUED
    worker.step()
    with zoo.catalog.reading() as db:
        assert count_attempts(db, job.id) == 0


@pytest.mark.parametrize(
    ("needs", "asked"),
    [
        ((Needs(), 1), (2, None)),
        ((Needs(), 4), (2, None)),
        ((Needs(threads=6, memory_bytes=2**30), 1), (6, 2**30)),
        ((Needs(threads=6, memory_bytes=2**30), 4), (1, 2**28)),
        ((Needs(threads=1), 4), (1, None)),
    ],
)
def test_the_cluster_is_asked_for_what_the_job_asks_for(tmp_path, gone, monkeypatch, needs, asked):
    needs, processes = needs
    monkeypatch.setattr(ray_asking, "wants_gpu", lambda _zoo: False)
    settings = read_settings(home=tmp_path, engine="ray", ray_address=gone, ray_cpus=2)
    with open_zoo(settings) as zoo:
        on_terms = replace(zoo, terms=Terms(needs=needs))
        job = jobs.enqueue(on_terms, JobKind.IMPORT, {"model": "m"})
        found = ray_asking.ask_for(zoo, job, processes=processes)
    assert (found.cpus, found.memory_bytes) == asked


HOLD = """
import json, os, sys
from zoo.domain.job import Attempt
from zoo.serving.cores import count_cores
from zoo.worker import ray_holder
ray_holder.run = lambda zoo, progress: None
ray_holder.Holder({}, Attempt(job=int(sys.argv[1]), number=1), 1).run()
import torch
print(json.dumps([torch.get_num_threads(), count_cores(), os.environ["OPENBLAS_NUM_THREADS"]]))
"""


def test_what_holds_an_attempt_keeps_to_the_threads_it_was_given(zoo):
    job = jobs.enqueue(zoo, JobKind.IMPORT, {"model": "m"})
    jobs.claim(zoo, worker="here:home:1", number=job.id)
    ran = subprocess.run(
        [sys.executable, "-c", HOLD, str(job.id)],
        env=os.environ | zoo.settings.as_environment(),
        capture_output=True,
        text=True,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    assert json.loads(ran.stdout) == [1, 1, "1"]
