"""Jobs: SQL owns their state; every write of an attempt carries its number as a fencing token."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.orm import Session

from zoo.catalog.tables import LARGEST, AttemptRow, EventRow, JobRow
from zoo.domain.access import LOCAL_ACCOUNT
from zoo.domain.job import Attempt, Job, JobEvent, JobKind, JobState
from zoo.errors import JobNotFound, LeaseLost

LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an attempt ended."""

    state: JobState  # QUEUED puts the job back for another attempt
    is_lost: bool = False  # the process ended without a word
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


def add_job(
    db: Session,
    kind: JobKind,
    params: dict[str, Any],
    *,
    now: datetime,
    account: str = LOCAL_ACCOUNT,
) -> Job:
    """Add a job that an account asks for to the queue."""
    row = JobRow(
        kind=kind,
        state=JobState.QUEUED,
        account=account,
        params=params,
        attempt=0,
        created_at=now,
    )
    db.add(row)
    db.flush()
    return _job(row)


def get_job(db: Session, number: int, *, after: int = 0) -> Job:
    """Give a job with its events later than event ``after``.

    Raises:
        JobNotFound: there is none of that number.
    """
    row = db.get(JobRow, number) if number <= LARGEST else None
    if row is None:
        raise JobNotFound(f"There is no job {number}.", job=number)
    events = db.scalars(
        select(EventRow)
        .where(EventRow.job_id == number, EventRow.number > min(after, LARGEST))
        .order_by(EventRow.number)
    )
    return _job(row, tuple(_event(event) for event in events))


def list_jobs(db: Session, *, account: str | None = None, limit: int = 100) -> list[Job]:
    """List the newest jobs, of one account or of all, without their events."""
    wanted = select(JobRow).order_by(JobRow.id.desc()).limit(limit)
    if account is not None:
        wanted = wanted.where(JobRow.account == account)
    return [_job(row) for row in db.scalars(wanted)]


def list_succeeded(db: Session, kind: JobKind, *, limit: int) -> list[Job]:
    """List the newest jobs of a kind that succeeded, without their events."""
    wanted = select(JobRow).where(JobRow.kind == kind, JobRow.state == JobState.SUCCEEDED)
    return [_job(row) for row in db.scalars(wanted.order_by(JobRow.id.desc()).limit(limit))]


def has_free(db: Session, *, now: datetime) -> bool:
    """Tell whether there is a job that could be taken."""
    return db.scalar(select(JobRow.id).where(_is_free(now)).limit(1)) is not None


