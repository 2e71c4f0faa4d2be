"""What a token does not allow, the jobs that are asked for with it are not allowed either."""

from dataclasses import replace

import pytest

from zoo.domain.access import Limit, Role
from zoo.domain.job import JobKind, JobState
from zoo.errors import Forbidden, JobNotFound
from zoo.operations import jobs, steering
from zoo.operations.accounts import authenticate, create_token, grant_role
from zoo.operations.alias import enqueue_alias, move_alias
from zoo.operations.beginning import begin
from zoo.operations.logs import read_log
from zoo.operations.rerun import rerun

WORK = {"model": "ada/net", "name": "ada/net"}


@pytest.fixture
def shows(zoo):
    """A function that gives the zoo as ada has it who shows a new token."""
    for owner in ("ada", "lab"):
        grant_role(zoo, "ada", owner, Role.ADMIN)

    def shows(role=Role.ADMIN, owner=None):
        secret = create_token(zoo, "ada", role=role, owner=owner).secret
        return replace(zoo, caller=authenticate(zoo, secret))

    return shows


@pytest.fixture
def run(zoo):
    """A function that runs the job that is next with a body."""

    def run(body):
        attempt = jobs.claim(zoo, worker="w")
        return body(zoo, begin(zoo, attempt), attempt)

    return run


def test_a_token_for_one_owner_knows_the_jobs_that_were_asked_for_with_such_a_token(zoo, shows):
    whole, lab, other_lab = shows(), shows(owner="lab"), shows(Role.WRITE, "lab")
    mine = jobs.enqueue(whole, JobKind.SURGERY, WORK)
    labs = jobs.enqueue(lab, JobKind.SURGERY, WORK | {"name": "lab/net"})
    for asked in (
        lambda: jobs.get_job(lab, mine.id),
        lambda: steering.cancel(lab, mine.id),
        lambda: steering.pause(lab, mine.id),
        lambda: steering.resume(lab, mine.id),
        lambda: steering.set_priority(lab, mine.id, -1),
        lambda: rerun(lab, mine.id),
        lambda: read_log(lab, mine.id),
        lambda: enqueue_alias(lab, f"job:{mine.id}", "production"),
    ):
        with pytest.raises(JobNotFound):
            asked()
    assert jobs.get_job(zoo, mine.id).state is JobState.QUEUED
    assert [job.id for job in jobs.list_jobs(lab)] == [labs.id]
    assert [job.id for job in jobs.list_jobs(other_lab)] == [labs.id]
    assert [job.id for job in jobs.list_jobs(shows(owner="ada"))] == []
    assert [job.id for job in jobs.list_jobs(whole)] == [labs.id, mine.id]
    assert [job.id for job in jobs.list_jobs(zoo)] == [labs.id, mine.id]
    assert steering.cancel(other_lab, labs.id).state is JobState.CANCELLED


def test_a_job_keeps_the_limit_of_its_token_beside_what_it_is_to_do(shows):
    lab = shows(Role.WRITE, "lab")
    job = jobs.enqueue(lab, JobKind.SURGERY, WORK)
    assert (job.params, job.limit) == (WORK, Limit(role=Role.WRITE, owner="lab"))
    assert jobs.enqueue(shows(Role.WRITE, "lab"), JobKind.SURGERY, WORK).id == job.id
    whole = jobs.enqueue(shows(), JobKind.SURGERY, WORK)
    assert (whole.id, whole.limit) == (job.id + 1, None)


def test_what_comes_of_a_job_is_used_within_the_limit(zoo, shows, run, published):
    lab = shows(Role.WRITE, "lab")
    first = jobs.enqueue(lab, JobKind.SURGERY, {"name": "lab/net", "model": None})
    job = enqueue_alias(lab, f"job:{first.id}", "production")
    address = published("ada/net").address
    jobs.succeed(zoo, jobs.claim(zoo, worker="w", number=first.id), {"revision": address})
    with pytest.raises(Forbidden):
        run(move_alias)
    assert jobs.get_job(zoo, job.id).limit == job.limit


def test_a_settled_job_keeps_its_limit(zoo, shows, run, published):
    lab = shows(Role.WRITE, "lab")
    first = jobs.enqueue(lab, JobKind.SURGERY, {"name": "lab/net", "model": None})
    job = enqueue_alias(lab, f"job:{first.id}", "production")
    address = published("lab/net").address
    jobs.succeed(zoo, jobs.claim(zoo, worker="w", number=first.id), {"revision": address})
    run(move_alias)
    done = jobs.get_job(lab, job.id)
    assert (done.state, done.limit) == (JobState.SUCCEEDED, job.limit)
    assert done.params == {"model": address, "alias": "production"}
