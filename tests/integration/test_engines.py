"""What an engine promises, each engine put through the same."""

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from zoo.catalog.attempts import count_attempts
from zoo.domain.job import Attempt, JobKind, JobState
from zoo.domain.plan import Strategy
from zoo.domain.training import EPOCH, Overrides
from zoo.errors import EngineUnavailable
from zoo.operations import jobs, steering
from zoo.operations.fetch import list_revisions
from zoo.operations.finetune import enqueue_finetune
from zoo.operations.opening import open_zoo
from zoo.settings import read_settings
from zoo.worker import supervisor
from zoo.worker.supervisor import Supervisor

SAFETY_S = 300  # Nothing here depends on speed; this ends what hangs.
ENGINES = ["local", "ray"]


@pytest.fixture(params=ENGINES)
def settings(request, stocked):
    """The settings of a zoo with a model and a dataset, once for each engine."""
    given = {"engine": request.param, "worker_slots": 2, "lease_s": 30}
    if request.param == "ray":
        given["ray_address"] = request.getfixturevalue("ray_cluster").address
    return read_settings(home=stocked, **given)


@pytest.fixture
def zoo(settings):
    with open_zoo(settings) as opened:
        yield opened


@pytest.fixture
def worker(zoo):
    """A supervisor; what it runs ends with the test."""
    made = Supervisor(zoo)
    yield made
    for execution in made.running:
        execution.kill()
    made.engine.close()


def work_until(worker, is_done):
    """Have a supervisor work until something is so."""
    give_up = time.monotonic() + SAFETY_S
    while not is_done():
        assert time.monotonic() < give_up, jobs.list_jobs(worker.zoo)
        with contextlib.suppress(EngineUnavailable):
            worker.step()
        time.sleep(0.05)


def finish(worker, job):
    work_until(worker, lambda: jobs.get_job(worker.zoo, job.id).state.is_final)
    return jobs.get_job(worker.zoo, job.id)


def enqueue_training(zoo, *, name="mine", epochs=1000, devices=None):
    """Queue a training of all layers that ends by itself only after a long while."""
    overrides = Overrides(epochs=epochs, batch=5, devices=devices)
    return enqueue_finetune(
        zoo, "lenet", "digits", name=name, strategy=Strategy.FULL, overrides=overrides
    )


def start_training(worker, **given):
    """Have a long training run, until it could go on from what it has measured."""
    job = enqueue_training(worker.zoo, **given)
    work_until(worker, lambda: has_trained(worker.zoo, job))
    return job, worker.running[0]


def has_trained(zoo, job, attempt=1):
    """Tell whether a snapshot is kept: an epoch is told just before it, so the next one is here."""
    events = jobs.get_job(zoo, job.id).events
    return sum(one.step == EPOCH and one.attempt == attempt for one in events) > 1


def lost(zoo, job):
    with zoo.catalog.reading() as db:
        return count_attempts(db, job.id)


def state(zoo, job):
    return jobs.get_job(zoo, job.id).state


def test_jobs_run_side_by_side_each_to_its_own_end(worker):
    zoo = worker.zoo
    good = enqueue_finetune(zoo, "lenet", "digits", name="mine")
    bad = jobs.enqueue(zoo, JobKind.IMPORT, {"model": "m"})  # without files
    good, bad = finish(worker, good), finish(worker, bad)
    assert (good.state, good.attempt) == (JobState.SUCCEEDED, 1)
    assert len(list_revisions(zoo, "mine")) == 1
    assert (bad.state, bad.attempt) == (JobState.FAILED, 1)
    assert "KeyError" in bad.error["error"]["message"]
    work_until(worker, lambda: not worker.running)
    log = zoo.log_path(Attempt(job=bad.id, number=1))
    assert "Traceback" in log.read_text()


def test_what_is_killed_stopped_and_cancelled_on_its_way(worker):
    zoo = worker.zoo
    job, execution = start_training(worker)
    execution.kill()
    assert not execution.is_running
    work_until(worker, lambda: has_trained(zoo, job, attempt=2))  # It was seen, and taken again.
    assert lost(zoo, job) == 1
    (execution,) = worker.running
    supervisor.stop_and_put_back(zoo, execution)
    assert not execution.is_running
    assert (state(zoo, job), lost(zoo, job)) == (JobState.QUEUED, 1)
    work_until(worker, lambda: has_trained(zoo, job, attempt=3))
    told = [one for one in jobs.get_job(zoo, job.id).events if "going on at step" in one.message]
    assert [one.attempt for one in told] == [2, 3]
    steering.cancel(zoo, job.id)
    work_until(worker, lambda: not worker.running)
    assert state(zoo, job) is JobState.CANCELLED
    assert len(list_revisions(zoo, "mine")) == 1  # the probe


def test_what_outlived_its_worker_is_looked_after_by_the_next_and_runs_once(zoo, settings):
    job, other = enqueue_training(zoo, epochs=30), enqueue_training(zoo, name="other")
    first = subprocess.Popen(
        [Path(sys.executable).with_name("zoo"), "worker"],
        env=os.environ | settings.as_environment(),
        stderr=subprocess.DEVNULL,
    )
    give_up = time.monotonic() + SAFETY_S
    while not (has_trained(zoo, job) and has_trained(zoo, other)):
        assert time.monotonic() < give_up
        time.sleep(0.02)
    first.kill()
    first.wait()
    second = Supervisor(zoo)
    try:
        second.step()
        found = {one.attempt.job: one for one in second.running}
        assert found.keys() == {job.id, other.id}
        supervisor.stop_and_put_back(zoo, found[other.id])
        assert not found[other.id].is_running
        assert (state(zoo, other), lost(zoo, other)) == (JobState.QUEUED, 0)
        steering.cancel(zoo, other.id)
        ended = finish(second, job)
    finally:
        for execution in second.running:
            execution.kill()
        second.engine.close()
    assert (ended.state, ended.attempt) == (JobState.SUCCEEDED, 1)
