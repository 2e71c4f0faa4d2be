"""Attempts: one holds a job, and only it can write."""

import pytest

from zoo.catalog.attempts import (
    LAPSED,
    LOST,
    Outcome,
    add_event,
    count_attempts,
    end_attempt,
    list_running,
)
from zoo.catalog.jobs import get_job
from zoo.catalog.leases import check_lease, extend_lease
from zoo.catalog.steering import cancel_job
from zoo.catalog.tables import AttemptRow
from zoo.domain.job import Attempt, JobEvent, JobState
from zoo.errors import LeaseLost

LEASE_S = 60
BEYOND_ANY_NUMBER = 10**20
DONE = Outcome(state=JobState.SUCCEEDED, result={"revision": "net@0"})
BACK = Outcome(state=JobState.QUEUED)
GONE = Outcome(state=JobState.QUEUED, name=LOST)


def make_event(clock, message="reading", **more):
    return JobEvent(number=0, attempt=0, at=clock(), step="codes", message=message, **more)


WRITES = {
    "extend_lease": lambda db, attempt, clock: extend_lease(
        db, attempt, reading=clock.reading(), lease_s=LEASE_S
    ),
    "check_lease": lambda db, attempt, _clock: check_lease(db, attempt),
    "add_event": lambda db, attempt, clock: add_event(db, attempt, make_event(clock)),
    "end_attempt": lambda db, attempt, clock: end_attempt(db, attempt, DONE, now=clock()),
}


@pytest.fixture(params=WRITES)
def write(request):
    """Each thing that an attempt can write."""
    return WRITES[request.param]


def test_a_lease_can_be_extended(db, add, claim, clock):
    add()
    attempt = claim()
    clock.forward(LEASE_S)
    extend_lease(db, attempt, reading=clock.reading(), lease_s=LEASE_S)
    clock.forward(LEASE_S)
    assert claim() is None


def test_the_attempt_that_holds_the_job_can_write(db, add, claim, clock, write):
    add()
    write(db, claim(), clock)


def test_an_attempt_whose_job_was_taken_over_can_write_nothing(db, add, claim, clock, write):
    add()
    attempt = claim()
    clock.forward(LEASE_S + 1)
    newer = claim()
    before = get_job(db, attempt.job)
    with pytest.raises(LeaseLost) as caught:
        write(db, attempt, clock)
    assert caught.value.detail == {"job": attempt.job, "attempt": 1}
    assert get_job(db, attempt.job) == before
    check_lease(db, newer)


def test_an_attempt_whose_job_was_cancelled_can_write_nothing(db, add, claim, clock, write):
    add()
    attempt = claim()
    assert cancel_job(db, attempt.job, now=clock())
    with pytest.raises(LeaseLost):
        write(db, attempt, clock)
    assert get_job(db, attempt.job).state is JobState.CANCELLED


def test_an_attempt_that_has_ended_can_write_nothing(db, add, claim, clock, write):
    add()
    attempt = claim()
    end_attempt(db, attempt, BACK, now=clock())
    with pytest.raises(LeaseLost):
        write(db, attempt, clock)


def test_an_attempt_that_ran_out_but_was_not_taken_over_still_counts(db, add, claim, clock):
    add()
    attempt = claim()
    clock.forward(10 * LEASE_S)
    end_attempt(db, attempt, DONE, now=clock())
    assert get_job(db, attempt.job).state is JobState.SUCCEEDED


def test_success_is_final_and_keeps_its_result(db, add, claim, clock):
    job = add()
    attempt = claim()
    clock.forward(5)
    end_attempt(db, attempt, DONE, now=clock())
    found = get_job(db, job.id)
    assert (found.state, found.result) == (JobState.SUCCEEDED, DONE.result)
    assert found.finished_at == clock()
    clock.forward(LEASE_S + 1)
    assert claim() is None
    assert list_running(db) == []


def test_failure_keeps_its_error(db, add, claim, clock):
    job = add()
    error = {"error": {"code": "no_head"}}
    end_attempt(db, claim(), Outcome(state=JobState.FAILED, error=error), now=clock())
    assert get_job(db, job.id).error == error


def test_a_job_that_is_put_back_waits_for_the_next_attempt(db, add, claim, clock):
    job = add()
    end_attempt(db, claim(), BACK, now=clock())
    found = get_job(db, job.id)
    assert (found.state, found.finished_at) == (JobState.QUEUED, None)
    assert claim() == Attempt(job=job.id, number=2)


def test_attempts_that_ended_without_a_word_are_counted(db, add, claim, clock):
    job = add()
    end_attempt(db, claim(), GONE, now=clock())
    end_attempt(db, claim(), BACK, now=clock())
    assert count_attempts(db, job.id) == 1
    claim()
    clock.forward(LEASE_S + 1)
    claim()
    assert count_attempts(db, job.id) == 1
    assert count_attempts(db, job.id, LAPSED) == 1


def test_an_attempt_is_remembered_with_its_worker_and_its_end(db, add, claim, clock):
    add()
    attempt = claim(worker="there-7")
    began = clock()
    clock.forward(3)
    end_attempt(db, attempt, DONE, now=clock())
    row = db.get(AttemptRow, (attempt.job, attempt.number), populate_existing=True)
    assert (row.worker, row.outcome) == ("there-7", "succeeded")
    assert (row.started_at, row.ended_at) == (began, clock())


def test_events_are_numbered_from_one_and_told_after_those_already_seen(db, add, claim, clock):
    job = add()
    attempt = claim()
    for done in range(3):
        add_event(db, attempt, make_event(clock, done=done, total=3))
    events = get_job(db, job.id).events
    assert [(event.number, event.attempt, event.done) for event in events] == [
        (1, 1, 0),
        (2, 1, 1),
        (3, 1, 2),
    ]
    assert get_job(db, job.id, after=2).events == events[2:]
    assert get_job(db, job.id, after=BEYOND_ANY_NUMBER).events == ()


def test_events_of_the_next_attempt_go_on_counting(db, add, claim, clock):
    job = add()
    for message in ("first", "second"):
        attempt = claim()
        add_event(db, attempt, make_event(clock, message))
        end_attempt(db, attempt, BACK, now=clock())
    events = get_job(db, job.id).events
    assert [(event.number, event.attempt, event.message) for event in events] == [
        (1, 1, "first"),
        (2, 2, "second"),
    ]
