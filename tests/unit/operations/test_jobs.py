"""The life of a job, seen by those who queue it and those who do it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from zoo.domain.job import JobKind, JobState
from zoo.errors import JobNotFound, LeaseLost, NoHead
from zoo.operations import jobs

PARAMS = {"model": "net", "files": {"a": ["0", 1]}}


@pytest.fixture
def job(zoo):
    """A job in the queue."""
    return jobs.enqueue(zoo, JobKind.IMPORT, PARAMS)


@pytest.fixture
def attempt(zoo, job):
    """An attempt that holds it."""
    return jobs.claim(zoo, worker="here-1", number=job.id)


def later(zoo):
    """Give the zoo when every lease has run out."""
    now = zoo.clock() + timedelta(seconds=zoo.settings.lease_s + 1)
    return replace(zoo, clock=lambda: now)


def test_an_unfinished_job_that_is_to_do_the_same_is_taken_up_again(zoo, job):
    assert jobs.enqueue(zoo, JobKind.IMPORT, PARAMS).id == job.id
    jobs.claim(zoo, worker="here-1")
    assert jobs.enqueue(zoo, JobKind.IMPORT, PARAMS).id == job.id


@pytest.mark.parametrize(
    ("kind", "params"), [(JobKind.FINETUNE, PARAMS), (JobKind.IMPORT, PARAMS | {"model": "vgg"})]
)
def test_another_job_is_queued_beside_it(zoo, job, kind, params):
    assert jobs.enqueue(zoo, kind, params).id != job.id


def test_a_finished_job_is_queued_anew(zoo, job):
    jobs.cancel(zoo, job.id)
    assert jobs.enqueue(zoo, JobKind.IMPORT, PARAMS).id != job.id


def test_a_job_is_claimed_by_one(zoo, job, attempt):
    assert attempt.job == job.id
    assert jobs.claim(zoo, worker="there-2") is None
    assert [running.job for running, _ in jobs.list_running(zoo)] == [job.id]


def test_a_job_that_is_kept_alive_is_kept(zoo, attempt):
    keeper = later(zoo)
    jobs.keep_alive(keeper, attempt)
    assert jobs.claim(keeper, worker="there-2") is None


def test_a_job_that_falls_silent_is_taken_over(zoo, attempt):
    newer = jobs.claim(later(zoo), worker="there-2")
    assert (newer.job, newer.number) == (attempt.job, 2)
    for write in (jobs.keep_alive, jobs.put_back):
        with pytest.raises(LeaseLost):
            write(zoo, attempt)


def test_what_an_attempt_tells_is_heard(zoo, job, attempt):
    jobs.tell(zoo, attempt, "plan", "five folds")
    jobs.tell(zoo, attempt, "codes", "pictures", done=16, total=32)
    first, second = jobs.get_job(zoo, job.id).events
    assert (first.step, first.message, first.done) == ("plan", "five folds", None)
    assert (second.done, second.total) == (16, 32)
    assert jobs.get_job(zoo, job.id, after=1).events == (second,)


def test_a_job_that_is_put_back_waits(zoo, job, attempt):
    jobs.put_back(zoo, attempt)
    assert jobs.get_job(zoo, job.id).state is JobState.QUEUED


def test_a_job_that_fails_says_why(zoo, job, attempt):
    jobs.fail(zoo, attempt, NoHead("It ends in a pooling."))
    found = jobs.get_job(zoo, job.id)
    assert found.state is JobState.FAILED
    assert found.error["error"]["message"] == "It ends in a pooling."


def test_a_job_that_publishes_nothing_succeeds_with_what_it_found(zoo, job, attempt):
    jobs.succeed(zoo, attempt, {"accuracy": 0.5})
    done = jobs.get_job(zoo, job.id)
    assert (done.state, done.result) == (JobState.SUCCEEDED, {"accuracy": 0.5})
    with pytest.raises(LeaseLost):
        jobs.succeed(zoo, attempt, {})


def test_a_job_that_is_lost_waits_and_at_the_third_time_fails(zoo, job):
    states = []
    for _ in range(3):
        attempt = jobs.claim(zoo, worker="here-1")
        jobs.lose(zoo, attempt)
        states.append(jobs.get_job(zoo, job.id).state)
    assert states == [JobState.QUEUED, JobState.QUEUED, JobState.FAILED]
    error = jobs.get_job(zoo, job.id).error["error"]
    assert "died 3 times" in error["message"]
    assert str(zoo.log_path(attempt)) in error["hint"]


def test_interruptions_do_not_count_as_losses(zoo, job):
    for _ in range(5):
        jobs.put_back(zoo, jobs.claim(zoo, worker="here-1"))
    jobs.lose(zoo, jobs.claim(zoo, worker="here-1"))
    assert jobs.get_job(zoo, job.id).state is JobState.QUEUED


def test_an_attempt_that_wrote_down_its_end_is_not_lost(zoo, job, attempt):
    jobs.put_back(zoo, attempt)
    newer = jobs.claim(zoo, worker="here-1")
    jobs.lose(zoo, attempt)
    assert jobs.get_job(zoo, job.id).state is JobState.RUNNING
    jobs.keep_alive(zoo, newer)


def test_a_job_can_be_cancelled_at_any_time_and_again(zoo, job, attempt):
    assert jobs.cancel(zoo, job.id).state is JobState.CANCELLED
    assert jobs.cancel(zoo, job.id).state is JobState.CANCELLED
    with pytest.raises(LeaseLost):
        jobs.tell(zoo, attempt, "codes", "too late")


@pytest.mark.parametrize("ask", [jobs.get_job, jobs.cancel])
@pytest.mark.parametrize("number", [7, 10**20])
def test_an_unknown_number_is_not_found(zoo, ask, number):
    with pytest.raises(JobNotFound, match=str(number)):
        ask(zoo, number)


def test_jobs_are_listed_the_newest_first(zoo):
    numbers = [jobs.enqueue(zoo, JobKind.IMPORT, {"n": n}).id for n in range(3)]
    assert [job.id for job in jobs.list_jobs(zoo)] == numbers[::-1]
    assert [job.id for job in jobs.list_jobs(zoo, limit=1)] == numbers[-1:]


def test_a_job_whose_attempts_only_ever_lost_their_lease_is_given_up(zoo):
    job = jobs.enqueue(zoo, JobKind.IMPORT, {"model": "m"})
    times = iter(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(100))
    late = replace(zoo, clock=lambda: next(times))
    claimed = [jobs.claim(late, worker="w") for _ in range(5)]
    assert [attempt is not None for attempt in claimed] == [True, True, True, False, False]
    assert jobs.get_job(zoo, job.id).state is JobState.FAILED
