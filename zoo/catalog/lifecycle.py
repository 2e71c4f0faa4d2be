"""What becomes of models: private or public, renamed, deleted, restored."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from zoo.catalog.rows import as_model, get_model_row, note_change
from zoo.catalog.tables import ModelRow, RenameRow, RevisionRow
from zoo.domain.revision import Model, RefKind, check_model_name
from zoo.errors import ModelExists, ModelNotFound, StillNeeded


def set_private(db: Session, name: str, *, is_private: bool) -> Model:
    """Have a model seen only by those who have a role for its owner, or by everyone again.

    Raises:
        ModelNotFound: there is none.
    """
    row = get_model_row(db, name)
    row.is_private = is_private
    note_change(db, row.pk)
    return as_model(db, row)


def rename_model(db: Session, name: str, new_name: str, *, now: datetime) -> Model:
    """Give a model another name; it is still found under the one it had.

    Raises:
        ModelNotFound: there is none.
        BadName: no model can be called so.
        ModelExists: there is one of the new name.
    """
    row = get_model_row(db, name)
    if db.scalar(select(ModelRow.pk).where(ModelRow.name == check_model_name(new_name))):
        raise ModelExists(f"There is a model {new_name!r} already.", name=new_name)
    taken = db.get(RenameRow, new_name)
    if taken is not None:
        db.delete(taken)
        db.flush()
    db.add(RenameRow(name=row.name, model_pk=row.pk, at=now))
    row.name = new_name
    note_change(db, row.pk)
    return as_model(db, row)


def delete_model(db: Session, name: str, *, now: datetime) -> Model:
    """Delete a model, so that it can be restored until it is swept.

    Raises:
        ModelNotFound: there is none.
        StillNeeded: other models were made of it, or aliases and protected refs point into it.
    """
    row = get_model_row(db, name)
    children = list_children(db, name)
    held = [ref.name for ref in row.refs if ref.kind is RefKind.ALIAS or ref.is_protected]
    if children or held:
        raise StillNeeded(
            f"{row.name!r} is still needed"
            + (f"; made of it: {', '.join(children[:5])}" if children else "")
            + (f"; refs that hold it: {', '.join(held)}" if held else "")
            + ".",
            hint="Delete those models, or those refs, first.",
            children=children,
            refs=held,
        )
    row.deleted_at = now
    note_change(db, row.pk)
    return as_model(db, row)


def restore_model(db: Session, name: str) -> Model:
    """Take a deleted model back.

    Raises:
        ModelNotFound: no model of that name was deleted, or it was swept.
    """
    row = db.scalar(select(ModelRow).where(ModelRow.name == name, ModelRow.deleted_at.is_not(None)))
    if row is None:
        raise ModelNotFound(f"No model {name!r} was deleted, or it was swept.", name=name)
    row.deleted_at = None
    note_change(db, row.pk)
    return as_model(db, row)


def list_children(db: Session, name: str) -> list[str]:
    """List the other models that revisions of a model are parents of, by name."""
    model = get_model_row(db, name)
    own = select(RevisionRow.pk).where(RevisionRow.model_pk == model.pk)
    wanted = (
        select(ModelRow.name)
        .join(RevisionRow, RevisionRow.model_pk == ModelRow.pk)
        .where(
            RevisionRow.parent_pk.in_(own),
            ModelRow.pk != model.pk,
            ModelRow.deleted_at.is_(None),
        )
    )
    return sorted(set(db.scalars(wanted)))
