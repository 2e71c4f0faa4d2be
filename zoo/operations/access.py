"""What the caller of an operation may see and do; every operation asks here."""

from sqlalchemy.orm import Session

from zoo.catalog import audit, models
from zoo.domain.access import EVERY_OWNER, AuditEntry, Role, owner_of
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
