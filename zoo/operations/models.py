"""Making, renaming, hiding, deleting and restoring models."""

from datetime import datetime

from sqlalchemy.orm import Session

from zoo.catalog import audit, lifecycle, models
from zoo.domain.access import Role, owner_of
from zoo.domain.revision import Model, check_model_name
from zoo.operations.access import check_role, check_visible
from zoo.operations.fetch import get_model, model_as_seen
from zoo.operations.opening import Zoo
from zoo.operations.publish import Publication, publish
from zoo.operations.quotas import check_bytes, check_counts, count


def create_model(zoo: Zoo, name: str, *, is_private: bool = False) -> Model:
    """Make a model whose first revision has no files.

    Raises:
        BadName: no model can be called so.
        Forbidden: the caller may not write what belongs to its owner.
        ModelExists: there is one already, or one that was deleted and can be restored.
    """
    publish(
        zoo,
        Publication(
            model=check_model_name(name),
            files={},
            message="initial commit",
            is_private=is_private,
            is_first=True,
        ),
    )
    return get_model(zoo, name)


def change_model(
    zoo: Zoo,
    name: str,
    *,
    new_name: str | None = None,
    is_private: bool | None = None,
    is_restored: bool = False,
) -> Model:
    """Do what is told of these with a model: take it back, hide or show it, rename it; all or none.

    Under another name, also one of another owner, it is still found under the one it had.

    Raises:
        ModelNotFound: there is none, or none was deleted that is to be taken back.
        BadName: no model can be called so.
        ModelExists: there is one of the new name.
        QuotaExceeded: the new owner has no room for it.
        Forbidden: the caller is no admin of its owner, or may not write what belongs to the new.
    """
    now = zoo.clock()
    with zoo.catalog.writing() as db:
        if is_restored:
            _restore(zoo, db, name, now)
        current = _check_admin(zoo, db, name)
        if is_private is not None:
            lifecycle.set_private(db, current, is_private=is_private)
            audit.add_entry(
                db, zoo.caller, "model.visibility", current, now=now, is_private=is_private
            )
        if new_name is not None:
            _rename(zoo, db, current, new_name, now)
            current = new_name
        return model_as_seen(zoo, db, models.get_model(db, current, caller=zoo.caller))


def set_private(zoo: Zoo, name: str, *, is_private: bool) -> Model:
    """Have a model seen only by those who have a role for its owner, or by everyone again.

    Raises:
        ModelNotFound: there is none.
        Forbidden: the caller is no admin of its owner.
    """
    return change_model(zoo, name, is_private=is_private)


def rename_model(zoo: Zoo, name: str, new_name: str) -> Model:
    """Give a model another name, also under another owner; it is still found under the old one.

    Raises:
        As ``change_model``.
    """
    return change_model(zoo, name, new_name=new_name)


def delete_model(zoo: Zoo, name: str) -> Model:
    """Delete a model; until it is swept it can be restored, and its name stays taken.

    Raises:
        ModelNotFound: there is none.
        StillNeeded: other models were made of it, or aliases and protected refs point into it.
        Forbidden: the caller is no admin of its owner.
    """
    now = zoo.clock()
    with zoo.catalog.writing() as db:
        current = _check_admin(zoo, db, name)
        model = lifecycle.delete_model(db, current, now=now, caller=zoo.caller)
        audit.add_entry(db, zoo.caller, "model.delete", current, now=now)
        return model_as_seen(zoo, db, model)


def restore_model(zoo: Zoo, name: str) -> Model:
    """Take a deleted model back.

    Raises:
        ModelNotFound: no model of that name was deleted, or it was swept.
        Forbidden: the caller is no admin of its owner.
    """
    return change_model(zoo, name, is_restored=True)


def _restore(zoo: Zoo, db: Session, name: str, now: datetime) -> None:
    check_role(zoo, Role.ADMIN, name)
    lifecycle.restore_model(db, name)
    audit.add_entry(db, zoo.caller, "model.restore", name, now=now)


def _rename(zoo: Zoo, db: Session, current: str, new_name: str, now: datetime) -> None:
    check_role(zoo, Role.WRITE, check_model_name(new_name))
    if owner_of(current) != owner_of(new_name):
        check_bytes(zoo, db, new_name, models.list_blobs(db, current))
    before = count(zoo, db, new_name)
    lifecycle.rename_model(db, current, new_name, now=now)
    check_counts(zoo, db, new_name, before)
    audit.add_entry(db, zoo.caller, "model.rename", new_name, now=now, before=current)


def _check_admin(zoo: Zoo, db: Session, name: str) -> str:
    """Give the name that a model has by now, to an admin of its owner."""
    check_visible(zoo, db, check_model_name(name))
    current = models.get_model(db, name).name
    check_role(zoo, Role.ADMIN, current)
    return current
