"""Finding the rows of models and revisions, and moving refs over them: for this room alone."""

from datetime import datetime

from sqlalchemy import ColumnElement, collate, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session, joinedload, selectinload

from zoo.catalog.tables import (
    CODE_POINTS,
    DatasetRow,
    ModelChangeRow,
    ModelRow,
    RefMoveRow,
    RefRow,
    RenameRow,
    RevisionRow,
)
from zoo.domain.revision import MAIN, File, Model, RefKind, Revision
from zoo.errors import ModelNotFound, RevisionNotFound

# What a revision is told with, for many of them in a few statements.
WHOLE = (
    joinedload(RevisionRow.model),
    selectinload(RevisionRow.files),
    joinedload(RevisionRow.previous).load_only(RevisionRow.id),
    joinedload(RevisionRow.parent).load_only(RevisionRow.id).joinedload(RevisionRow.model),
    joinedload(RevisionRow.dataset).load_only(DatasetRow.name, DatasetRow.id),
)
MOST_TOLD = 100  # refs, to whoever asked for one that is not there
SHORTEST_ID = 6  # hex digits that are enough to ask for a revision by


def by_code_points(db: Session, name: InstrumentedAttribute[str]) -> ColumnElement[str]:
    """Give a name as lists in pages sort and compare it, whatever language a database is made for.

    Python sorts by code points too, and a page begins where the one before says it ended. SQLite
    does so by itself; PostgreSQL has an index of names in that order.
    """
    is_told = db.get_bind().dialect.name == "postgresql"
    return collate(name, CODE_POINTS) if is_told else name.expression


def find_model_row(db: Session, name: str) -> ModelRow | None:
    """Find the model of a name, or the one that had it; a deleted one is not found."""
    row = db.scalar(select(ModelRow).where(ModelRow.name == name, ModelRow.deleted_at.is_(None)))
    if row is None:
        renamed = db.get(RenameRow, name)
        row = renamed.model if renamed and renamed.model.deleted_at is None else None
    return row


def get_model_row(db: Session, name: str) -> ModelRow:
    """Give the model of a name, or the one that had it.

    Raises:
        ModelNotFound: there is none.
    """
    row = find_model_row(db, name)
    if row is None:
        raise ModelNotFound(f"There is no model {name!r}.", name=name)
    return row


def get_revision_row(db: Session, name: str, ref: str) -> RevisionRow:
    """Give the revision that a ref, a revision id or the beginning of one means.

    Raises:
        ModelNotFound: there is no such model.
        RevisionNotFound: it has no such ref or revision.
    """
    model = get_model_row(db, name)
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
        # Not all of them: every look-up goes through here, and a model may have thousands.
        names = select(RefRow.name).where(RefRow.model_pk == model.pk).order_by(RefRow.name)
        known = list(db.scalars(names.limit(MOST_TOLD)))
        raise RevisionNotFound(
            f"{name!r} has no revision, tag or alias {ref!r}.", name=name, ref=ref, refs=known
        )
    return rows[0]


def point_ref(  # noqa: PLR0913  # what a move is
    db: Session,
    model: ModelRow,
    ref: str,
    row: RevisionRow,
    *,
    now: datetime,
    kind: RefKind | None = None,
) -> None:
    """Move a ref and keep the move; pointing where it points already is no move.

    A ref is of the kind it was made as; ``kind`` is that of a new one, a branch otherwise.
    """
    current = db.get(RefRow, (model.pk, ref))
    if current is not None and current.revision_pk == row.pk:
        return
    old_pk = current.revision_pk if current else None
    if current is None:
        made = kind if kind is not None and ref != MAIN else RefKind.BRANCH
        db.add(RefRow(model_pk=model.pk, name=ref, revision_pk=row.pk, kind=made))
    else:
        current.revision_pk = row.pk
    db.add(RefMoveRow(model_pk=model.pk, ref=ref, old_pk=old_pk, new_pk=row.pk, at=now))
    if ref == MAIN:
        note_change(db, model.pk)
    db.flush()
    db.expire_all()


def note_change(db: Session, model_pk: int) -> None:
    """Have searches see that a model is another than before: its name, its head, who may see it.

    Writers come one at a time, so numbers count up in the order in which changes are seen.
    """
    last = db.scalar(select(func.max(ModelChangeRow.number))) or 0
    row = db.get(ModelChangeRow, model_pk)
    if row is None:
        db.add(ModelChangeRow(model_pk=model_pk, number=last + 1))
    else:
        row.number = last + 1
    db.flush()


def as_revision(row: RevisionRow) -> Revision:
    """Write a row down as the domain's value."""
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


def as_model(db: Session, row: ModelRow) -> Model:
    """Write a row down as the domain's value."""
    head = db.get(RefRow, (row.pk, MAIN))
    refs = db.execute(
        select(RefRow.name, RevisionRow.id)
        .join(RevisionRow, RevisionRow.pk == RefRow.revision_pk)
        .where(RefRow.model_pk == row.pk)
        .order_by(RefRow.name)
    ).all()
    return Model(
        name=row.name,
        created_at=row.created_at,
        head=as_revision(head.revision) if head else None,
        refs={name: identity for name, identity in refs},  # noqa: C416  # rows are no pairs to mypy
        is_private=row.is_private,
    )
