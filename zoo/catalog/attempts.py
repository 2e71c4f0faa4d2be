"""Attempts at jobs: every write carries the number of its attempt, as a fencing token."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, select, update
from sqlalchemy.orm import Session

from zoo.catalog.dependencies import settle_dependents
from zoo.catalog.job_rows import as_job, as_kept, get_job_row
from zoo.catalog.leases import Reading, check_lease, look_at_lease, write_held
from zoo.catalog.tables import AttemptRow, EventRow, JobRow
from zoo.domain.job import Attempt, JobEvent, JobState

LOST = "lost"  # of an attempt whose process died on a machine that saw it
LAPSED = "lapsed"  # of one whose lease ran out: nobody knows what became of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an attempt ended."""

    state: JobState  # QUEUED puts the job back for another attempt
    name: str | None = None  # what is written down of the attempt; otherwise the state
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    pause_s: float | None = None  # before the next attempt


def add_event(db: Session, attempt: Attempt, event: JobEvent) -> None:
    """Keep what an attempt says; the event's own number is given here.

    Raises:
        LeaseLost: the job is no longer this attempt's.
    """
    check_lease(db, attempt)
    last = select(func.coalesce(func.max(EventRow.number), 0)).where(EventRow.job_id == attempt.job)
    db.add(
        EventRow(
            job_id=attempt.job,
            number=(db.scalar(last) or 0) + 1,
            attempt=attempt.number,
            at=event.at,
            step=event.step,
            message=event.message,
            done=event.done,
            total=event.total,
        )
    )
    db.flush()


def set_params(db: Session, attempt: Attempt, params: Mapping[str, Any]) -> None:
    """Settle what a job is to do, in the name of the attempt that does it.

    Raises:
        LeaseLost: the job is no longer this attempt's.
    """
    limit = as_job(get_job_row(db, attempt.job)).limit
    write_held(db, attempt, params=as_kept(params, limit))


def end_attempt(
    db: Session,
    attempt: Attempt,
    outcome: Outcome,
    *,
    now: datetime,
    reading: Reading | None = None,
) -> None:
    """Write down how an attempt ended, and what that means for the jobs that come after.

    A job that goes back to the queue is put aside instead where that was asked for. ``reading`` is
    needed where the next attempt is to wait.

    Raises:
        LeaseLost: the job is no longer this attempt's.
    """
    state = outcome.state
    if state is JobState.QUEUED and look_at_lease(db, attempt):
        state = JobState.PAUSED
    values: dict[str, Any] = {}
    if outcome.pause_s is not None and reading is not None:
        values = {"not_before": reading.at_s + outcome.pause_s, "clock": reading.clock}
    write_held(
        db,
        attempt,
        state=state,
        result=outcome.result,
        error=outcome.error if state.is_final else None,
        lease_until=None,
        is_pausing=False,
        finished_at=now if state.is_final else None,
        **values,
    )
    name, error = outcome.name or state.value, outcome.error
    end_attempts(db, attempt.job, outcome=name, now=now, error=error)
    if state.is_final:
        settle_dependents(db, attempt.job, state, error=outcome.error, now=now)


def end_attempts(
    db: Session,
    job: int,
    *,
    outcome: str,
    now: datetime,
    error: dict[str, Any] | None = None,
) -> None:
    """Close the attempts of a job that are still open."""
    db.execute(
        update(AttemptRow)
        .where(AttemptRow.job_id == job, AttemptRow.ended_at.is_(None))
        .values(ended_at=now, outcome=outcome, error=error)
        .execution_options(synchronize_session=False)
    )


def count_attempts(db: Session, number: int, outcome: str = LOST) -> int:
    """Count the attempts of a job that ended so; by default those without a word."""
    ended = select(func.count()).where(AttemptRow.job_id == number, AttemptRow.outcome == outcome)
    return db.scalar(ended) or 0


def list_running(db: Session) -> list[tuple[Attempt, str]]:
    """List the attempts that hold a job, each with the name of its worker."""
    rows = db.execute(
        select(JobRow.id, JobRow.attempt, AttemptRow.worker)
        .join(
            AttemptRow,
            and_(AttemptRow.job_id == JobRow.id, AttemptRow.number == JobRow.attempt),
        )
        .where(JobRow.state == JobState.RUNNING)
    )
    return [(Attempt(job=row.id, number=row.attempt), row.worker) for row in rows]
