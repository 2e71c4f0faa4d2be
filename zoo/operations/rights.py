"""What a job needs of whoever asked for it, whenever it is asked for, begins or goes on."""

from zoo.catalog import refs
from zoo.domain.access import Role
from zoo.domain.job import LATER, Job, JobKind
from zoo.domain.revision import MAIN
from zoo.operations.access import check_role, check_rules, find_target
from zoo.operations.accounts import as_asker
from zoo.operations.datasets import get_dataset
from zoo.operations.fetch import get_revision
from zoo.operations.opening import Zoo

TO_MAIN = {JobKind.IMPORT, JobKind.FINETUNE, JobKind.SURGERY}  # kinds that publish to main


def check_asker(zoo: Zoo, job: Job) -> None:
    """Refuse to do what the account that asked for a job may not do any more.

    A role may have been withdrawn since, or a model made private.

    Raises:
        AccountNotFound: there is no such account any more.
        As ``check_rights``.
    """
    asker = as_asker(zoo, job)
    # Who looks after the zoo may do all of it, and what is not settled yet is checked when it is.
    if not (asker.caller.rules or job.params.get(LATER)):
        check_rights(asker, job)


def check_rights(zoo: Zoo, job: Job) -> None:
    """Refuse what a job does to a caller who may not do it.

    Raises:
        Forbidden: they may not write what it publishes.
        ModelNotFound, RevisionNotFound, DatasetNotFound: there is none, or they may not know of it.
    """
    params = job.params
    if job.kind is JobKind.VERIFY and params["model"] is None:
        check_rules(zoo)
    if job.kind is JobKind.IMPORT:  # of originals, into the model that is named
        _check_written(zoo, job.kind, params["model"])
        return
    if params.get("name"):
        _check_written(zoo, job.kind, params["name"])
    for address in filter(None, (params.get("model"), params.get("against"))):
        revision = get_revision(zoo, address)
        if job.kind in {JobKind.ALIAS, JobKind.REFERENCE}:
            check_role(zoo, Role.WRITE, revision.model)
    for address in filter(None, (params.get("dataset"), *params.get("datasets", ()))):
        get_dataset(zoo, address)


def _check_written(zoo: Zoo, kind: JobKind, name: str) -> None:
    """Refuse at once what would be refused when it is published."""
    with zoo.catalog.reading() as db:
        current = find_target(zoo, db, name)
        if kind in TO_MAIN and refs.is_protected(db, current, MAIN):
            check_role(zoo, Role.ADMIN, current)
