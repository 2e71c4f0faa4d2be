"""Publishing revisions: the bytes are there first, then one transaction names them."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from zoo.catalog import attempts, audit, datasets, garbage, jobs, leases, models, publishing, refs
from zoo.catalog.tables import LARGEST
from zoo.domain.access import Role
from zoo.domain.job import Attempt, JobState
from zoo.domain.revision import MAIN, Blob, RefKind, Revision, check_model_name, split_address
from zoo.errors import Conflict
from zoo.operations import quotas
from zoo.operations.access import check_role, check_secrecy, find_target
from zoo.operations.accounts import find_asker
from zoo.operations.fetch import as_seen
from zoo.operations.opening import Zoo
from zoo.operations.traits import find_traits


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """A revision to be published."""

    model: str
    files: Mapping[str, Blob]
    message: str
    summary: dict[str, Any] = field(default_factory=dict)
    parent: str | None = None  # address of the revision it was made from
    dataset: str | None = None  # address of the dataset it was fine-tuned on
    refs: tuple[str, ...] = (MAIN,)  # what points to it from then on
    tag: str | None = None  # a tag for it
    is_private: bool | None = None  # the model, where it is new; None is as its parent
    is_first: bool = False  # it makes the model, so there must be none
    on_top_of: str | None = None  # the revision that the first of refs must point to still
    attempt: Attempt | None = None  # the attempt of a job whose result this is
    ends_job: bool = True  # a job may publish one revision on its way to another


def publish(zoo: Zoo, publication: Publication) -> Revision:
    """Publish a revision; when it is the result of a job, the job succeeds in the same transaction.

    A name that a model had leads to it, whatever it is called by now, unless one is to be made.

    Raises:
        Conflict: a file's bytes are not in the store.
        BadName: the model or a file cannot be called so.
        Forbidden: the caller may not write what belongs to the model's owner, or it would show what
            is made of a private model.
        ModelNotFound: the name leads to a model that the caller may not know of.
        ModelExists: it was to be the first of its model, or the model was deleted.
        RefMoved: the ref points to another revision than the one this is on top of.
        QuotaExceeded: the owner has no room for it.
        LeaseLost: the job has been given to another attempt; nothing is published.
    """
    now = zoo.clock()
    dataset = publication.dataset
    traits = find_traits(zoo, publication.files, publication.summary, dataset=dataset)
    digests = [blob.digest for blob in publication.files.values()]
    check_kept(zoo, digests)
    with zoo.catalog.writing() as db:
        check_still_kept(zoo, db, digests)
        if publication.attempt is not None:
            leases.check_lease(db, publication.attempt)
        asker = _find_asker(zoo, db, publication)
        name = _find_target(asker, db, publication)
        check_secrecy(db, name, publication.parent)
        named = (*publication.refs, *([publication.tag] if publication.tag else []))
        if any(refs.is_protected(db, name, ref) for ref in named):
            check_role(asker, Role.ADMIN, name)
        new = publishing.NewRevision(
            model=name,
            files=publication.files,
            message=publication.message,
            summary=publication.summary,
            traits=traits,
            lineage=publishing.Lineage(
                parent_pk=_revision_pk(db, publication.parent),
                dataset_pk=_dataset_pk(db, publication.dataset),
                job_id=publication.attempt.job if publication.attempt else None,
            ),
            ref=publication.refs[0],
            is_private=_is_private(db, publication),
            is_first=publication.is_first,
            on_top_of=publication.on_top_of,
        )
        before = quotas.count(zoo, db, name)
        quotas.check_bytes(zoo, db, name, publication.files.values())
        revision = publishing.add_revision(db, new, now=now)
        quotas.check_counts(zoo, db, name, before)
        for ref in publication.refs[1:]:
            refs.move_ref(db, revision.model, ref, revision.id, now=now)
        if publication.tag is not None:
            tag = publication.tag
            refs.move_ref(db, revision.model, tag, revision.id, now=now, kind=RefKind.TAG)
        audit.add_entry(
            db,
            zoo.caller,
            "publish",
            revision.model,
            now=now,
            revision=revision.id,
            refs=list(publication.refs),
            job=publication.attempt.job if publication.attempt else None,
        )
        if publication.attempt is not None and publication.ends_job:
            result = {"revision": revision.address, **publication.summary}
            outcome = attempts.Outcome(state=JobState.SUCCEEDED, result=result)
            attempts.end_attempt(db, publication.attempt, outcome, now=now)
        return as_seen(zoo, db, revision)


def check_kept(zoo: Zoo, digests: Iterable[str]) -> None:
    """Look for bytes that rows are about to refer to.

    Raises:
        Conflict: some are not in the store.
    """
    wanted = list(digests)
    kept = zoo.blobs.find_kept(wanted)
    for digest in wanted:
        if digest not in kept:
            raise Conflict(
                f"The bytes {digest} are not in the store: they were not sent, or swept since.",
                hint="Send them again, then what names them.",
                digest=digest,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """When bytes were put that rows are about to refer to, and looked for in the store after it."""

    put: Collection[str]
    began_at: datetime  # before the first of them was put
    newest: int  # audit entry before the look


def look_for(zoo: Zoo, digests: Iterable[str], *, put: Collection[str], began_at: datetime) -> Look:
    """Look for bytes that rows are about to refer to; ``put`` of them were put since a time.

    Raises:
        Conflict: some are not in the store.
    """
    with zoo.catalog.reading() as db:
        newest = audit.find_newest(db)
    check_kept(zoo, digests)
    return Look(put=put, began_at=began_at, newest=newest)


def check_still_kept(
    zoo: Zoo, db: Session, digests: Iterable[str], look: Look | None = None
) -> None:
    """Look once more, in the transaction that adds the rows, for what was there before it.

    There no sweep can take them between this look and the rows. What is referred to already no
    sweep takes at all, so the store is asked for the rest alone: it may be far, and every other
    writer waits. Nor is it asked for what a look has found since it was put, where no sweep has
    removed anything since that look, and less than half of the grace has gone by since the put.

    Raises:
        Conflict: some are not in the store.
    """
    now, grace = zoo.clock(), timedelta(seconds=zoo.settings.grace_s)
    wanted = set(digests)
    if (
        look is not None
        and now - look.began_at < grace / 2
        and not audit.has_happened(db, audit.SWEEP, after=look.newest)
    ):
        wanted -= set(look.put)
    referenced = garbage.find_referenced(db, wanted, sent_since=now - grace)
    check_kept(zoo, sorted(wanted - referenced))


def put_json(zoo: Zoo, value: object) -> Blob:
    """Keep a JSON file, readable and with keys in their given order."""
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    return zoo.blobs.put([text.encode()])


def put_text(zoo: Zoo, text: str) -> Blob:
    """Keep a text file."""
    return zoo.blobs.put([text.encode()])


def _find_asker(zoo: Zoo, db: Session, publication: Publication) -> Zoo:
    """Give the zoo as who publishes has it.

    Jobs are done by the zoo itself. Whoever asked for one was looked at when it began; what they
    may write by now counts, under the name that it has by now.
    """
    if publication.attempt is None:
        return zoo
    job = jobs.get_job(db, publication.attempt.job, after=LARGEST)
    return replace(zoo, caller=find_asker(db, job))


def _find_target(zoo: Zoo, db: Session, publication: Publication) -> str:
    """Give the name that the model has by now, to those who may write it."""
    name = check_model_name(publication.model)
    if publication.is_first:
        check_role(zoo, Role.WRITE, name)
        return name
    return find_target(zoo, db, name)


def _revision_pk(db: Session, address: str | None) -> int | None:
    return models.get_revision_pk(db, *split_address(address)) if address else None


def _is_private(db: Session, publication: Publication) -> bool:
    """Tell whether a new model is private: what is made of a private one is."""
    if publication.is_private is not None:
        return publication.is_private
    parent = publication.parent
    return parent is not None and models.is_private(db, split_address(parent)[0])


def _dataset_pk(db: Session, address: str | None) -> int | None:
    return datasets.get_dataset_pk(db, address) if address else None
