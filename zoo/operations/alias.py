"""Aliases that a job moves, once the job before it has published what they are to point to."""

from typing import Any

from zoo.domain.access import Role
from zoo.domain.job import Attempt, Job, JobKind
from zoo.domain.revision import check_alias_name, check_ref_name, split_address
from zoo.operations import refs
from zoo.operations.access import check_role
from zoo.operations.accounts import as_asker
from zoo.operations.fetch import get_revision
from zoo.operations.later import Request, enqueue_request
from zoo.operations.opening import Zoo


def enqueue_alias(zoo: Zoo, model: str, alias: str) -> Job:
    """Queue the job that points an alias to a revision, or to what ``job:NUMBER`` publishes.

    Raises:
        ModelNotFound, RevisionNotFound, JobNotFound: there is no such thing.
        BadName, Invalid: no alias can be called so.
        Forbidden: the caller may not write what belongs to the model's owner.
    """
    check_alias_name(alias)
    return enqueue_request(zoo, JobKind.ALIAS, {"model": model, "alias": alias}, settle_alias)


def settle_alias(zoo: Zoo, request: Request) -> dict[str, Any]:
    """Check a request for an alias, and name its revision for good.

    Raises:
        As ``enqueue_alias``.
    """
    revision = get_revision(zoo, request["model"])
    check_role(zoo, Role.WRITE, revision.model)
    return {"model": revision.address, "alias": check_ref_name(request["alias"])}


def move_alias(zoo: Zoo, job: Job, attempt: Attempt) -> None:
    """Move the alias, and end the job in the same transaction.

    Raises:
        LeaseLost: another attempt counts now; nothing is moved.
        Conflict: it is a branch or a tag.
        Forbidden: whoever asked for it may not do that any more.
    """
    model, revision = split_address(job.params["model"])
    refs.move_alias(
        as_asker(zoo, job), model, job.params["alias"], target=revision, attempt=attempt
    )
