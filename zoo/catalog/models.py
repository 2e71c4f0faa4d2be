"""Models, revisions and refs: rows in, domain values out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, not_, or_, select, true
from sqlalchemy.orm import Session, selectinload

from zoo.catalog.tables import BlobRow, FileRow, ModelRow, RefMoveRow, RefRow, RevisionRow
from zoo.domain.access import EVERY_OWNER, Caller
from zoo.domain.revision import (
    MAIN,
    Blob,
    File,
    Model,
    RefMove,
    Revision,
    check_file_path,
    check_model_name,
    check_ref_name,
    revision_id,
)
from zoo.errors import ModelNotFound, RevisionNotFound

BATCH = 5000  # values in one statement; databases bound them
SHORTEST_ID = 6  # hex digits that are enough to ask for a revision by


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
    lineage: Lineage = field(default_factory=Lineage)
    ref: str = MAIN
    is_private: bool = False  # the model, where this makes it


def add_revision(db: Session, new: NewRevision, *, now: datetime) -> Revision:
    """Add a revision and point its ref to it; the same files again are the same revision.

    Raises:
        BadName: the model, the ref or a file cannot be called so.
    """
    model = _get_or_add_model(db, new, now)
    row = db.scalar(
        select(RevisionRow).where(
            RevisionRow.model_pk == model.pk, RevisionRow.id == revision_id(_files(new))
        )
    )
    if row is None:
        add_blobs(db, new.files.values(), now=now)
        row = _add_row(db, model, new, now)
    _move_ref(db, model, check_ref_name(new.ref), row, now)
    return _revision(row)


def move_ref(db: Session, name: str, ref: str, target: str, *, now: datetime) -> Revision:
    """Point a ref of a model to another of its revisions.

    Raises:
        ModelNotFound: there is no such model.
        RevisionNotFound: it has no such revision.
    """
    row = _get_row(db, name, target)
    _move_ref(db, row.model, check_ref_name(ref), row, now)
    return _revision(row)


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


def get_model(db: Session, name: str) -> Model:
    """Give a model with its refs.

    Raises:
        ModelNotFound: there is none; near names are in the hint.
    """
    return _model(_get_model_row(db, name))


def list_models(db: Session, *, caller: Caller, after: str = "", limit: int = 100) -> list[Model]:
    """List the models that a caller may see, by name, from the one after ``after`` on."""
    rows = db.scalars(
        select(ModelRow)
        .where(ModelRow.name > after, _is_visible(caller))
        .order_by(ModelRow.name)
        .limit(limit)
        .options(
            selectinload(ModelRow.refs)
            .selectinload(RefRow.revision)
            .selectinload(RevisionRow.files)
        )
    )
    return [_model(row) for row in rows]


def list_names(db: Session, *, caller: Caller) -> list[str]:
    """List the names of all models that a caller may see."""
    wanted = select(ModelRow.name).where(_is_visible(caller))
    return list(db.scalars(wanted.order_by(ModelRow.name)))


def is_private(db: Session, name: str) -> bool:
    """Tell whether a model is there only for those who have a role for its owner."""
    return bool(db.scalar(select(ModelRow.is_private).where(ModelRow.name == name)))


def get_revision(db: Session, name: str, ref: str = MAIN) -> Revision:
    """Give the revision that a ref, a revision id or the beginning of one means.

    Raises:
        ModelNotFound: there is no such model.
        RevisionNotFound: it has no such ref or revision.
    """
    return _revision(_get_row(db, name, ref))


def get_revision_pk(db: Session, name: str, ref: str) -> int:
    """Give a revision's row key, for lineage."""
    return _get_row(db, name, ref).pk


def list_revisions(db: Session, name: str) -> list[Revision]:
    """List the revisions of a model, the newest first."""
    model = _get_model_row(db, name)
    rows = db.scalars(
        select(RevisionRow)
        .where(RevisionRow.model_pk == model.pk)
        .order_by(RevisionRow.pk.desc())
        .options(selectinload(RevisionRow.files))
    )
    return [_revision(row) for row in rows]


