"""Where the store has what attempts printed, and whose logs it was not given yet."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from zoo.catalog.garbage import texts_of
from zoo.catalog.job_rows import UNFINISHED
from zoo.catalog.tables import AttemptRow, JobRow, RevisionRow
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


def list_expired_logs(db: Session, jobs: Collection[int], *, before: datetime) -> set[Attempt]:
    """List the attempts at some jobs that ended before a time and whose logs nobody is shown.

    Logs of jobs that are not finished stay, and of those whose result names a revision there is.
    """
    rows = db.execute(
        select(AttemptRow.job_id, AttemptRow.number, JobRow.result)
        .join(JobRow, JobRow.id == AttemptRow.job_id)
        .where(
            JobRow.id.in_(jobs),
            JobRow.state.not_in(UNFINISHED),
            AttemptRow.ended_at < before,
        )
    ).all()
    named = {row.job_id: _revisions_of(row.result) for row in rows}
    wanted = {one for ids in named.values() for one in ids}
    there = set(db.scalars(select(RevisionRow.id).where(RevisionRow.id.in_(wanted))))
    return {
        Attempt(job=row.job_id, number=row.number) for row in rows if not named[row.job_id] & there
    }


def list_kept_logs(db: Session, *, before: datetime, after: int, limit: int) -> list[int]:
    """List the jobs after one of which the store has logs of attempts that ended before a time."""
    return list(
        db.scalars(
            select(AttemptRow.job_id)
            .where(
                AttemptRow.log_digest.is_not(None),
                AttemptRow.ended_at < before,
                AttemptRow.job_id > after,
            )
            .distinct()
            .order_by(AttemptRow.job_id)
            .limit(limit)
        )
    )


def forget_log(db: Session, attempt: Attempt) -> None:
    """Forget where the store has what an attempt printed; its bytes are swept like any others."""
    db.execute(
        update(AttemptRow)
        .where(AttemptRow.job_id == attempt.job, AttemptRow.number == attempt.number)
        .values(log_digest=None)
        .execution_options(synchronize_session=False)
    )


def _revisions_of(result: object) -> set[str]:
    """Find the ids of the revisions that a result names by their addresses."""
    return {text.rpartition("@")[2] for text in texts_of(result) if "@" in text}
