"""What an account may not do any more, its jobs do not do either."""

from dataclasses import replace

import pytest

from zoo.domain.access import Role
from zoo.domain.job import JobKind, JobState
from zoo.errors import Forbidden, ModelNotFound
from zoo.operations import jobs, steering
from zoo.operations.accounts import authenticate, create_token, grant_role, withdraw_role
from zoo.operations.beginning import begin
from zoo.operations.models import set_private
from zoo.operations.publish import Publication, publish
from zoo.operations.refs import protect_ref


@pytest.fixture
def ada(zoo):
    """The zoo as ada has it, who may write what is the lab's."""
    grant_role(zoo, "ada", "lab", Role.WRITE)
    return replace(zoo, caller=authenticate(zoo, create_token(zoo, "ada").secret))


@pytest.fixture
def surgery(published):
    return {"model": published("lab/net").address, "name": "lab/cut"}


def result(zoo, attempt, model="lab/cut", **more):
    """What an attempt publishes."""
    return Publication(
        model=model,
        files={"README.md": zoo.blobs.put([b"# cut"])},
        message="",
        attempt=attempt,
        **more,
    )


def test_a_withdrawn_role_ends_what_was_queued_and_what_was_put_aside(zoo, ada, surgery):
    queued = jobs.enqueue(ada, JobKind.SURGERY, surgery)
    aside = jobs.enqueue(ada, JobKind.SURGERY, surgery | {"name": "lab/other"})
    steering.pause(ada, aside.id)
    withdraw_role(zoo, "ada", "lab")
    with pytest.raises(Forbidden):
        begin(zoo, jobs.claim(zoo, worker="w", number=queued.id))
    with pytest.raises(Forbidden):
        steering.resume(ada, aside.id)
    assert jobs.get_job(zoo, aside.id).state is JobState.PAUSED


@pytest.mark.parametrize("refs", [("main",), ("probe", "main")])
def test_a_role_that_is_withdrawn_while_a_job_runs_lets_it_publish_nothing(zoo, ada, surgery, refs):
    job = jobs.enqueue(ada, JobKind.SURGERY, surgery)
    attempt = jobs.claim(zoo, worker="w", number=job.id)
    assert begin(zoo, attempt) == jobs.get_job(zoo, job.id)
    withdraw_role(zoo, "ada", "lab")
    with pytest.raises(Forbidden):
        publish(zoo, result(zoo, attempt, refs=refs))
    grant_role(zoo, "ada", "lab", Role.WRITE)
    publish(zoo, result(zoo, attempt, refs=refs))
    assert jobs.get_job(zoo, job.id).state is JobState.SUCCEEDED


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        (JobKind.SURGERY, {"name": "ada/cut"}),
        (JobKind.PREDICT, {}),
        (JobKind.VERIFY, {}),
        (JobKind.EVALUATE, {"against": None}),
    ],
)
def test_a_model_that_was_made_private_is_not_read(zoo, ada, surgery, kind, more):
    job = jobs.enqueue(ada, kind, {"model": surgery["model"], **more})
    set_private(zoo, "lab/net", is_private=True)
    begin(zoo, jobs.claim(zoo, worker="w", number=job.id))
    withdraw_role(zoo, "ada", "lab")
    again = jobs.enqueue(ada, kind, {"model": surgery["model"], "again": True, **more})
    with pytest.raises(ModelNotFound):
        begin(zoo, jobs.claim(zoo, worker="w", number=again.id))


def test_a_job_moves_a_protected_main_for_admins_alone_and_says_so_before_it_works(
    zoo, ada, published
):
    address = published("lab/net").address
    protect_ref(zoo, "lab/net", "main", is_protected=True)
    job = jobs.enqueue(ada, JobKind.SURGERY, {"model": address, "name": "lab/net"})
    attempt = jobs.claim(zoo, worker="w", number=job.id)
    with pytest.raises(Forbidden):
        begin(zoo, attempt)
    with pytest.raises(Forbidden):
        publish(zoo, result(zoo, attempt, "lab/net"))


def test_what_is_asked_for_on_the_zoos_own_machine_needs_no_account(zoo, surgery):
    job = jobs.enqueue(zoo, JobKind.SURGERY, surgery)
    steering.pause(zoo, job.id)
    steering.resume(zoo, job.id)
    attempt = jobs.claim(zoo, worker="w", number=job.id)
    begin(zoo, attempt)
    publish(zoo, result(zoo, attempt))
    assert jobs.get_job(zoo, job.id).state is JobState.SUCCEEDED
