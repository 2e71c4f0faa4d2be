"""Jobs are claimed: each once, the oldest first, again when its lease has run out."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from zoo.catalog.attempts import list_running
from zoo.catalog.claiming import Claimant, choose_job, claim_job
from zoo.catalog.jobs import add_job, get_job
from zoo.catalog.tables import JobRow
from zoo.domain.job import Attempt, JobKind, JobState

LEASE_S = 60


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


def test_a_job_that_is_taken_over_keeps_when_it_first_began(db, add, claim, clock):
    job = add()
    claim()
    began = clock()
    clock.forward(LEASE_S + 1)
    claim()
    assert get_job(db, job.id).started_at == began


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
