"""Jobs as people steer them."""

from zoo.catalog.attempts import Outcome, end_attempt
from zoo.catalog.jobs import get_job
from zoo.catalog.steering import cancel_job
from zoo.domain.job import JobState

DONE = Outcome(state=JobState.SUCCEEDED, result={"revision": "net@0"})


def test_a_waiting_job_can_be_cancelled(db, add, claim, clock):
    job = add()
    assert cancel_job(db, job.id, now=clock())
    assert claim() is None


def test_a_finished_job_cannot_be_cancelled(db, add, claim, clock):
    job = add()
    end_attempt(db, claim(), DONE, now=clock())
    assert not cancel_job(db, job.id, now=clock())
    assert get_job(db, job.id).state is JobState.SUCCEEDED
