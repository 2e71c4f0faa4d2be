"""The terms on which a job may be queued."""

from dataclasses import replace

import pytest

from zoo.domain.access import Caller, Role
from zoo.domain.job import JobKind, JobState
from zoo.domain.resources import Needs
from zoo.domain.terms import HIGHEST, LOWEST
from zoo.errors import Conflict, Forbidden, Invalid, JobNotFound
from zoo.operations import jobs, steering


def test_a_job_keeps_the_terms_on_which_it_was_queued(zoo, enqueue):
    first = enqueue(zoo, 1)
    needs = Needs(threads=2, memory_bytes=3, gpus=1)
    job = jobs.get_job(zoo, enqueue(zoo, 2, priority=5, after=(first,), needs=needs))
    assert (job.priority, job.after, job.threads, job.memory_bytes, job.gpus) == (5, (1,), 2, 3, 1)
    assert job.state is JobState.WAITING


def test_accounts_order_their_own_jobs_and_go_before_nobody_else(zoo, ada, enqueue):
    number = enqueue(ada, 1, priority=LOWEST)
    assert steering.set_priority(ada, number, -3).priority == -3
    for priority in (1, HIGHEST):
        with pytest.raises(Forbidden, match="before those of others"):
            enqueue(ada, 2, priority=priority)
        with pytest.raises(Forbidden):
            steering.set_priority(ada, number, priority)
    assert steering.set_priority(zoo, number, HIGHEST).priority == HIGHEST
    with pytest.raises(Forbidden):  # what an admin has decided
        steering.set_priority(ada, number, 0)
    for priority in (LOWEST - 1, HIGHEST + 1):
        with pytest.raises(Invalid):
            steering.set_priority(zoo, number, priority)


def test_nothing_comes_after_a_job_that_is_not_there_or_did_not_succeed(zoo, ada, enqueue):
    first = enqueue(zoo, 1)
    with pytest.raises(JobNotFound, match="99"):
        enqueue(zoo, 2, after=(99,))
    with pytest.raises(JobNotFound):
        enqueue(ada, 2, after=(first,))  # which is another's
    steering.cancel(zoo, first)
    with pytest.raises(Conflict, match="was cancelled"):
        enqueue(zoo, 2, after=(first,))
    assert len(jobs.list_jobs(zoo)) == 1


def test_an_account_has_no_more_unfinished_jobs_than_it_may(zoo):
    few = replace(zoo, settings=zoo.settings.model_copy(update={"quota_jobs": 2}))
    ada = replace(few, caller=Caller(account="ada", roles={"ada": Role.WRITE}))
    first, _ = (jobs.enqueue(ada, JobKind.IMPORT, {"model": f"ada/{one}"}) for one in range(2))
    assert jobs.enqueue(ada, JobKind.IMPORT, dict(first.params)).id == first.id
    with pytest.raises(Conflict, match="'ada' may have 2 jobs that are not finished, and has 2"):
        jobs.enqueue(ada, JobKind.IMPORT, {"model": "ada/more"})
    for one in range(3):  # Those who look after the zoo may have any.
        jobs.enqueue(few, JobKind.IMPORT, {"model": str(one)})
    steering.cancel(ada, first.id)
    assert jobs.enqueue(ada, JobKind.IMPORT, {"model": "ada/more"}).account == "ada"