def list_moves(db: Session, name: str) -> list[RefMove]:
    """List every move of the model's refs, the newest first."""
    model = _get_model_row(db, name)
    rows = db.scalars(
        select(RefMoveRow).where(RefMoveRow.model_pk == model.pk).order_by(RefMoveRow.pk.desc())
    )
    return [
        RefMove(
            ref=row.ref,
            old=row.old.id if row.old else None,
            new=row.new.id if row.new else None,
            at=row.at,
        )
        for row in rows
    ]


def _files(new: NewRevision) -> list[File]:
    return [
        File(path=check_file_path(path), digest=blob.digest, size_bytes=blob.size_bytes)
        for path, blob in sorted(new.files.items())
    ]


def _get_or_add_model(db: Session, new: NewRevision, now: datetime) -> ModelRow:
    name = check_model_name(new.model)
    row = db.scalar(select(ModelRow).where(ModelRow.name == name))
    if row is None:
        row = ModelRow(name=name, is_private=new.is_private, created_at=now)
        db.add(row)
        db.flush()
    return row


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
        files=[
            FileRow(path=file.path, digest=file.digest, size_bytes=file.size_bytes)
            for file in files
        ],
    )
    db.add(row)
    db.flush()
    return row


def _move_ref(db: Session, model: ModelRow, ref: str, row: RevisionRow, now: datetime) -> None:
    """Move a ref and keep the move; pointing where it points already is no move."""
    current = db.get(RefRow, (model.pk, ref))
    if current is not None and current.revision_pk == row.pk:
        return
    old_pk = current.revision_pk if current else None
    if current is None:
        db.add(RefRow(model_pk=model.pk, name=ref, revision_pk=row.pk))
    else:
        current.revision_pk = row.pk
    db.add(RefMoveRow(model_pk=model.pk, ref=ref, old_pk=old_pk, new_pk=row.pk, at=now))
    db.flush()
    db.expire_all()


def _get_model_row(db: Session, name: str) -> ModelRow:
    row = db.scalar(
        select(ModelRow).where(ModelRow.name == name).options(selectinload(ModelRow.refs))
    )
    if row is None:
        raise ModelNotFound(f"There is no model {name!r}.", name=name)
    return row


def _get_row(db: Session, name: str, ref: str) -> RevisionRow:
    model = _get_model_row(db, name)
    pointer = db.get(RefRow, (model.pk, ref))
    if pointer is not None:
        return pointer.revision
    rows = list(
        db.scalars(
            select(RevisionRow)
            .where(
                RevisionRow.model_pk == model.pk,
                RevisionRow.id.startswith(ref.lower(), autoescape=True),
            )
            .limit(2)
        )
    )
    if len(ref) < SHORTEST_ID or len(rows) != 1:
        known = sorted(pointer.name for pointer in model.refs)
        raise RevisionNotFound(
            f"{name!r} has no revision, tag or alias {ref!r}.", name=name, ref=ref, refs=known
        )
    return rows[0]


def _is_visible(caller: Caller) -> ColumnElement[bool]:
    """Tell which models a caller may see: the public ones, and all of its own owners'."""
    if EVERY_OWNER in caller.roles:
        return true()
    own: list[ColumnElement[bool]] = [
        ModelRow.name.startswith(f"{owner}/", autoescape=True)
        if owner
        else not_(ModelRow.name.contains("/"))
        for owner in caller.roles
    ]
    return or_(ModelRow.is_private.is_(False), *own)


def _model(row: ModelRow) -> Model:
    head = next((ref.revision for ref in row.refs if ref.name == MAIN), None)
    return Model(
        name=row.name,
        created_at=row.created_at,
        head=_revision(head) if head else None,
        refs={ref.name: ref.revision.id for ref in row.refs},
        is_private=row.is_private,
    )


def _revision(row: RevisionRow) -> Revision:
    return Revision(
        model=row.model.name,
        id=row.id,
        files=tuple(
            File(path=file.path, digest=file.digest, size_bytes=file.size_bytes)
            for file in row.files
        ),
        message=row.message,
        created_at=row.created_at,
        previous=row.previous.id if row.previous else None,
        parent=f"{row.parent.model.name}@{row.parent.id}" if row.parent else None,
        dataset=f"{row.dataset.name}@{row.dataset.id}" if row.dataset else None,
        job=row.job_id,
        summary=row.summary,
    )