def claim_job(
    db: Session, *, worker: str, now: datetime, lease_s: float, number: int | None = None
) -> Attempt | None:
    """Take the next job, or the one of this number, in one guarded statement.

    Queued jobs can be taken, and running ones whose lease ran out. None where there is nothing.
    """
    free = _is_free(now)
    wanted = free if number is None else and_(free, JobRow.id == number)
    candidate = (
        select(JobRow.id)
        .where(wanted)
        .order_by(JobRow.priority.desc(), JobRow.id)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    taken = db.execute(
        update(JobRow)
        .where(JobRow.id == candidate, free)
        .values(
            state=JobState.RUNNING,
            attempt=JobRow.attempt + 1,
            lease_until=now + timedelta(seconds=lease_s),
            started_at=func.coalesce(JobRow.started_at, now),
        )
        .returning(JobRow.id, JobRow.attempt)
        .execution_options(synchronize_session=False)
    ).first()
    if taken is None:
        return None
    attempt = Attempt(job=taken.id, number=taken.attempt)
    _end_attempts(db, attempt.job, outcome=LOST, now=now)
    db.add(AttemptRow(job_id=attempt.job, number=attempt.number, worker=worker, started_at=now))
    db.flush()
    return attempt


def extend_lease(db: Session, attempt: Attempt, *, now: datetime, lease_s: float) -> None:
    """Say that an attempt is alive.

    Raises:
        LeaseLost: the job is no longer this attempt's.
    """
    _write(db, attempt, lease_until=now + timedelta(seconds=lease_s))


def check_lease(db: Session, attempt: Attempt) -> None:
    """Lock the job's row for this transaction, as its rightful attempt.

    Raises:
        LeaseLost: the job is no longer this attempt's.
    """
    _write(db, attempt, state=JobState.RUNNING)


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


def end_attempt(db: Session, attempt: Attempt, outcome: Outcome, *, now: datetime) -> None:
    """Write down how an attempt ended.

    Raises:
        LeaseLost: the job is no longer this attempt's.
    """
    _write(
        db,
        attempt,
        state=outcome.state,
        result=outcome.result,
        error=outcome.error,
        lease_until=None,
        finished_at=now if outcome.state.is_final else None,
    )
    name = LOST if outcome.is_lost else outcome.state.value
    _end_attempts(db, attempt.job, outcome=name, now=now)


def count_lost(db: Session, number: int) -> int:
    """Count the attempts of a job whose process ended without a word."""
    lost = select(func.count()).where(AttemptRow.job_id == number, AttemptRow.outcome == LOST)
    return db.scalar(lost) or 0


def find_unfinished(
    db: Session, kind: JobKind, params: dict[str, Any], *, account: str = LOCAL_ACCOUNT
) -> Job | None:
    """Find a job of an account that waits or runs and is to do exactly this."""
    rows = db.scalars(
        select(JobRow).where(
            JobRow.kind == kind,
            JobRow.account == account,
            JobRow.state.in_([JobState.QUEUED, JobState.RUNNING]),
        )
    )
    return next((_job(row) for row in rows if row.params == params), None)


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


def cancel_job(db: Session, number: int, *, now: datetime) -> bool:
    """Cancel a job that is not finished; a running attempt learns of it by its lost lease."""
    changed = db.execute(
        update(JobRow)
        .where(
            JobRow.id == min(number, LARGEST),
            JobRow.state.in_([JobState.QUEUED, JobState.RUNNING]),
        )
        .values(
            state=JobState.CANCELLED,
            attempt=JobRow.attempt + 1,
            lease_until=None,
            finished_at=now,
        )
        .returning(JobRow.id)
        .execution_options(synchronize_session=False)
    ).first()
    if changed is not None:
        _end_attempts(db, number, outcome=JobState.CANCELLED.value, now=now)
    return changed is not None


def _is_free(now: datetime) -> ColumnElement[bool]:
    """Say which jobs may be taken."""
    return or_(
        JobRow.state == JobState.QUEUED,
        and_(JobRow.state == JobState.RUNNING, JobRow.lease_until < now),
    )


def _write(db: Session, attempt: Attempt, **values: object) -> None:
    """Change a job in the name of an attempt, or not at all."""
    changed = db.execute(
        update(JobRow)
        .where(
            JobRow.id == attempt.job,
            JobRow.attempt == attempt.number,
            JobRow.state == JobState.RUNNING,
        )
        .values(**values)
        .returning(JobRow.id)
        .execution_options(synchronize_session=False)
    ).first()
    if changed is None:
        raise LeaseLost(
            f"Attempt {attempt.number} of job {attempt.job} is no longer the one that counts.",
            job=attempt.job,
            attempt=attempt.number,
        )


def _end_attempts(db: Session, job: int, *, outcome: str, now: datetime) -> None:
    """Close the attempts of a job that are still open."""
    db.execute(
        update(AttemptRow)
        .where(AttemptRow.job_id == job, AttemptRow.ended_at.is_(None))
        .values(ended_at=now, outcome=outcome)
        .execution_options(synchronize_session=False)
    )


def _job(row: JobRow, events: tuple[JobEvent, ...] = ()) -> Job:
    return Job(
        id=row.id,
        account=row.account,
        kind=row.kind,
        state=row.state,
        params=row.params,
        attempt=row.attempt,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        result=row.result,
        error=row.error,
        events=events,
    )


def _event(row: EventRow) -> JobEvent:
    return JobEvent(
        number=row.number,
        attempt=row.attempt,
        at=row.at,
        step=row.step,
        message=row.message,
        done=row.done,
        total=row.total,
    )
