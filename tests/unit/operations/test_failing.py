"""Attempts that failed: their jobs are tried again, or given up."""

from dataclasses import replace

import pytest

from zoo.catalog.leases import Reading
from zoo.domain.job import JobKind, JobState
from zoo.domain.retries import POLICIES
from zoo.errors import CatalogUnavailable, NoHead, StorageFull, StoreUnavailable
from zoo.operations import failing, jobs


def at(zoo, seconds):
    """Give the zoo at so many seconds by a clock of leases that stands still."""
    return replace(zoo, lease_clock=lambda _db: Reading(clock="test", at_s=seconds))


def test_a_job_that_fails_says_why(zoo, job, attempt):
    failing.fail(zoo, attempt, NoHead("It ends in a pooling."))
    found = jobs.get_job(zoo, job.id)
    assert found.state is JobState.FAILED
    assert found.error["error"]["message"] == "It ends in a pooling."


def test_a_job_that_is_lost_waits_and_at_the_third_time_fails(zoo, job):
    states = []
    for _ in range(3):
        attempt = jobs.claim(zoo, worker="here-1")
        failing.lose(zoo, attempt)
        states.append(jobs.get_job(zoo, job.id).state)
    assert states == [JobState.QUEUED, JobState.QUEUED, JobState.FAILED]
    error = jobs.get_job(zoo, job.id).error["error"]
    assert "died 3 times" in error["message"]
    assert str(zoo.log_path(attempt)) in error["hint"]


def test_leases_that_run_out_count_apart_and_at_the_tenth_the_job_is_given_up(zoo, job):
    now = Reading(clock="test", at_s=0.0)
    zoo = replace(zoo, lease_clock=lambda _db: now)
    failing.lose(zoo, jobs.claim(zoo, worker="here:home:1"))
    for _ in range(10):
        last = jobs.claim(zoo, worker="there:home:1")
        assert last is not None
        now = Reading(clock="test", at_s=now.at_s + 10 * zoo.settings.lease_s)
    assert jobs.get_job(zoo, job.id).state is JobState.RUNNING
    assert jobs.claim(zoo, worker="elsewhere:home:1") is None
    failed = jobs.get_job(zoo, job.id)
    assert failed.state is JobState.FAILED
    assert [one.outcome for one in failed.attempts] == ["lost", *["lapsed"] * 10, "failed"]
    error = failed.error["error"]
    assert "ran out 10 times" in error["message"]
    assert f"attempt {last.number} on there" in error["message"]  # the last one that ran
    assert error["hint"].endswith(f"zoo logs {job.id} --attempt {last.number}")


def test_interruptions_do_not_count_as_losses(zoo, job):
    for _ in range(5):
        jobs.put_back(zoo, jobs.claim(zoo, worker="here-1"))
    failing.lose(zoo, jobs.claim(zoo, worker="here-1"))
    assert jobs.get_job(zoo, job.id).state is JobState.QUEUED


def test_an_attempt_that_wrote_down_its_end_is_not_lost(zoo, job, attempt):
    jobs.put_back(zoo, attempt)
    newer = jobs.claim(zoo, worker="here-1")
    failing.lose(zoo, attempt)
    assert jobs.get_job(zoo, job.id).state is JobState.RUNNING
    jobs.keep_alive(zoo, newer)


def test_an_error_that_may_pass_is_tried_again_after_longer_and_longer_pauses(zoo, job):
    policy, now = POLICIES[JobKind.IMPORT], 0
    attempt = jobs.claim(at(zoo, now), worker="w")
    for retry in range(policy.most_retries):
        failing.fail(at(zoo, now), attempt, StoreUnavailable("gone"))
        assert jobs.get_job(zoo, job.id).state is JobState.QUEUED
        now += policy.pause_s(retry)
        assert jobs.claim(at(zoo, now - 0.5), worker="w") is None
        attempt = jobs.claim(at(zoo, now), worker="w")
    failing.fail(at(zoo, now), attempt, StoreUnavailable("gone for good"))
    done = jobs.get_job(zoo, job.id)
    assert done.state is JobState.FAILED
    assert done.error["error"]["message"] == "gone for good"
    assert [one.outcome for one in done.attempts] == ["retried"] * policy.most_retries + ["failed"]
    assert done.attempts[0].error["error"]["code"] == "store_unavailable"
    assert [event.message for event in done.events][:2] == [
        "gone It is tried again in 5 s.",
        "gone It is tried again in 10 s.",
    ]


def test_an_end_is_written_down_when_the_catalog_is_back(zoo, job, attempt, monkeypatch, states):
    monkeypatch.setattr(failing, "REST_S", 0)
    faults, write = iter([CatalogUnavailable(), CatalogUnavailable()]), failing._fail

    def fail(*given, **more):
        for fault in faults:
            raise fault
        write(*given, **more)

    monkeypatch.setattr(failing, "_fail", fail)
    failing.fail(zoo, attempt, NoHead())
    assert states(zoo, job.id) == ["failed"]


def test_a_catalog_that_stays_away_is_not_waited_for_longer_than_the_lease(
    zoo, monkeypatch, enqueue
):
    monkeypatch.setattr(failing, "REST_S", 0)
    short = replace(zoo, settings=zoo.settings.model_copy(update={"lease_s": 0.01}))
    number = enqueue(zoo, 1)
    attempt = jobs.claim(short, worker="w", number=number)

    def fail(*_, **__):
        raise CatalogUnavailable

    monkeypatch.setattr(failing, "_fail", fail)
    with pytest.raises(CatalogUnavailable):
        failing.fail(short, attempt, NoHead())


def test_a_full_disk_is_told_at_once_to_who_waits_and_waited_for_by_a_worker(
    zoo, job, attempt, monkeypatch, states
):
    monkeypatch.setattr(failing, "REST_S", 0)
    tries, write = [], failing._fail

    def fail(*given, **more):
        tries.append(1)
        if len(tries) % 3:
            raise StorageFull
        write(*given, **more)

    monkeypatch.setattr(failing, "_fail", fail)
    with pytest.raises(StorageFull):
        failing.fail(zoo, attempt, NoHead(), is_awaited=True)
    assert len(tries) == 1
    assert states(zoo, job.id) == ["running"]
    failing.fail(zoo, attempt, NoHead())
    assert len(tries) == 3
    assert states(zoo, job.id) == ["failed"]


@pytest.mark.parametrize("kind", [JobKind.IMPORT, JobKind.FINETUNE])
def test_who_waits_is_told_of_a_full_disk_unless_that_loses_a_checkpoint(zoo, kind):
    job = jobs.enqueue(zoo, kind, {"n": 7})
    attempt = jobs.claim(zoo, worker="here-1", number=job.id)
    failing.fail(zoo, attempt, StorageFull("No room left in x."), is_awaited=True)
    found = jobs.get_job(zoo, job.id)
    assert found.state is (JobState.FAILED if kind is JobKind.IMPORT else JobState.QUEUED)
