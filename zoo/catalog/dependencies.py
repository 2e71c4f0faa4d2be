"""Jobs that come after others: let go when those have succeeded, given up when one has not."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, exists, func, select, update
from sqlalchemy.orm import Session, aliased

from zoo.catalog.job_rows import UNFINISHED
from zoo.catalog.tables import DependencyRow, JobRow
from zoo.domain.job import JobState
from zoo.errors import EarlierJobFailed

HELD = [JobState.WAITING, JobState.PAUSED]


def list_before(db: Session, numbers: Sequence[int]) -> dict[int, list[int]]:
    """List, for each of some jobs, the jobs that it comes after."""
    rows = db.execute(
        select(DependencyRow.job_id, DependencyRow.after_id)
        .where(DependencyRow.job_id.in_(numbers))
        .order_by(DependencyRow.job_id, DependencyRow.after_id)
    )
    found: dict[int, list[int]] = {}
    for row in rows:
        found.setdefault(row.job_id, []).append(row.after_id)
    return found


def list_after(db: Session, number: int, states: Iterable[JobState]) -> list[int]:
    """List the jobs in some states that come directly after one."""
    rows = db.scalars(
        select(DependencyRow.job_id)
        .join(JobRow, JobRow.id == DependencyRow.job_id)
        .where(DependencyRow.after_id == number, JobRow.state.in_(list(states)))
        .order_by(DependencyRow.job_id)
    )
    return list(rows)


def have_succeeded(db: Session, numbers: Iterable[int]) -> bool:
    """Tell whether all of some jobs have succeeded."""
    wanted = list(numbers)
    if not wanted:
        return True
    others = select(func.count()).where(JobRow.id.in_(wanted), JobRow.state != JobState.SUCCEEDED)
    return not db.scalar(others)


def list_unfinished_before(db: Session, number: int) -> list[int]:
    """List all unfinished jobs that a job comes after, the oldest first; each is looked at once."""
    found: set[int] = set()
    level = [number]
    while level:
        earlier = {one for each in list_before(db, level).values() for one in each} - found
        rows = db.scalars(
            select(JobRow.id).where(JobRow.id.in_(earlier), JobRow.state.in_(UNFINISHED))
        )
        level = list(rows)
        found.update(level)
    return sorted(found)  # A job comes after older ones alone.


def settle_dependents(
    db: Session,
    number: int,
    state: JobState,
    *,
    error: dict[str, Any] | None = None,
    now: datetime,
) -> None:
    """Have the jobs that come after one follow from how it ended.

    When it succeeded, those that wait for nothing else are queued. When it failed or was cancelled,
    so are they, and all that come after them; each says which job it was.
    """
    if state is JobState.SUCCEEDED:
        _let_go(db, list_after(db, number, [JobState.WAITING]))
        return
    told = ((error or {}).get("error") or {}).get("message")
    left = [(number, each) for each in list_after(db, number, HELD)]
    while left:
        direct, each = left.pop()
        reason = _explain(number, state, told, direct=direct)
        changed = db.execute(
            update(JobRow)
            .where(JobRow.id == each, JobRow.state.in_(HELD))
            .values(state=state, error=reason, finished_at=now)
            .returning(JobRow.id)
            .execution_options(synchronize_session=False)
        ).first()
        if changed is not None:
            left += [(each, later) for later in list_after(db, each, HELD)]


def _let_go(db: Session, numbers: Sequence[int]) -> None:
    """Queue those of some jobs all of whose earlier jobs have succeeded."""
    if not numbers:
        return
    earlier = aliased(JobRow)
    still_waits = exists().where(
        and_(
            DependencyRow.job_id == JobRow.id,
            earlier.id == DependencyRow.after_id,
            earlier.state != JobState.SUCCEEDED,
        )
    )
    db.execute(
        update(JobRow)
        .where(JobRow.id.in_(numbers), JobRow.state == JobState.WAITING, ~still_waits)
        .values(state=JobState.QUEUED)
        .execution_options(synchronize_session=False)
    )


def _explain(number: int, state: JobState, told: str | None, *, direct: int) -> dict[str, Any]:
    """Say which job was not done, and through which one this one needed it."""
    what = "failed" if state is JobState.FAILED else "was cancelled"
    through = "" if direct == number else f", by way of job {direct}"
    return EarlierJobFailed(
        f"Job {number}, which this one comes after{through}, {what}{f': {told}' if told else '.'}",
        hint=f"See: zoo jobs show {number}. Run it again, then this one: zoo jobs rerun {number}",
        job=number,
    ).as_json()
