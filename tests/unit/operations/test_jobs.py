"""The life of a job, seen by those who queue it and those who do it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from zoo.domain.job import JobKind, JobState
from zoo.errors import JobNotFound, LeaseLost, NoHead
from zoo.operations import jobs, steering


def test_a_job_is_claimed_by_one(zoo, job, attempt):
    assert attempt.job == job.id
    assert jobs.claim(zoo, worker="there-2") is None
    assert [running.job for running, _ in jobs.list_running(zoo)] == [job.id]


def test_a_job_that_is_kept_alive_is_kept(zoo, attempt, later):
    keeper = later(zoo)
    jobs.keep_alive(keeper, attempt)
    assert jobs.claim(keeper, worker="there-2") is None


def test_a_job_that_falls_silent_is_taken_over(zoo, attempt, later):
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


def test_a_job_that_publishes_nothing_succeeds_with_what_it_found(zoo, job, attempt):
    jobs.succeed(zoo, attempt, {"accuracy": 0.5})
    done = jobs.get_job(zoo, job.id)
    assert (done.state, done.result) == (JobState.SUCCEEDED, {"accuracy": 0.5})
    with pytest.raises(LeaseLost):
        jobs.succeed(zoo, attempt, {})


@pytest.mark.parametrize("ask", [jobs.get_job, steering.cancel])
@pytest.mark.parametrize("number", [7, 10**20])
def test_an_unknown_number_is_not_found(zoo, ask, number):
    with pytest.raises(JobNotFound, match=str(number)):
        ask(zoo, number)


def test_jobs_are_listed_the_newest_first(zoo):
    numbers = [jobs.enqueue(zoo, JobKind.IMPORT, {"n": n}).id for n in range(3)]
    assert [job.id for job in jobs.list_jobs(zoo)] == numbers[::-1]
    assert [job.id for job in jobs.list_jobs(zoo, limit=1)] == numbers[-1:]


def test_a_job_waits_for_those_that_it_comes_after(zoo, enqueue, end, states):
    first, second = enqueue(zoo, 1), enqueue(zoo, 2)
    last = enqueue(zoo, 3, after=(second, first, first))
    assert jobs.get_job(zoo, last).after == (first, second)
    assert jobs.claim(zoo, worker="w", number=last) is None
    end(zoo, first)
    assert states(zoo, last) == ["waiting"]
    end(zoo, second)
    assert states(zoo, last) == ["queued"]
    assert jobs.claim(zoo, worker="w").job == last


def test_a_job_after_one_that_has_succeeded_waits_for_nothing(zoo, enqueue, end, states):
    first = enqueue(zoo, 1)
    end(zoo, first)
    assert states(zoo, enqueue(zoo, 2, after=(first,))) == ["queued"]


@pytest.mark.parametrize("ending", ["failed", "cancelled"])
def test_what_comes_after_a_job_that_did_not_succeed_ends_as_it_did(
    zoo, ending, enqueue, end, states
):
    first = enqueue(zoo, 1)
    second = enqueue(zoo, 2, after=(first,))
    third, aside = enqueue(zoo, 3, after=(second,)), enqueue(zoo, 4, after=(second,))
    beside = enqueue(zoo, 5)
    steering.pause(zoo, aside)
    if ending == "failed":
        end(zoo, first, NoHead("It ends in a pooling."))
    else:
        steering.cancel(zoo, first)
    assert states(zoo, first, second, third, aside, beside) == [ending] * 4 + ["queued"]
    told = jobs.get_job(zoo, third).error["error"]
    assert told["code"] == "earlier_job_failed"
    assert f"Job {first}, " in told["message"]
    assert f"by way of job {second}" in told["message"]
    assert ("It ends in a pooling." in told["message"]) == (ending == "failed")
    assert f"zoo jobs rerun {first}" in told["hint"]
    assert jobs.get_job(zoo, third).finished_at is not None


@pytest.mark.parametrize("hours", [-7, 7])
def test_a_worker_whose_clock_jumps_keeps_its_lease_and_takes_nobodys(
    zoo, job, attempt, hours, states
):
    wrong = replace(zoo, clock=lambda: zoo.clock() + timedelta(hours=hours))
    jobs.keep_alive(wrong, attempt)  # by the one whose clock has jumped
    assert jobs.claim(zoo, worker="there-2") is None
    jobs.keep_alive(zoo, attempt)  # by another
    assert jobs.claim(wrong, worker="there-2") is None
    jobs.tell(wrong, attempt, "fit", "as if nothing had happened")
    jobs.succeed(wrong, attempt, {})
    assert states(zoo, job.id) == ["succeeded"]
