"""Jobs as people steer them: cancelled, put aside, resumed, put before others."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import update
from sqlalchemy.orm import Session

from zoo.catalog.attempts import end_attempts
from zoo.catalog.dependencies import have_succeeded, list_before, settle_dependents
from zoo.catalog.job_rows import UNFINISHED
from zoo.catalog.tables import LARGEST, JobRow
from zoo.domain.job import JobState


def cancel_job(db: Session, number: int, *, now: datetime) -> bool:
    """Cancel a job that is not finished; a running attempt learns of it by its lost lease."""
    changed = _change(
        db,
        number,
        UNFINISHED,
        state=JobState.CANCELLED,
        attempt=JobRow.attempt + 1,
        lease_until=None,
        is_pausing=False,
        finished_at=now,
    )
    if changed:
        end_attempts(db, number, outcome=JobState.CANCELLED.value, now=now)
        settle_dependents(db, number, JobState.CANCELLED, now=now)
    return changed


def pause_job(db: Session, number: int) -> bool:
    """Put a job aside; one that runs is to stop at its next checkpoint first."""
    waits = [JobState.QUEUED, JobState.WAITING]
    return _change(db, number, waits, state=JobState.PAUSED) or _change(
        db, number, [JobState.RUNNING], is_pausing=True
    )


def resume_job(db: Session, number: int) -> bool:
    """Queue a job again that was put aside, or is about to be."""
    is_ready = have_succeeded(db, list_before(db, [number]).get(number, ()))
    state = JobState.QUEUED if is_ready else JobState.WAITING
    return _change(db, number, [JobState.PAUSED], state=state, not_before=None) or _change(
        db, number, [JobState.RUNNING], is_pausing=False
    )


def set_priority(db: Session, number: int, priority: int) -> bool:
    """Have a job that is not finished come earlier, or later."""
    return _change(db, number, UNFINISHED, priority=priority)


def _change(db: Session, number: int, states: Iterable[JobState], **values: object) -> bool:
    """Change a job that is in one of some states; tell whether there was one."""
    changed = db.execute(
        update(JobRow)
        .where(JobRow.id == min(number, LARGEST), JobRow.state.in_(list(states)))
        .values(**values)
        .returning(JobRow.id)
        .execution_options(synchronize_session=False)
    ).first()
    return changed is not None
