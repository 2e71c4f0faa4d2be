"""Jobs: asked for, and looked at."""

import pytest

from zoo.catalog.jobs import add_job, get_job, list_jobs
from zoo.catalog.steering import cancel_job
from zoo.domain.job import JobKind, JobState, JobWish
from zoo.errors import JobNotFound

BEYOND_ANY_NUMBER = 10**20


def test_a_new_job_waits(db, add, clock):
    job = add(model="net")
    found = get_job(db, job.id)
    assert found == job
    assert (found.state, found.attempt, found.params) == (JobState.QUEUED, 0, {"model": "net"})
    assert (found.created_at, found.started_at, found.finished_at) == (clock(), None, None)


@pytest.mark.parametrize("number", [0, 1, -1, BEYOND_ANY_NUMBER])
def test_an_unknown_number_is_not_found(db, clock, number):
    with pytest.raises(JobNotFound):
        get_job(db, number)
    assert not cancel_job(db, number, now=clock())


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
