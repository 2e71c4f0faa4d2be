"""What a driver asks of a cluster, and what it makes of a death."""

import threading
from dataclasses import replace

import pytest
from ray.exceptions import ActorDiedError, ActorUnavailableError, RayTaskError

from zoo.domain.job import JobKind, JobState
from zoo.domain.terms import Needs, Terms
from zoo.operations import jobs
from zoo.operations.opening import open_zoo
from zoo.settings import read_settings
from zoo.worker import ray_asking
from zoo.worker.progress import Progress
from zoo.worker.ray_asking import LOST, ask_for, environment_of
from zoo.worker.ray_driver import _Held


@pytest.fixture
def zoo(tmp_path):
    with open_zoo(read_settings(home=tmp_path, ray_cpus=2)) as opened:
        yield opened


@pytest.fixture
def held(zoo):
    """What holds an attempt whose process of the cluster is not there yet."""
    job = jobs.enqueue(zoo, JobKind.IMPORT, {"model": "m"})
    attempt = jobs.claim(zoo, worker="w")
    held = _Held.__new__(_Held)
    held.zoo, held.job, held.voice = zoo, job, Progress(zoo, attempt)
    held.stop = threading.Event()
    return held


def raised_while_made():
    return ActorDiedError(RayTaskError("Holder", "JobNotFound: There is no job 1.", ValueError()))


@pytest.mark.parametrize("error", [ActorDiedError(), ActorUnavailableError("away", None)])
def test_a_process_that_dies_before_it_answers_is_lost_as_any_other(held, error):
    assert held._told(held.job, error) == LOST
    assert jobs.get_job(held.zoo, held.job.id).state is JobState.RUNNING  # its worker counts it


def test_a_process_that_cannot_be_made_fails_its_job_with_the_reason(held):
    assert held._told(held.job, raised_while_made()) == 0
    job = jobs.get_job(held.zoo, held.job.id)
    assert job.state is JobState.FAILED
    assert "several-machines.md" in job.error["error"]["hint"]


@pytest.mark.parametrize(
    ("wanted", "has_any", "asked"),
    [
        ((None, 1), True, 1),
        ((None, 2), True, 1),
        ((4, 2), True, 2),
        ((0, 1), True, 0),
        ((4, 2), False, 0),
    ],
)
def test_gpus_are_asked_for_where_the_cluster_has_any(zoo, monkeypatch, wanted, has_any, asked):
    gpus, processes = wanted
    monkeypatch.setattr(ray_asking, "wants_gpu", lambda _zoo: has_any)
    on_terms = replace(zoo, terms=Terms(needs=Needs(gpus=gpus)))
    job = jobs.enqueue(on_terms, JobKind.IMPORT, {"model": "m"})
    assert ask_for(zoo, job, processes=processes).gpus == asked


def test_the_keys_of_the_bucket_go_along(zoo, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("OTHER_KEY", "not ours")
    told = environment_of(zoo)
    assert told["AWS_SECRET_ACCESS_KEY"] == "secret"
    assert "OTHER_KEY" not in told
    assert told["ZOO_RAY_CPUS"] == "2"
