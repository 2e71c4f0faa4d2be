"""Jobs that work on what a job before them publishes."""

from dataclasses import replace

import pytest

from zoo.domain.access import Caller, Role
from zoo.domain.job import JobKind, JobState
from zoo.domain.revision import RefKind
from zoo.domain.terms import Terms
from zoo.errors import (
    Conflict,
    Forbidden,
    Invalid,
    JobFailed,
    JobNotFound,
    LeaseLost,
    NotRunnable,
)
from zoo.operations import failing, jobs, refs, steering
from zoo.operations.accounts import grant_role, withdraw_role
from zoo.operations.alias import enqueue_alias, move_alias
from zoo.operations.beginning import begin
from zoo.operations.datasets import add_dataset
from zoo.operations.finetune import enqueue_finetune
from zoo.operations.later import find_earlier
from zoo.operations.quantize import enqueue_quantize


@pytest.fixture
def first(zoo):
    """A job that will publish a model."""
    return jobs.enqueue(zoo, JobKind.IMPORT, {"model": "net"}).id


@pytest.fixture
def end(zoo, published):
    """A function that has that job succeed with a revision; gives its address."""

    def end(number):
        address = published("net").address
        attempt = jobs.claim(zoo, worker="w", number=number)
        jobs.succeed(zoo, attempt, {"revision": address})
        return address

    return end


def claim(zoo, number):
    return jobs.claim(zoo, worker="w", number=number)


@pytest.mark.parametrize(
    ("model", "number"),
    [
        ("job:12", 12),
        ("job:0", None),
        ("jobs:12", None),
        ("job:1 ", None),
        ("net", None),
        (5, None),
    ],
)
def test_a_model_may_be_what_a_job_publishes(model, number):
    assert find_earlier(model) == number


def test_a_job_on_a_result_comes_after_it_and_takes_what_was_published(zoo, first, end):
    job = enqueue_alias(zoo, f"job:{first}", "production")
    assert (job.state, job.after) == (JobState.WAITING, (first,))
    address = end(first)
    attempt = claim(zoo, job.id)
    begun = begin(zoo, attempt)
    assert begun.params == {"model": address, "alias": "production"}
    assert jobs.get_job(zoo, job.id).params == begun.params
    assert begin(zoo, attempt).params == begun.params


def test_a_result_that_is_there_is_taken_at_once(zoo, first, end):
    address = end(first)
    job = enqueue_alias(zoo, f"job:{first}", "production")
    assert (job.state, job.params["model"]) == (JobState.QUEUED, address)


def test_an_alias_moves_and_ends_its_job(zoo, first, end):
    job = enqueue_alias(zoo, f"job:{first}", "production")
    address = end(first)
    attempt = claim(zoo, job.id)
    move_alias(zoo, begin(zoo, attempt), attempt)
    done = jobs.get_job(zoo, job.id)
    assert (done.state, done.result) == (
        JobState.SUCCEEDED,
        {"revision": address, "alias": "production"},
    )
    (alias,) = [ref for ref in refs.list_refs(zoo, "net") if ref.kind is RefKind.ALIAS]
    assert address.endswith(alias.revision)


def test_an_attempt_that_was_taken_over_moves_no_alias(zoo, first, end):
    end(first)
    job = enqueue_alias(zoo, f"job:{first}", "production")
    attempt = claim(zoo, job.id)
    jobs.put_back(zoo, attempt)
    with pytest.raises(LeaseLost):
        move_alias(zoo, jobs.get_job(zoo, job.id), attempt)
    assert [ref.name for ref in refs.list_refs(zoo, "net")] == ["main"]


def test_what_can_be_told_beforehand_is_refused_at_once(zoo, first, insects):
    writer = replace(zoo, caller=Caller(account="ada", roles={"ada": Role.WRITE}))
    folder = insects(bee=4, ant=4)
    dataset = add_dataset(zoo, folder)
    with pytest.raises(JobNotFound):
        enqueue_alias(zoo, "job:99", "production")
    with pytest.raises(JobNotFound):  # another's
        enqueue_alias(writer, f"job:{first}", "production")
    with pytest.raises(Invalid, match="branch"):
        enqueue_alias(zoo, f"job:{first}", "main")
    verify = jobs.enqueue(zoo, JobKind.VERIFY, {"model": None}).id
    with pytest.raises(Invalid, match="publishes no model"):
        enqueue_finetune(zoo, f"job:{verify}", dataset.address)
    own = jobs.enqueue(writer, JobKind.IMPORT, {"model": "ada/net"}).id
    with pytest.raises(Forbidden):
        enqueue_finetune(writer, f"job:{own}", dataset.address, name="lab/mine")
    steering.cancel(zoo, first)
    with pytest.raises(Conflict):
        enqueue_alias(zoo, f"job:{first}", "production")


def test_what_does_not_suit_is_told_when_the_turn_has_come(zoo, first, end, insects):
    dataset = add_dataset(zoo, insects(bee=4, ant=4))
    tune = enqueue_finetune(zoo, f"job:{first}", dataset.address)
    fewer = enqueue_quantize(zoo, f"job:{tune.id}", dataset.address)
    assert fewer.state is JobState.WAITING
    end(first)  # a model without a network
    attempt = claim(zoo, tune.id)
    with pytest.raises(NotRunnable) as caught:
        begin(zoo, attempt)
    failing.fail(zoo, attempt, caught.value)
    assert jobs.get_job(zoo, fewer.id).state is JobState.FAILED


def test_rights_that_were_taken_away_meanwhile_count(zoo, end):
    grant_role(zoo, "ada", "", Role.WRITE)
    ada = replace(zoo, caller=Caller(account="ada", roles={"": Role.WRITE}))
    first = jobs.enqueue(ada, JobKind.IMPORT, {"model": "net"}).id
    job = enqueue_alias(ada, f"job:{first}", "production")
    end(first)
    withdraw_role(zoo, "ada", "")
    with pytest.raises(Forbidden):
        begin(zoo, claim(zoo, job.id))


def test_a_job_that_published_nothing_is_told(zoo, first):
    job = enqueue_alias(zoo, f"job:{first}", "production")
    jobs.succeed(zoo, claim(zoo, first), {"accuracy": 1})
    with pytest.raises(JobFailed, match="published no revision"):
        begin(zoo, claim(zoo, job.id))


def test_a_job_may_wait_for_others_too(zoo, first):
    other = jobs.enqueue(zoo, JobKind.VERIFY, {"model": None}).id
    on_terms = replace(zoo, terms=Terms(after=(other,)))
    assert enqueue_alias(on_terms, f"job:{first}", "production").after == (first, other)
