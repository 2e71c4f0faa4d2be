"""Jobs as people steer them."""

import pytest

from zoo.domain.job import JobState
from zoo.errors import JobNotFound, LeaseLost
from zoo.operations import failing, jobs, steering
from zoo.operations.access import list_audit


def test_a_job_can_be_cancelled_at_any_time_and_again(zoo, job, attempt):
    assert steering.cancel(zoo, job.id).state is JobState.CANCELLED
    assert steering.cancel(zoo, job.id).state is JobState.CANCELLED
    with pytest.raises(LeaseLost):
        jobs.tell(zoo, attempt, "codes", "too late")


def test_a_job_that_waits_is_put_aside_and_resumed(zoo, enqueue, end, states):
    first = enqueue(zoo, 1)
    second = enqueue(zoo, 2, after=(first,))
    assert [steering.pause(zoo, number).state.value for number in (first, second)] == ["paused"] * 2
    assert jobs.claim(zoo, worker="w") is None
    assert steering.resume(zoo, second).state is JobState.WAITING
    assert steering.resume(zoo, first).state is JobState.QUEUED
    steering.pause(zoo, second)
    end(zoo, first)
    assert states(zoo, second) == ["paused"]
    assert steering.resume(zoo, second).state is JobState.QUEUED


def test_a_job_that_runs_is_put_aside_when_its_attempt_stops(zoo, job, attempt):
    paused = steering.pause(zoo, job.id)
    assert (paused.state, paused.is_pausing) == (JobState.RUNNING, True)
    assert jobs.is_pausing(zoo, attempt)
    jobs.put_back(zoo, attempt)
    found = jobs.get_job(zoo, job.id)
    assert (found.state, found.is_pausing) == (JobState.PAUSED, False)
    assert found.attempts[0].outcome == "paused"
    assert jobs.claim(zoo, worker="w") is None
    steering.resume(zoo, job.id)
    assert jobs.claim(zoo, worker="w").number == 2


def test_an_attempt_that_is_lost_while_it_is_put_aside_leaves_it_so(zoo, job, attempt, states):
    steering.pause(zoo, job.id)
    failing.lose(zoo, attempt)
    assert states(zoo, job.id) == ["paused"]


def test_a_job_that_is_resumed_before_it_stopped_goes_on(zoo, job, attempt, states):
    steering.pause(zoo, job.id)
    steering.resume(zoo, job.id)
    assert not jobs.is_pausing(zoo, attempt)
    jobs.put_back(zoo, attempt)
    assert states(zoo, job.id) == ["queued"]


def test_a_job_that_succeeds_while_it_is_put_aside_has_succeeded(zoo, job, attempt, states):
    steering.pause(zoo, job.id)
    jobs.succeed(zoo, attempt, {})
    assert states(zoo, job.id) == ["succeeded"]


@pytest.mark.parametrize("change", [steering.pause, steering.resume])
def test_a_finished_job_stays_as_it_is(zoo, job, change):
    steering.cancel(zoo, job.id)
    assert change(zoo, job.id).state is JobState.CANCELLED
    assert steering.set_priority(zoo, job.id, 5).priority == 0


def test_a_priority_is_changed_and_counts(zoo, enqueue):
    enqueue(zoo, 1)
    other = enqueue(zoo, 2)
    assert steering.set_priority(zoo, other, 1).priority == 1
    assert jobs.claim(zoo, worker="w").job == other


def test_jobs_of_others_are_not_there(ada, job):
    for change in (steering.pause, steering.resume, steering.cancel):
        with pytest.raises(JobNotFound):
            change(ada, job.id)
    with pytest.raises(JobNotFound):
        steering.set_priority(ada, job.id, -1)


def test_whatever_is_done_to_a_job_is_audited(zoo, job):
    steering.set_priority(zoo, job.id, 2)
    steering.pause(zoo, job.id)
    steering.resume(zoo, job.id)
    steering.cancel(zoo, job.id)
    found = list_audit(zoo, subject=f"job {job.id}")
    assert [entry.action for entry in reversed(found)] == [
        "job.priority",
        "job.pause",
        "job.resume",
        "job.cancel",
    ]
    assert found[-1].detail == {"before": 0, "to": 2}
