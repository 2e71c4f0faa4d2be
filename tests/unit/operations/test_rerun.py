"""What a job was to do is asked for again, as it was or with changes."""

from dataclasses import replace

import pytest

from zoo.domain.access import Caller, Role
from zoo.domain.job import JobKind, JobState
from zoo.domain.terms import Terms
from zoo.errors import Conflict, Forbidden, Invalid, JobNotFound, ModelNotFound, NoHead
from zoo.operations import failing, jobs, steering
from zoo.operations.alias import enqueue_alias
from zoo.operations.rerun import CHANGES, TRAINED, list_changes, rerun

ADA = Caller(account="ada", roles={"ada": Role.WRITE})


def end(zoo, number, **result):
    attempt = jobs.claim(zoo, worker="w", number=number)
    jobs.succeed(zoo, attempt, result)


def give_up(zoo, number):
    failing.fail(zoo, jobs.claim(zoo, worker="w", number=number), NoHead())


@pytest.fixture
def alias(zoo, published):
    """A finished job that moved an alias of a model."""
    published("net")
    job = enqueue_alias(replace(zoo, terms=Terms(priority=-4)), "net", "production")
    end(zoo, job.id)
    return jobs.get_job(zoo, job.id)


def test_the_same_is_queued_with_its_descent_and_its_terms(zoo, alias):
    again = rerun(zoo, alias.id)
    assert again.id != alias.id
    assert (again.kind, again.params, again.rerun_of) == (alias.kind, alias.params, alias.id)
    assert (again.state, again.priority) == (JobState.QUEUED, -4)


def test_a_job_that_is_not_finished_is_given_back(zoo, alias):
    again = rerun(zoo, alias.id)
    assert rerun(zoo, again.id).id == again.id


def test_parameters_can_be_changed(zoo, alias):
    again = rerun(zoo, alias.id, {"alias": "staging"})
    assert again.params == alias.params | {"alias": "staging"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 5}, "'epochs' of a job of the kind alias cannot be changed"),
        ({"alias": ""}, "alias cannot be ''"),
        ({"alias": "a" * 1000}, "alias cannot be"),
    ],
)
def test_a_change_that_means_nothing_is_refused(zoo, alias, changes, message):
    with pytest.raises(Invalid, match=message):
        rerun(zoo, alias.id, changes)
    assert len(jobs.list_jobs(zoo)) == 1


def test_the_changes_of_a_kind_are_named(zoo, alias):
    with pytest.raises(Invalid) as caught:
        rerun(zoo, alias.id, {"epochs": 5})
    assert "model, alias" in caught.value.hint
    assert {"epochs", "head_lr", "strategy", "int8"} <= set(list_changes(JobKind.FINETUNE))
    assert list_changes(JobKind.IMPORT) == []


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (TRAINED["epochs"], "5", 5),
        (TRAINED["epochs"], "0", None),
        (TRAINED["epochs"], "-1", None),
        (TRAINED["epochs"], "1.5", None),
        (TRAINED["lr"], "0.01", 0.01),
        (TRAINED["lr"], "nan", None),
        (TRAINED["lr"], "inf", None),
        (TRAINED["lr"], "fast", None),
        (CHANGES[JobKind.FINETUNE]["strategy"], "lp-ft", "lp-ft"),
        (CHANGES[JobKind.FINETUNE]["strategy"], "best", None),
        (CHANGES[JobKind.FINETUNE]["int8"], "True", True),
        (CHANGES[JobKind.FINETUNE]["int8"], "no", False),
        (CHANGES[JobKind.FINETUNE]["int8"], "maybe", None),
        (CHANGES[JobKind.FINETUNE]["seed"], "4294967295", 2**32 - 1),
        (CHANGES[JobKind.FINETUNE]["name"], "a\x00b", None),
    ],
)
def test_values_are_read_from_their_texts(read, text, value):
    if value is None:
        with pytest.raises(ValueError, match="needed"):
            read(text)
    else:
        assert read(text) == value


def test_a_kind_that_takes_no_changes_is_run_again_as_it_was(zoo):
    job = jobs.enqueue(zoo, JobKind.VERIFY, {"model": None, "quarantines": False})
    end(zoo, job.id)
    assert rerun(zoo, job.id).params == job.params


