"""What becomes of models: private or public, renamed, deleted, restored."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from zoo.catalog.models import is_visible_to
from zoo.catalog.publishing import check_alike
from zoo.catalog.rows import as_model, get_model_row, note_change
from zoo.catalog.tables import ModelRow, RenameRow, RevisionRow
from zoo.domain.access import LOCAL, Caller
from zoo.domain.revision import Model, RefKind, check_model_name
from zoo.errors import ModelExists, ModelNotFound, StillNeeded

NAMED = 5  # of what was made of a model that cannot be deleted


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
        ModelExists: there is one of the new name, or of one that differs in capitals alone.
    """
    row = get_model_row(db, name)
    if check_model_name(new_name) == row.name:
        raise ModelExists(f"There is a model {new_name!r} already.", name=new_name)
    check_alike(db, new_name, apart_from=row.pk)
    taken = db.get(RenameRow, new_name)
    if taken is not None:
        db.delete(taken)
        db.flush()
    db.add(RenameRow(name=row.name, model_pk=row.pk, at=now))
    row.name = new_name
    note_change(db, row.pk)
    return as_model(db, row)


def delete_model(db: Session, name: str, *, now: datetime, caller: Caller = LOCAL) -> Model:
    """Delete a model, so that it can be restored until it is swept.

    Raises:
        ModelNotFound: there is none.
        StillNeeded: other models were made of it, or aliases and protected refs point into it;
            of the models those are named that the caller may see.
    """
    row = get_model_row(db, name)
    children = list_children(db, name)
    named = list_children(db, name, caller=caller)
    hidden = len(children) - len(named)
    told = named[:NAMED] + ([f"{hidden} that you may not see"] if hidden else [])
    held = [ref.name for ref in row.refs if ref.kind is RefKind.ALIAS or ref.is_protected]
    if children or held:
        raise StillNeeded(
            f"{row.name!r} is still needed"
            + (f"; made of it: {', '.join(told)}" if children else "")
            + (f"; refs that hold it: {', '.join(held)}" if held else "")
            + ".",
            hint="Delete those models, or those refs, first.",
            children=named,
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


def list_children(db: Session, name: str, *, caller: Caller = LOCAL) -> list[str]:
    """List the other models that revisions of a model are parents of, that a caller may see."""
    model = get_model_row(db, name)
    own = select(RevisionRow.pk).where(RevisionRow.model_pk == model.pk)
    wanted = (
        select(ModelRow.name)
        .join(RevisionRow, RevisionRow.model_pk == ModelRow.pk)
        .where(
            RevisionRow.parent_pk.in_(own),
            ModelRow.pk != model.pk,
            is_visible_to(caller),
        )
    )
    return sorted(set(db.scalars(wanted)))
