"""Branches, tags and aliases of models, and every move they made."""

from datetime import datetime

from sqlalchemy import literal, select
from sqlalchemy.orm import Session, aliased

from zoo.catalog.pages import load_revisions
from zoo.catalog.rows import as_revision, find_model_row, get_model_row, get_revision_row, point_ref
from zoo.catalog.tables import LARGEST, RefMoveRow, RefRow, RevisionRow
from zoo.domain.access import LOCAL, Caller
from zoo.domain.revision import MAIN, Ref, RefKind, RefMove, Revision, check_ref_name
from zoo.errors import BadName, RefExists, RevisionNotFound


def move_ref(  # noqa: PLR0913  # what a move is
    db: Session,
    name: str,
    ref: str,
    target: str,
    *,
    now: datetime,
    kind: RefKind | None = None,
) -> Revision:
    """Point a ref of a model to another of its revisions; add it where there is none.

    Raises:
        ModelNotFound: there is no such model.
        RevisionNotFound: it has no such revision.
    """
    row = get_revision_row(db, name, target)
    point_ref(db, row.model, check_ref_name(ref), row, now=now, kind=kind)
    return as_revision(row)


def add_ref(  # noqa: PLR0913  # what a ref is
    db: Session, name: str, ref: str, target: str, *, kind: RefKind, now: datetime
) -> Revision:
    """Add a ref of a model.

    Raises:
        ModelNotFound: there is no such model.
        RevisionNotFound: it has no such revision.
        RefExists: it has such a ref.
    """
    if db.get(RefRow, (get_model_row(db, name).pk, ref)) is not None:
        raise RefExists(f"{name!r} has a ref {ref!r} already.", name=name, ref=ref)
    return move_ref(db, name, ref, target, now=now, kind=kind)


def get_ref(db: Session, name: str, ref: str) -> Ref:
    """Give a ref of a model.

    Raises:
        ModelNotFound, RevisionNotFound: there is no such model, or it has no such ref.
    """
    return _ref(_get_row(db, name, ref))


def list_refs(db: Session, name: str) -> list[Ref]:
    """List the refs of a model by name."""
    wanted = (
        select(RefRow.name, RevisionRow.id, RefRow.kind, RefRow.is_protected)
        .join(RevisionRow, RevisionRow.pk == RefRow.revision_pk)
        .where(RefRow.model_pk == get_model_row(db, name).pk)
        .order_by(RefRow.name)
    )
    return [
        Ref(name=name, revision=revision, kind=kind, is_protected=is_protected)
        for name, revision, kind, is_protected in db.execute(wanted)
    ]


def is_protected(db: Session, name: str, ref: str) -> bool:
    """Tell whether there is a ref that only admins move."""
    model = find_model_row(db, name)
    row = db.get(RefRow, (model.pk, ref)) if model else None
    return row is not None and row.is_protected


def protect_ref(db: Session, name: str, ref: str, *, is_protected: bool) -> Ref:
    """Have a ref moved and deleted by admins only, or by whoever may write again.

    Raises:
        ModelNotFound, RevisionNotFound: there is no such model, or it has no such ref.
    """
    row = _get_row(db, name, ref)
    row.is_protected = is_protected
    db.flush()
    return _ref(row)


def delete_ref(db: Session, name: str, ref: str, *, now: datetime) -> Ref:
    """Take a ref away; the revision stays, and so does the history of its moves.

    Raises:
        ModelNotFound, RevisionNotFound: there is no such model, or it has no such ref.
        BadName: it is main, which every model keeps.
    """
    if ref == MAIN:
        raise BadName("main cannot be deleted.", hint="Delete the model, or move main.", ref=ref)
    row = _get_row(db, name, ref)
    gone = _ref(row)
    db.add(
        RefMoveRow(model_pk=row.model_pk, ref=row.name, old_pk=row.revision_pk, new_pk=None, at=now)
    )
    db.delete(row)
    db.flush()
    db.expire_all()
    return gone


def list_moves(
    db: Session, name: str, *, before: int | None = None, limit: int | None = None
) -> list[RefMove]:
    """List every move of the model's refs, or so many before one, the newest first."""
    old, new = aliased(RevisionRow), aliased(RevisionRow)
    wanted = (
        select(RefMoveRow.pk, RefMoveRow.ref, old.id, new.id, RefMoveRow.at)
        .outerjoin(old, old.pk == RefMoveRow.old_pk)
        .outerjoin(new, new.pk == RefMoveRow.new_pk)
        .where(RefMoveRow.model_pk == get_model_row(db, name).pk)
        .order_by(RefMoveRow.pk.desc())
        .limit(limit)
    )
    if before is not None:
        wanted = wanted.where(RefMoveRow.pk < min(before, LARGEST))
    return [
        RefMove(number=number, ref=ref, old=was, new=by_now, at=at)
        for number, ref, was, by_now, at in db.execute(wanted)
    ]


def list_history(
    db: Session, name: str, ref: str, *, caller: Caller = LOCAL, limit: int
) -> list[Revision]:
    """List the last revisions that led to the one a ref or an id means, the newest first."""
    start = get_revision_row(db, name, ref).pk
    led = (
        select(RevisionRow.pk, RevisionRow.previous_pk, literal(1).label("place"))
        .where(RevisionRow.pk == start)
        .cte(recursive=True)
    )
    led = led.union_all(
        select(RevisionRow.pk, RevisionRow.previous_pk, led.c.place + 1)
        .join(led, RevisionRow.pk == led.c.previous_pk)
        .where(led.c.place < limit)
    )
    # What led to a revision was there before it, so newest first is from the end of the line.
    return load_revisions(db, set(db.scalars(select(led.c.pk))), caller=caller)


def _get_row(db: Session, name: str, ref: str) -> RefRow:
    model = get_model_row(db, name)
    row = db.get(RefRow, (model.pk, ref))
    if row is None:
        raise RevisionNotFound(f"{name!r} has no ref {ref!r}.", name=name, ref=ref)
    return row


def _ref(row: RefRow) -> Ref:
    return Ref(
        name=row.name, revision=row.revision.id, kind=row.kind, is_protected=row.is_protected
    )