def test_jobs_run_again_come_after_those_run_again_before_them(zoo, published):
    first = jobs.enqueue(zoo, JobKind.IMPORT, {"model": "net"})
    other = jobs.enqueue(zoo, JobKind.VERIFY, {"model": None})
    on_terms = replace(zoo, terms=Terms(after=(other.id,)))
    last = enqueue_alias(on_terms, f"job:{first.id}", "production")
    end(zoo, other.id)
    give_up(zoo, first.id)
    with pytest.raises(Conflict, match=f"Job {first.id} has failed"):
        rerun(zoo, last.id)
    first_again = rerun(zoo, first.id)
    last_again = rerun(zoo, last.id)
    assert last_again.after == (other.id, first_again.id)
    assert last_again.params["model"] == f"job:{first_again.id}"
    end(zoo, first_again.id, revision=published("net").address)
    assert jobs.get_job(zoo, last_again.id).state is JobState.QUEUED


def test_what_a_caller_may_not_do_is_not_done_by_running_it_again(zoo, published):
    published("lab/net", is_private=True)
    ada = replace(zoo, caller=ADA)
    for kind, params, error in (
        (JobKind.IMPORT, {"model": "lab/net"}, Forbidden),
        (JobKind.SURGERY, {"model": "lab/net", "name": "ada/net"}, ModelNotFound),
        (JobKind.SURGERY, {"model": "ada/net", "name": "lab/net"}, Forbidden),
        (JobKind.EVALUATE, {"model": "lab/net", "dataset": "d"}, ModelNotFound),
        (JobKind.VERIFY, {"model": None}, Forbidden),
    ):
        job = jobs.enqueue(ada, kind, params)
        steering.cancel(ada, job.id)
        with pytest.raises(error):
            rerun(ada, job.id)


def test_jobs_of_others_are_not_run_again(zoo, alias):
    with pytest.raises(JobNotFound):
        rerun(replace(zoo, caller=ADA), alias.id)


def test_an_account_cannot_keep_the_priority_that_an_admin_gave(zoo):
    ada = replace(zoo, caller=ADA)
    job = jobs.enqueue(ada, JobKind.IMPORT, {"model": "ada/net"})
    steering.set_priority(zoo, job.id, 50)
    steering.cancel(ada, job.id)
    assert rerun(ada, job.id).priority == 0


@pytest.fixture
def chain(zoo):
    """A job that failed, and one after it that failed with it."""
    first = jobs.enqueue(zoo, JobKind.IMPORT, {"model": "net"})
    last = enqueue_alias(zoo, f"job:{first.id}", "production")
    give_up(zoo, first.id)
    return first, last


def test_what_was_asked_for_once_more_stands_in_place_of_what_failed(zoo, chain):
    first, last = chain
    again = jobs.enqueue(zoo, JobKind.IMPORT, dict(first.params))
    assert rerun(zoo, last.id).after == (again.id,)
    linked = rerun(zoo, first.id)
    assert (linked.id, linked.rerun_of) == (again.id, first.id)


def test_what_was_asked_for_once_more_and_succeeded_is_come_after(zoo, chain, published):
    first, last = chain
    give_up(zoo, jobs.enqueue(zoo, JobKind.IMPORT, dict(first.params)).id)
    again = jobs.enqueue(zoo, JobKind.IMPORT, dict(first.params))
    other = jobs.enqueue(zoo, JobKind.IMPORT, {"model": "net", "files": {}})
    end(zoo, again.id, revision=published("net").address)
    assert other.id > again.id
    last_again = rerun(zoo, last.id)
    assert last_again.state is JobState.QUEUED
    assert last_again.params["model"] == jobs.get_job(zoo, again.id).result["revision"]


def test_what_others_asked_for_stands_in_place_of_nothing(zoo):
    ada = replace(zoo, caller=replace(ADA, roles={"": Role.WRITE}))
    first = jobs.enqueue(ada, JobKind.IMPORT, {"model": "own"})
    last = enqueue_alias(ada, f"job:{first.id}", "production")
    give_up(zoo, first.id)
    rerun(zoo, first.id)  # by an admin, whose job ada may not know of
    with pytest.raises(Conflict, match=f"Job {first.id} has failed"):
        rerun(ada, last.id)
    own = rerun(ada, first.id)
    assert rerun(ada, last.id).after == (own.id,)
