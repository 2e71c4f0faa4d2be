"""Where the store has what attempts printed, and whose logs it was not given yet."""

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from zoo.catalog.tables import AttemptRow
from zoo.domain.job import Attempt


def list_unkept_logs(db: Session, machine: str, *, limit: int) -> list[Attempt]:
    """List the last attempts of a machine that ended and whose logs the store was not given."""
    rows = db.execute(
        select(AttemptRow.job_id, AttemptRow.number)
        .where(
            AttemptRow.worker.startswith(f"{machine}:", autoescape=True),
            AttemptRow.ended_at.is_not(None),
            AttemptRow.log_digest.is_(None),
        )
        .order_by(AttemptRow.ended_at.desc())
        .limit(limit)
    )
    return [Attempt(job=row.job_id, number=row.number) for row in rows]


def find_log(db: Session, attempt: Attempt) -> str | None:
    """Give the digest of what an attempt printed, if the store was given that."""
    row = db.get(AttemptRow, (attempt.job, attempt.number))
    return None if row is None else row.log_digest


def keep_log(db: Session, attempt: Attempt, digest: str) -> None:
    """Write down where the store has what an attempt printed."""
    db.execute(
        update(AttemptRow)
        .where(AttemptRow.job_id == attempt.job, AttemptRow.number == attempt.number)
        .values(log_digest=digest)
        .execution_options(synchronize_session=False)
    )
