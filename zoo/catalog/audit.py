"""The audit log: every change, written in the transaction that makes it."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from zoo.catalog.tables import LARGEST, AuditRow
from zoo.domain.access import AuditEntry, Caller

SWEEP = "blob.sweep"  # bytes were removed that nothing referred to


def add_entry(
    db: Session, caller: Caller, action: str, subject: str, *, now: datetime, **detail: object
) -> None:
    """Write down who did what to what."""
    db.add(
        AuditRow(
            at=now,
            account=caller.account,
            token=caller.token,
            address=caller.address,
            action=action,
            subject=subject,
            detail=detail,
        )
    )
    db.flush()


def find_newest(db: Session) -> int:
    """Give the number of the newest entry; 0 where there is none."""
    return db.scalar(select(func.max(AuditRow.pk))) or 0


def has_happened(db: Session, action: str, *, after: int) -> bool:
    """Tell whether something was done after an entry was the newest."""
    wanted = select(AuditRow.pk).where(AuditRow.pk > after, AuditRow.action == action)
    return db.scalar(wanted.limit(1)) is not None


def list_entries(
    db: Session, *, before: int | None = None, subject: str | None = None, limit: int = 100
) -> list[AuditEntry]:
    """List entries, the newest first: from the one before a number on, those of one subject."""
    wanted = select(AuditRow).order_by(AuditRow.pk.desc()).limit(limit)
    if before is not None:
        wanted = wanted.where(AuditRow.pk < min(before, LARGEST))
    if subject is not None:
        wanted = wanted.where(AuditRow.subject == subject)
    return [
        AuditEntry(
            number=row.pk,
            at=row.at,
            account=row.account,
            token=row.token,
            address=row.address,
            action=row.action,
            subject=row.subject,
            detail=row.detail,
        )
        for row in db.scalars(wanted)
    ]
