"""A job that is asked for once more while it is not finished goes on."""

from dataclasses import replace

import pytest

from zoo.catalog import jobs as rows
from zoo.catalog import repeats
from zoo.domain.job import JobKind, JobState
from zoo.domain.resources import Needs
from zoo.domain.terms import Terms
from zoo.errors import Conflict
from zoo.operations import jobs, steering

PARAMS = {"model": "net", "files": {"a": ["0", 1]}}


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
    steering.cancel(zoo, job.id)
    assert jobs.enqueue(zoo, JobKind.IMPORT, PARAMS).id != job.id


def test_a_job_that_somebody_adds_between_the_two_looks_is_taken_up(zoo, monkeypatch):
    added, find = [], rows.find_last_number

    def look(db):
        last = find(db)
        if not added:
            added.append(None)
            added[0] = jobs.enqueue(zoo, JobKind.IMPORT, PARAMS)
        return last

    monkeypatch.setattr(rows, "find_last_number", look)
    assert jobs.enqueue(zoo, JobKind.IMPORT, PARAMS).id == added[0].id
    assert len(jobs.list_jobs(zoo)) == 1


def test_a_job_that_ends_between_the_two_looks_is_queued_anew(zoo, job, monkeypatch):
    find = repeats.find_unfinished

    def look(db, *given, **more):
        found = find(db, *given, **more)
        if "at" not in more:
            steering.cancel(zoo, found.id)
        return found

    monkeypatch.setattr(repeats, "find_unfinished", look)
    assert jobs.enqueue(zoo, JobKind.IMPORT, PARAMS).id != job.id


def test_under_the_lock_of_writers_no_more_is_read_however_long_the_queue_is(zoo):
    for number in range(30):
        jobs.enqueue(zoo, JobKind.IMPORT, {"model": f"net-{number}"})
    params = {"model": "net-3"}
    with zoo.catalog.reading() as db:
        last = rows.find_last_number(db)
        assert repeats.find_unfinished(db, JobKind.IMPORT, params).id == 4
        assert not repeats.find_unfinished(db, JobKind.IMPORT, params, after=last)
        assert repeats.find_unfinished(db, JobKind.IMPORT, params, after=last, at=4).id == 4
        assert not repeats.find_unfinished(db, JobKind.IMPORT, params, after=last, at=5)


def test_a_job_that_was_put_aside_is_resumed_when_it_is_asked_for_again(zoo, job):
    steering.pause(zoo, job.id)
    again = jobs.enqueue(zoo, JobKind.IMPORT, PARAMS)
    assert (again.id, again.state) == (job.id, JobState.QUEUED)


@pytest.mark.parametrize(
    ("terms", "named", "hint"),
    [
        (Terms(priority=-5), "priority", "zoo jobs priority 1 -5"),
        (Terms(needs=Needs(threads=4)), "threads", "zoo jobs cancel 1"),
        (Terms(needs=Needs(memory_bytes=2**30)), "memory_bytes", "zoo jobs cancel 1"),
        (Terms(after=(2,)), "after", "zoo jobs cancel 1"),
        (Terms(after=(99,)), "after", "zoo jobs cancel 1"),
        (Terms(priority=-5, after=(2,)), "priority, after", "zoo jobs cancel 1"),
    ],
)
def test_terms_that_would_be_dropped_are_refused(zoo, job, terms, named, hint):
    jobs.enqueue(zoo, JobKind.VERIFY, {"model": None})
    steering.pause(zoo, job.id)
    before = jobs.get_job(zoo, job.id)
    with pytest.raises(Conflict, match=f"Job 1 .* on other terms: {named}") as caught:
        jobs.enqueue(replace(zoo, terms=terms), JobKind.IMPORT, PARAMS)
    assert hint in caught.value.hint
    assert jobs.get_job(zoo, job.id) == before


def test_a_priority_of_0_is_asked_for_only_where_it_is_given(zoo):
    jobs.enqueue(replace(zoo, terms=Terms(priority=-5)), JobKind.IMPORT, PARAMS)
    assert jobs.enqueue(zoo, JobKind.IMPORT, PARAMS).priority == -5
    with pytest.raises(Conflict, match="on other terms: priority") as caught:
        jobs.enqueue(replace(zoo, terms=Terms(priority=0)), JobKind.IMPORT, PARAMS)
    assert "zoo jobs priority 1 0" in caught.value.hint
    steering.set_priority(zoo, 1, 0)
    assert jobs.enqueue(replace(zoo, terms=Terms(priority=0)), JobKind.IMPORT, PARAMS).id == 1


def test_terms_that_are_the_same_or_left_out_take_a_job_up_again(zoo):
    earlier, done = (jobs.enqueue(zoo, JobKind.VERIFY, {"model": one}) for one in ("a", "b"))
    jobs.succeed(zoo, jobs.claim(zoo, worker="w", number=done.id), {})
    terms = Terms(priority=-5, after=(earlier.id,), needs=Needs(threads=2, memory_bytes=2**20))
    asked = jobs.enqueue(replace(zoo, terms=terms), JobKind.IMPORT, PARAMS)
    for again in (terms, Terms(), Terms(priority=-5), Terms(after=(earlier.id, done.id))):
        taken = jobs.enqueue(replace(zoo, terms=again), JobKind.IMPORT, PARAMS)
        assert (taken.id, taken.priority, taken.after) == (asked.id, -5, (earlier.id,))
