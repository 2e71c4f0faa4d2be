"""Jobs: SQL owns their state. Asking for them, and looking at them.

Who gets which job next stands in ``claiming``, who holds one in ``leases``, what is written in the
name of an attempt in ``attempts``, what people change in ``steering``, what is asked for again in
``repeats``.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from zoo.catalog.dependencies import have_succeeded, list_before
from zoo.catalog.job_rows import (
    LIMIT,
    UNFINISHED,
    as_attempt,
    as_event,
    as_job,
    as_kept,
    get_job_row,
)
from zoo.catalog.tables import LARGEST, AttemptRow, DependencyRow, EventRow, JobRow
from zoo.domain.access import LOCAL_ACCOUNT, Limit
from zoo.domain.job import Job, JobKind, JobState, JobWish
from zoo.domain.resources import Needs

PLAIN = Needs()
ANY_JOB = JobWish()


def add_job(  # noqa: PLR0913  # what a job is, and how it is queued
    db: Session,
    kind: JobKind,
    params: dict[str, Any],
    *,
    now: datetime,
    account: str = LOCAL_ACCOUNT,
    limit: Limit | None = None,
    priority: int = 0,
    needs: Needs = PLAIN,
    after: Iterable[int] = (),
    rerun_of: int | None = None,
) -> Job:
    """Add a job that an account asks for to the queue.

    It waits for the jobs of numbers ``after``, which are there already: so there is no circle.
    """
    before = sorted(set(after))
    row = JobRow(
        kind=kind,
        state=JobState.QUEUED if have_succeeded(db, before) else JobState.WAITING,
        account=account,
        priority=priority,
        params=as_kept(params, limit),
        attempt=0,
        created_at=now,
        threads=needs.threads,
        memory_bytes=needs.memory_bytes,
        gpus=needs.gpus,
        rerun_of=rerun_of,
    )
    db.add(row)
    db.flush()
    db.add_all(DependencyRow(job_id=row.id, after_id=number) for number in before)
    db.flush()
    return as_job(row, after=tuple(before))


def get_job(db: Session, number: int, *, after: int = 0) -> Job:
    """Give a job with its attempts and its events later than event ``after``.

    Raises:
        JobNotFound: there is none of that number.
    """
    row = get_job_row(db, number)
    events = db.scalars(
        select(EventRow)
        .where(EventRow.job_id == number, EventRow.number > min(after, LARGEST))
        .order_by(EventRow.number)
    )
    attempts = db.scalars(
        select(AttemptRow).where(AttemptRow.job_id == number).order_by(AttemptRow.number)
    )
    return as_job(
        row,
        after=tuple(list_before(db, [number]).get(number, ())),
        events=tuple(as_event(event) for event in events),
        attempts=tuple(as_attempt(attempt) for attempt in attempts),
    )


def get_kind(db: Session, number: int) -> JobKind:
    """Give the kind of a job.

    Raises:
        JobNotFound: there is none of that number.
    """
    return get_job_row(db, number).kind


def list_jobs(  # noqa: PLR0913  # which of them
    db: Session,
    *,
    account: str | None = None,
    owner: str | None = None,
    wish: JobWish = ANY_JOB,
    before: int | None = None,
    limit: int = 100,
) -> list[Job]:
    """List the newest jobs, of one account or of all, without their events and attempts.

    Those alone that are as ``wish`` says, and were asked for before the one of number ``before``;
    with ``owner`` those that were asked for with a token for that owner.
    """
    wanted = select(JobRow).order_by(JobRow.id.desc()).limit(limit)
    if account is not None:
        wanted = wanted.where(JobRow.account == account)
    if before is not None:
        wanted = wanted.where(JobRow.id < min(before, LARGEST))
    if wish.kind is not None:
        wanted = wanted.where(JobRow.kind == wish.kind)
    told = {"model": wish.model, "dataset": wish.dataset}
    for name, value in told.items():
        if value is not None:
            wanted = wanted.where(JobRow.params[name].as_string() == value)
    if owner is not None:
        wanted = wanted.where(JobRow.params[LIMIT, "owner"].as_string() == owner)
    rows = list(db.scalars(wanted))
    earlier = list_before(db, [row.id for row in rows])
    return [as_job(row, after=tuple(earlier.get(row.id, ()))) for row in rows]


def list_succeeded(db: Session, kind: JobKind, *, limit: int) -> list[Job]:
    """List the newest jobs of a kind that succeeded, without their events."""
    wanted = select(JobRow).where(JobRow.kind == kind, JobRow.state == JobState.SUCCEEDED)
    return [as_job(row) for row in db.scalars(wanted.order_by(JobRow.id.desc()).limit(limit))]


def count_unfinished(db: Session, account: str) -> int:
    """Count the jobs of an account that are not finished."""
    open_ = select(func.count()).where(JobRow.account == account, JobRow.state.in_(UNFINISHED))
    return db.scalar(open_) or 0


def find_last_number(db: Session) -> int:
    """Give the number of the newest job; 0 where there is none."""
    return db.scalar(select(func.max(JobRow.id))) or 0


def find_unsucceeded(db: Session, numbers: Collection[int]) -> list[int]:
    """Find those of some jobs that have not succeeded, or are not there."""
    wanted = [number for number in numbers if number <= LARGEST]
    done = db.scalars(
        select(JobRow.id).where(JobRow.id.in_(wanted), JobRow.state == JobState.SUCCEEDED)
    )
    return sorted(set(numbers) - set(done))
