"""Quotas: how much an owner may have, asked by every door before anything is named."""

from collections.abc import Collection

from sqlalchemy.orm import Session

from zoo.catalog import audit, models, quotas
from zoo.domain.access import EVERY_OWNER, owner_of
from zoo.domain.quota import Quota, Usage
from zoo.domain.revision import Blob
from zoo.errors import QuotaExceeded
from zoo.operations.access import check_rules
from zoo.operations.accounts import check_account_name
from zoo.operations.opening import Zoo

HINT = "Delete models of this owner and have an admin sweep, or ask an admin: zoo accounts quota"


def list_usage(zoo: Zoo) -> list[Usage]:
    """Measure what every owner has, beside what it may have.

    Raises:
        Forbidden: the caller does not look after the zoo.
    """
    check_rules(zoo)
    with zoo.catalog.reading() as db:
        return [quotas.measure(db, one, _quota(zoo, db, one)) for one in quotas.list_owners(db)]


def set_quota(zoo: Zoo, owner: str, quota: Quota | None) -> Usage:
    """Set what an owner may have, '' being models without one; None takes the settings again.

    What an owner has already stays, also where it is more.

    Raises:
        BadName: no owner can be called so.
        Forbidden: the caller does not look after the zoo.
    """
    check_rules(zoo)
    if owner:
        check_account_name(owner)
    now = zoo.clock()
    with zoo.catalog.writing() as db:
        quotas.set_quota(db, owner, quota)
        current = _quota(zoo, db, owner)
        detail = {
            "most_bytes": current.most_bytes,
            "most_models": current.most_models,
            "most_revisions": current.most_revisions,
        }
        audit.add_entry(db, zoo.caller, "quota.set", owner or EVERY_OWNER, now=now, **detail)
        return quotas.measure(db, owner, current)


def check_bytes(zoo: Zoo, db: Session, model: str, blobs: Collection[Blob]) -> None:
    """Refuse bytes that the owner of a model has no room for; what it has already costs nothing.

    In a transaction that writes nobody can fill the room between this look and the rows.

    Raises:
        QuotaExceeded: there is too little left.
    """
    owner = owner_of(models.find_name(db, model) or model)
    quota = _quota(zoo, db, owner)
    if quota.most_bytes is None:
        return
    more = quotas.measure_new(db, owner, blobs)
    held = quotas.measure(db, owner, quota).size_bytes if more else 0
    if more and held + more > quota.most_bytes:
        raise QuotaExceeded(
            f"{_called(owner)} may have {quota.most_bytes} bytes, has {held},"
            f" and this would add {more}.",
            hint=HINT,
            owner=owner,
            most_bytes=quota.most_bytes,
            held_bytes=held,
            more_bytes=more,
        )


def count(zoo: Zoo, db: Session, model: str) -> tuple[int, int]:
    """Count models and revisions of the owner of a model; nothing where they have no limit."""
    owner = owner_of(model)
    quota = _quota(zoo, db, owner)
    if quota.most_models is None and quota.most_revisions is None:
        return 0, 0  # Counting many takes its time, and nobody asks.
    return quotas.count(db, owner)


def check_counts(zoo: Zoo, db: Session, model: str, before: tuple[int, int]) -> None:
    """Refuse owners that came to have more models or revisions than they may.

    Asked after the rows were added, in their transaction, which the refusal undoes; ``before`` is
    what ``count`` gave ahead of them, as what an owner had already may be more than it may have.

    Raises:
        QuotaExceeded: there are too many.
    """
    owner = owner_of(model)
    quota = _quota(zoo, db, owner)
    most = (quota.most_models, quota.most_revisions)
    found = zip(("models", "revisions"), most, before, quotas.count(db, owner), strict=True)
    for what, limit, old, new in found:
        if limit is not None and new > limit and new > old:
            raise QuotaExceeded(
                f"{_called(owner)} may have {limit} {what}, and has {old}.",
                hint=HINT,
                owner=owner,
                most=limit,
                what=what,
            )


def check_room(zoo: Zoo, model: str, blobs: Collection[Blob]) -> None:
    """Refuse bytes before they are sent, where the owner of a model has no room for them.

    Raises:
        QuotaExceeded: there is too little left.
    """
    with zoo.catalog.reading() as db:
        check_bytes(zoo, db, model, blobs)


def _quota(zoo: Zoo, db: Session, owner: str) -> Quota:
    """Give what was set for an owner, or what the settings give everyone."""
    settings = zoo.settings
    return quotas.find_quota(db, owner) or Quota(
        most_bytes=settings.quota_bytes or None,
        most_models=settings.quota_models or None,
        most_revisions=settings.quota_revisions or None,
    )


def _called(owner: str) -> str:
    return f"The owner {owner!r}" if owner else "What has no owner"
