"""A job's process that is frozen beyond its lease, and thawed while its successor works."""

import os
import signal
import time

import pytest

from zoo.domain.job import JobState
from zoo.domain.plan import Strategy
from zoo.domain.training import Overrides
from zoo.errors import LeaseLost
from zoo.operations import jobs, steering
from zoo.operations.datasets import add_dataset
from zoo.operations.fetch import list_revisions
from zoo.operations.finetune import enqueue_finetune
from zoo.operations.opening import open_zoo
from zoo.settings import read_settings
from zoo.worker.local import LocalEngine

PATIENCE_S = 300  # No test depends on speed; this ends one that hangs.
LEASE_S = 3
LONG = Overrides(epochs=30, batch=4)


@pytest.fixture
def zoo(imported, digits):
    assert imported.is_dir()
    with open_zoo(read_settings(home=imported, lease_s=LEASE_S)) as zoo:
        add_dataset(zoo, digits, name="digits")
        yield zoo


@pytest.fixture
def start(zoo):
    """A function that has a process take a job; all are ended afterwards."""
    started, engine = [], LocalEngine(zoo=zoo)

    def start(number):
        attempt = await_true(lambda: jobs.claim(zoo, worker=engine.worker, number=number))
        started.append(engine.submit(attempt))
        return started[-1]

    yield start
    for process in started:
        process.kill()
    engine.close()


def await_true(ask):
    give_up = time.monotonic() + PATIENCE_S
    while not (found := ask()):
        assert time.monotonic() < give_up, "it does not come to that"
        time.sleep(0.02)
    return found


def send(process, number):
    os.killpg(process.process.pid, number)


def is_training(zoo, attempt):
    events = jobs.get_job(zoo, attempt.job).events
    return any(one.step == "train" and one.attempt == attempt.number for one in events)


def test_what_was_frozen_is_fenced_out_and_its_successor_ends_the_job_once(zoo, start):
    options = {"strategy": Strategy.FULL, "overrides": LONG}
    job = enqueue_finetune(zoo, "lenet", "digits", name="mine", **options)
    frozen = start(job.id)
    await_true(lambda: is_training(zoo, frozen.attempt))
    send(frozen, signal.SIGSTOP)
    newer = start(job.id)  # once the lease has run out
    assert newer.attempt.number == frozen.attempt.number + 1
    await_true(lambda: is_training(zoo, newer.attempt))
    send(frozen, signal.SIGCONT)
    frozen.await_end(PATIENCE_S)
    assert not frozen.is_running
    for write in (jobs.keep_alive, jobs.put_back):
        with pytest.raises(LeaseLost):
            write(zoo, frozen.attempt)
    newer.await_end(PATIENCE_S)
    done = jobs.get_job(zoo, job.id)
    assert done.state is JobState.SUCCEEDED, done.error
    assert [one.outcome for one in done.attempts] == ["lapsed", "succeeded"]
    numbers = [event.attempt for event in done.events]
    assert numbers == sorted(numbers)  # The older one said nothing after the newer one began.
    assert any("going on at step" in event.message for event in done.events)
    # A probe and what was trained, each once, both by this job.
    revisions = list_revisions(zoo, "mine")
    assert [one.job for one in revisions] == [job.id] * 2
    assert not list(zoo.trainings_folder.glob("*"))


def test_a_job_that_is_put_aside_stops_and_goes_on_from_its_checkpoint(zoo, start):
    options = {"strategy": Strategy.FULL, "overrides": LONG}
    job = enqueue_finetune(zoo, "lenet", "digits", name="mine", **options)
    first = start(job.id)
    await_true(lambda: is_training(zoo, first.attempt))
    steering.pause(zoo, job.id)
    first.await_end(PATIENCE_S)
    assert not first.is_running
    paused = jobs.get_job(zoo, job.id)
    assert (paused.state, paused.attempts[0].outcome) == (JobState.PAUSED, "paused")
    assert jobs.claim(zoo, worker="w", number=job.id) is None
    steering.resume(zoo, job.id)
    start(job.id).await_end(PATIENCE_S)
    done = jobs.get_job(zoo, job.id)
    assert done.state is JobState.SUCCEEDED, done.error
    assert any("going on at step" in event.message for event in done.events)
