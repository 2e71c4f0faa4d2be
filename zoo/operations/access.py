"""What the caller of an operation may see and do; every operation asks here."""

from sqlalchemy.orm import Session

from zoo.catalog import audit, models
from zoo.domain.access import EVERY_OWNER, AuditEntry, Role, owner_of
from zoo.domain.revision import split_address
from zoo.errors import Forbidden, ModelNotFound
from zoo.operations.opening import Zoo


def check_role(zoo: Zoo, role: Role, name: str) -> None:
    """Refuse a change of a model or dataset that the caller has no such role for.

    Raises:
        Forbidden: the caller has it not.
    """
    if not zoo.caller.may(role, name):
        owner = owner_of(name)
        whose = f"what belongs to {owner!r}" if owner else "models and datasets without an owner"
        raise Forbidden(
            f"{zoo.caller.account!r} has no {role.value} role for {whose}.",
            hint=f"Use a name under an owner of yours, or ask an admin: zoo accounts grant "
            f"{zoo.caller.account} --owner '{owner}' --role {role.value}",
            account=zoo.caller.account,
            role=role.value,
            owner=owner,
        )


def check_target(zoo: Zoo, name: str, *, parent: str | None = None) -> None:
    """Refuse, before any work is done, what could not be published under a name.

    Raises:
        Forbidden, ModelNotFound: as ``find_target`` and ``check_secrecy``.
    """
    with zoo.catalog.reading() as db:
        check_secrecy(db, find_target(zoo, db, name), parent)


def find_target(zoo: Zoo, db: Session, name: str) -> str:
    """Give the name that a model has by now, new or not, to a caller who may write it.

    The role counts that the caller has for the owner of today: a renamed model may have another.

    Raises:
        Forbidden: the caller may not write what belongs to its owner.
        ModelNotFound: the name leads to a model that the caller may not know of.
    """
    current = models.find_name(db, name) or name
    if current != name and zoo.caller.may(Role.WRITE, current):
        return current
    check_role(zoo, Role.WRITE, name)  # Nobody else learns whether the name leads anywhere.
    if current != name:
        check_visible(zoo, db, name)
        check_role(zoo, Role.WRITE, current)
    return current


def check_secrecy(db: Session, name: str, parent: str | None) -> None:
    """Refuse to show in a public model what was made of a private one.

    One that holds revisions made of it already goes on: somebody decided that they are seen.

    Raises:
        Forbidden: the model is there, and public, and the parent is of a private one.
    """
    source = split_address(parent)[0] if parent else name
    if models.find_name(db, source) == name or not models.is_private(db, source):
        return
    is_shown = models.find_name(db, name) is not None and not models.is_private(db, name)
    if is_shown and not models.is_made_of(db, name, source):
        raise Forbidden(
            f"{name!r} is public, and this is made of a private model.",
            hint=f"Make it private first (zoo hide {name}), or choose the name of no model.",
            name=name,
        )


def check_rules(zoo: Zoo) -> None:
    """Refuse what only those may do who look after the whole zoo.

    Raises:
        Forbidden: the caller does not.
    """
    if not zoo.caller.rules:
        raise Forbidden(
            f"{zoo.caller.account!r} does not look after this zoo.",
            hint="Ask an admin of the zoo.",
            account=zoo.caller.account,
        )


def check_visible(zoo: Zoo, db: Session, name: str) -> None:
    """Refuse a private model to those who may not know of it, as if there were none.

    Raises:
        ModelNotFound: it is one, and the caller may not read what its owner has.
    """
    if zoo.caller.may_for(Role.READ, EVERY_OWNER):
        return
    # By the name it has now: one that it had may lie with another owner.
    current = models.find_name(db, name) or name
    if not zoo.caller.may(Role.READ, current) and models.is_private(db, current):
        raise ModelNotFound(f"There is no model {name!r}.", name=name)


def list_audit(
    zoo: Zoo, *, before: int | None = None, subject: str | None = None, limit: int = 100
) -> list[AuditEntry]:
    """List who changed what, the newest first.

    Raises:
        Forbidden: the caller does not look after the zoo.
    """
    check_rules(zoo)
    with zoo.catalog.reading() as db:
        return audit.list_entries(db, before=before, subject=subject, limit=limit)
