"""Publishing: the rows of a new revision, and of the model and the ref that it is under."""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from zoo.catalog.models import BATCH
from zoo.catalog.rows import as_revision, note_change, point_ref
from zoo.catalog.tables import BlobRow, FileRow, ModelRow, RefRow, RenameRow, RevisionRow
from zoo.domain.revision import (
    MAIN,
    Blob,
    File,
    Revision,
    check_file_path,
    check_model_name,
    check_ref_name,
    revision_id,
)
from zoo.domain.search import Traits
from zoo.errors import BadName, ModelExists, RefMoved


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """What a revision was made from, as row keys."""

    parent_pk: int | None = None
    dataset_pk: int | None = None
    job_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRevision:
    """A revision to be: its files are already in the store."""

    model: str
    files: Mapping[str, Blob]
    message: str
    summary: dict[str, Any] = field(default_factory=dict)
    traits: Traits = field(default_factory=Traits)
    lineage: Lineage = field(default_factory=Lineage)
    ref: str = MAIN
    is_private: bool = False  # the model, where this makes it
    is_first: bool = False  # it makes the model, so there must be none
    on_top_of: str | None = None  # the revision that the ref must point to still


def add_revision(db: Session, new: NewRevision, *, now: datetime) -> Revision:
    """Add a revision and point its ref to it; the same files again are the same revision.

    Raises:
        BadName: the model, the ref or a file cannot be called so.
        ModelExists: it was to be the first of its model, or the model was deleted.
        RefMoved: the ref points to another revision than the one this is on top of.
    """
    model = _get_or_add_model(db, new, now)
    _check_on_top(db, model, new)
    row = db.scalar(
        select(RevisionRow).where(
            RevisionRow.model_pk == model.pk, RevisionRow.id == revision_id(_files(new))
        )
    )
    if row is None:
        add_blobs(db, new.files.values(), now=now)
        row = _add_row(db, model, new, now)
    point_ref(db, model, check_ref_name(new.ref), row, now=now)
    return as_revision(row)


def add_blobs(db: Session, blobs: Iterable[Blob], *, now: datetime) -> None:
    """Write down that these bytes are referred to, once each."""
    wanted = sorted({blob.digest: blob.size_bytes for blob in blobs}.items())
    for start in range(0, len(wanted), BATCH):
        part = wanted[start : start + BATCH]
        known = select(BlobRow.digest).where(BlobRow.digest.in_([digest for digest, _ in part]))
        missing = dict(part).keys() - set(db.scalars(known))
        db.add_all(
            BlobRow(digest=digest, size_bytes=size_bytes, created_at=now)
            for digest, size_bytes in part
            if digest in missing
        )
    db.flush()


def check_alike(db: Session, name: str, *, apart_from: int | None = None) -> None:
    """Refuse a new name that differs from another in small and capital letters alone.

    Raises:
        ModelExists: there is one, of another model than the one ``apart_from`` is the key of.
    """
    wanted = select(ModelRow.name).where(func.lower(ModelRow.name) == name.lower())
    if apart_from is not None:
        wanted = wanted.where(ModelRow.pk != apart_from)
    twin = db.scalar(wanted.limit(1))
    if twin is not None:
        raise ModelExists(f"There is a model {twin!r} already.", name=name)


def _files(new: NewRevision) -> list[File]:
    """Give a revision's files by path, of which no two look alike."""
    alike: dict[str, str] = {}
    for path in new.files:
        twin = alike.setdefault(unicodedata.normalize("NFC", path), path)
        if twin != path:
            raise BadName(
                f"Two files are called {path!a} and {twin!a}, which look alike.",
                hint="Call them otherwise; file systems may take them for one.",
                paths=[path, twin],
            )
        end = path.find("/")
        while end >= 0:
            if path[:end] in new.files:
                raise BadName(
                    f"{path[:end]!a} is a file, and {path!a} would lie in it.",
                    hint="Call one of them otherwise; no file system holds both.",
                    paths=[path[:end], path],
                )
            end = path.find("/", end + 1)
    return [
        File(path=check_file_path(path), digest=blob.digest, size_bytes=blob.size_bytes)
        for path, blob in sorted(new.files.items())
    ]


def _get_or_add_model(db: Session, new: NewRevision, now: datetime) -> ModelRow:
    name = check_model_name(new.model)
    row = db.scalar(select(ModelRow).where(ModelRow.name == name))
    if row is not None and row.deleted_at is not None:
        raise ModelExists(
            f"The model {name!r} was deleted and is not swept yet.",
            hint=f"Take it back with `zoo restore {name}`, or choose another name.",
            name=name,
        )
    if row is not None and new.is_first:
        raise ModelExists(f"There is a model {name!r} already.", name=name)
    if row is None:
        check_alike(db, name)
        _give_away(db, name, is_anew=new.is_first)
        row = ModelRow(name=name, is_private=new.is_private, created_at=now)
        db.add(row)
        db.flush()
        note_change(db, row.pk)
    return row


def _give_away(db: Session, name: str, *, is_anew: bool) -> None:
    """Have a name lead no more to the model that had it, where one is made anew.

    Raises:
        ModelExists: the name was not to be given away, and what it leads to was deleted.
    """
    renamed = db.get(RenameRow, name)
    if renamed is None:
        return
    if not is_anew:
        raise ModelExists(
            f"The model that was called {name!r} is deleted and not swept yet.",
            hint="Choose another name, or make a new model of this one before you publish to it.",
            name=name,
        )
    db.delete(renamed)


def _check_on_top(db: Session, model: ModelRow, new: NewRevision) -> None:
    """Refuse a revision whose ref has moved on meanwhile."""
    if new.on_top_of is None:
        return
    head = db.get(RefRow, (model.pk, new.ref))
    if head is None or head.revision.id != new.on_top_of:
        found = head.revision.id if head else None
        raise RefMoved(
            f"{new.ref!r} of {model.name!r} points to {found} by now, not to {new.on_top_of}.",
            ref=new.ref,
            expected=new.on_top_of,
            found=found,
        )


def _add_row(db: Session, model: ModelRow, new: NewRevision, now: datetime) -> RevisionRow:
    files = _files(new)
    head = db.get(RefRow, (model.pk, new.ref))
    row = RevisionRow(
        model=model,
        id=revision_id(files),
        message=new.message,
        created_at=now,
        previous_pk=head.revision_pk if head else None,
        parent_pk=new.lineage.parent_pk,
        dataset_pk=new.lineage.dataset_pk,
        job_id=new.lineage.job_id,
        size_bytes=sum(file.size_bytes for file in files),
        summary=new.summary,
        traits=new.traits.as_json(),
        files=[
            FileRow(path=file.path, digest=file.digest, size_bytes=file.size_bytes)
            for file in files
        ],
    )
    db.add(row)
    db.flush()
    return row
