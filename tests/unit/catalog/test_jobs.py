"""Jobs: one attempt holds a job, and only it can write."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from zoo.catalog.claiming import LAPSED, Claimant, choose_job, claim_job
from zoo.catalog.jobs import (
    LOST,
    Outcome,
    add_event,
    add_job,
    cancel_job,
    count_attempts,
    end_attempt,
    find_unfinished,
    get_job,
    list_jobs,
    list_running,
)
from zoo.catalog.leases import check_lease, extend_lease
from zoo.catalog.tables import AttemptRow, JobRow
from zoo.domain.job import Attempt, JobEvent, JobKind, JobState, JobWish
from zoo.errors import JobNotFound, LeaseLost

LEASE_S = 60
BEYOND_ANY_NUMBER = 10**20
DONE = Outcome(state=JobState.SUCCEEDED, result={"revision": "net@0"})
BACK = Outcome(state=JobState.QUEUED)
GONE = Outcome(state=JobState.QUEUED, name=LOST)


@pytest.fixture
def add(db, clock):
    """Queue a job."""
    return lambda kind=JobKind.IMPORT, **params: add_job(db, kind, params, now=clock())


@pytest.fixture
def claim(db, clock):
    """Take a job."""
    return lambda number=None, worker="here:home:1": claim_job(
        db,
        Claimant(worker=worker),
        now=clock(),
        reading=clock.reading(),
        lease_s=LEASE_S,
        number=number,
    )


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


def test_a_new_job_waits(db, add, clock):
    job = add(model="net")
    found = get_job(db, job.id)
    assert found == job
    assert (found.state, found.attempt, found.params) == (JobState.QUEUED, 0, {"model": "net"})
    assert (found.created_at, found.started_at, found.finished_at) == (clock(), None, None)


def test_a_job_is_claimed_once(add, claim):
    job = add()
    assert claim() == Attempt(job=job.id, number=1)
    assert claim() is None


def test_the_oldest_job_comes_first(add, claim):
    jobs = [add(number=number).id for number in range(3)]
    assert [claim().job for _ in jobs] == jobs


def test_a_job_of_higher_priority_comes_before(db, add, claim):
    add(number=1)
    urgent = add(number=2)
    db.get(JobRow, urgent.id).priority = 1
    db.flush()
    assert claim().job == urgent.id


def test_a_job_can_be_claimed_by_its_number(add, claim):
    add(number=1)
    wanted = add(number=2)
    assert claim(wanted.id).job == wanted.id
    assert claim(wanted.id) is None


def test_a_claimed_job_runs(db, add, claim, clock):
    job = add()
    clock.forward(5)
    claim()
    found = get_job(db, job.id)
    assert (found.state, found.started_at) == (JobState.RUNNING, clock())
    assert [attempt for attempt, _ in list_running(db)] == [Attempt(job=job.id, number=1)]


@pytest.mark.parametrize(("seconds", "is_free"), [(LEASE_S, False), (LEASE_S + 1, True)])
def test_a_silent_job_is_given_to_another_when_its_lease_has_run_out(
    add, claim, clock, seconds, is_free
):
    job = add()
    claim()
    clock.forward(seconds)
    assert claim() == (Attempt(job=job.id, number=2) if is_free else None)


def test_a_lease_can_be_extended(db, add, claim, clock):
    add()
    attempt = claim()
    clock.forward(LEASE_S)
    extend_lease(db, attempt, reading=clock.reading(), lease_s=LEASE_S)
    clock.forward(LEASE_S)
    assert claim() is None


def test_a_job_that_is_taken_over_keeps_when_it_first_began(db, add, claim, clock):
    job = add()
    claim()
    began = clock()
    clock.forward(LEASE_S + 1)
    claim()
    assert get_job(db, job.id).started_at == began


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


def test_a_waiting_job_can_be_cancelled(db, add, claim, clock):
    job = add()
    assert cancel_job(db, job.id, now=clock())
    assert claim() is None


def test_a_finished_job_cannot_be_cancelled(db, add, claim, clock):
    job = add()
    end_attempt(db, claim(), DONE, now=clock())
    assert not cancel_job(db, job.id, now=clock())
    assert get_job(db, job.id).state is JobState.SUCCEEDED


@pytest.mark.parametrize("number", [0, 1, -1, BEYOND_ANY_NUMBER])
def test_an_unknown_number_is_not_found(db, clock, number):
    with pytest.raises(JobNotFound):
        get_job(db, number)
    assert not cancel_job(db, number, now=clock())


def test_an_unfinished_job_is_found_by_what_it_is_to_do(db, add, claim):
    add(model="other")
    job = add(model="net", files={"a": ["0", 1]})
    params = {"files": {"a": ["0", 1]}, "model": "net"}
    assert find_unfinished(db, JobKind.IMPORT, params).id == job.id
    claim(job.id)
    assert find_unfinished(db, JobKind.IMPORT, params).id == job.id
    assert find_unfinished(db, JobKind.FINETUNE, params) is None
    assert find_unfinished(db, JobKind.IMPORT, {"model": "net"}) is None


def test_a_finished_job_is_not_unfinished(db, add, claim, clock):
    add(model="net")
    end_attempt(db, claim(), DONE, now=clock())
    assert find_unfinished(db, JobKind.IMPORT, {"model": "net"}) is None


def test_jobs_are_listed_the_newest_first(db, add):
    jobs = [add(number=number).id for number in range(4)]
    assert [job.id for job in list_jobs(db)] == jobs[::-1]
    assert [job.id for job in list_jobs(db, limit=2)] == jobs[:1:-1]


def test_jobs_are_listed_by_what_they_work_on(db, clock):
    def add(kind=JobKind.FINETUNE, **params):
        return add_job(db, kind, params, now=clock()).id

    one, other = add(model="m@1", dataset="d@1"), add(model="m@2", dataset="d@1")
    advice, whole = add(JobKind.ADVISE, model="m@1", dataset="d@1"), add(model=None)

    def listed(before=None, **wish):
        return [job.id for job in list_jobs(db, wish=JobWish(**wish), before=before)]

    assert listed(model="m@1", dataset="d@1") == [advice, one]
    assert listed(kind=JobKind.FINETUNE, dataset="d@1") == [other, one]
    assert listed(dataset="d@1", before=advice) == [other, one]
    assert listed(before=2**40) == [whole, advice, other, one]
    assert listed(model="m") == []


def test_it_is_told_whether_there_is_a_job_to_take(db, add, claim, clock):
    def has_free():
        return choose_job(db, Claimant(worker="w"), reading=clock.reading()) is not None

    seen = [has_free()]
    add()
    seen.append(has_free())
    claim()
    seen.append(has_free())
    clock.forward(LEASE_S + 1)
    seen.append(has_free())
    assert seen == [False, True, False, True]


def test_of_many_workers_who_claim_at_once_no_two_get_the_same_job(catalog, clock):
    count, workers = 50, 2
    with catalog.writing() as db:
        jobs = {add_job(db, JobKind.IMPORT, {"number": n}, now=clock()).id for n in range(count)}
    together = threading.Barrier(workers)

    def work(worker):
        together.wait()
        mine = []
        while True:
            with catalog.writing() as db:
                attempt = claim_job(
                    db,
                    Claimant(worker=f"w{worker}"),
                    now=clock(),
                    reading=clock.reading(),
                    lease_s=LEASE_S,
                )
            if attempt is None:
                return mine
            mine.append(attempt)

    with ThreadPoolExecutor(workers) as pool:
        claimed = [attempt for mine in pool.map(work, range(workers)) for attempt in mine]
    assert sorted(attempt.job for attempt in claimed) == sorted(jobs)
    assert {attempt.number for attempt in claimed} == {1}
