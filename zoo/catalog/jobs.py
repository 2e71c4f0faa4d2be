"""Jobs: SQL owns their state; every write of an attempt carries its number as a fencing token.

Who gets which job next stands in ``claiming``, who holds one in ``leases``.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.orm import Session

from zoo.catalog.claiming import LOST, end_attempts
from zoo.catalog.dependencies import list_before, settle_dependents
from zoo.catalog.leases import Reading, check_lease, look_at_lease, write_held
from zoo.catalog.tables import LARGEST, AttemptRow, DependencyRow, EventRow, JobRow
from zoo.domain.access import LOCAL_ACCOUNT, Limit
from zoo.domain.job import Attempt, AttemptRecord, Job, JobEvent, JobKind, JobState, JobWish
from zoo.domain.resources import Needs, Share
from zoo.errors import JobNotFound

UNFINISHED = [state for state in JobState if not state.is_final]
GIVEN_UP = [JobState.FAILED, JobState.CANCELLED]
PLAIN = Needs()
ANY_JOB = JobWish()
LIMIT = "limit"  # among the parameters as they are kept; those of a job are without it


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an attempt ended."""

    state: JobState  # QUEUED puts the job back for another attempt
    name: str | None = None  # what is written down of the attempt; otherwise the state
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    pause_s: float | None = None  # before the next attempt


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
        state=JobState.QUEUED if _have_succeeded(db, before) else JobState.WAITING,
        account=account,
        priority=priority,
        params=_bound(params, limit),
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
    return _job(row, after=tuple(before))


def get_job(db: Session, number: int, *, after: int = 0) -> Job:
    """Give a job with its attempts and its events later than event ``after``.

    Raises:
        JobNotFound: there is none of that number.
    """
    row = _get_row(db, number)
    events = db.scalars(
        select(EventRow)
        .where(EventRow.job_id == number, EventRow.number > min(after, LARGEST))
        .order_by(EventRow.number)
    )
    attempts = db.scalars(
        select(AttemptRow).where(AttemptRow.job_id == number).order_by(AttemptRow.number)
    )
    return _job(
        row,
        after=tuple(list_before(db, [number]).get(number, ())),
        events=tuple(_event(event) for event in events),
        attempts=tuple(_attempt(attempt) for attempt in attempts),
    )


def get_kind(db: Session, number: int) -> JobKind:
    """Give the kind of a job.

    Raises:
        JobNotFound: there is none of that number.
    """
    return _get_row(db, number).kind


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
    return [_job(row, after=tuple(earlier.get(row.id, ()))) for row in rows]


def list_succeeded(db: Session, kind: JobKind, *, limit: int) -> list[Job]:
    """List the newest jobs of a kind that succeeded, without their events."""
    wanted = select(JobRow).where(JobRow.kind == kind, JobRow.state == JobState.SUCCEEDED)
    return [_job(row) for row in db.scalars(wanted.order_by(JobRow.id.desc()).limit(limit))]


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


def count_attempts(db: Session, number: int, outcome: str = LOST) -> int:
    """Count the attempts of a job that ended so; by default those without a word."""
    ended = select(func.count()).where(AttemptRow.job_id == number, AttemptRow.outcome == outcome)
    return db.scalar(ended) or 0


def find_unfinished(  # noqa: PLR0913  # what is to be done, for whom, and where to look
    db: Session,
    kind: JobKind,
    params: dict[str, Any],
    *,
    account: str = LOCAL_ACCOUNT,
    limit: Limit | None = None,
    after: int = 0,
    at: int | None = None,
) -> Job | None:
    """Find a job of an account and limit that is not finished and is to do exactly this.

    Those alone that were asked for after the one of number ``after``, and the one of number ``at``.
    The database compares what most jobs differ by, so that few rows are read.
    """
    kept = _bound(params, limit)
    rows = db.scalars(
        select(JobRow)
        .where(
            or_(JobRow.id > after, JobRow.id == at),
            JobRow.kind == kind,
            JobRow.account == account,
            JobRow.state.in_(UNFINISHED),
            *(JobRow.params[name].as_string() == params[name] for name in _texts(params)),
        )
        .order_by(JobRow.id)
    )
    found = next((row for row in rows if row.params == kept), None)
    if found is None:
        return None
    return _job(found, after=tuple(list_before(db, [found.id]).get(found.id, ())))


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
    is_ready = _have_succeeded(db, list_before(db, [number]).get(number, ()))
    state = JobState.QUEUED if is_ready else JobState.WAITING
    return _change(db, number, [JobState.PAUSED], state=state, not_before=None) or _change(
        db, number, [JobState.RUNNING], is_pausing=False
    )


def set_priority(db: Session, number: int, priority: int) -> bool:
    """Have a job that is not finished come earlier, or later."""
    return _change(db, number, UNFINISHED, priority=priority)


def set_params(db: Session, attempt: Attempt, params: Mapping[str, Any]) -> None:
    """Settle what a job is to do, in the name of the attempt that does it.

    Raises:
        LeaseLost: the job is no longer this attempt's.
    """
    limit = _job(_get_row(db, attempt.job)).limit
    write_held(db, attempt, params=_bound(params, limit))


def link_rerun(db: Session, number: int, earlier: int) -> None:
    """Write down that a job stands in place of an earlier one, unless it does of another."""
    db.execute(
        update(JobRow)
        .where(JobRow.id == number, JobRow.rerun_of.is_(None))
        .values(rerun_of=earlier)
        .execution_options(synchronize_session=False)
    )


def find_last_rerun(db: Session, number: int, *, account: str | None = None) -> int:
    """Give the job that stands in place of another; that one where there is none.

    It is the one that it was run again as last. Where that did not succeed, it is the newest one
    that was asked for later by itself, was to do the same, and succeeded or may yet. Jobs of one
    account count, or of all.
    """
    whose = [] if account is None else [JobRow.account == account]
    last: int | None = number
    while last is not None:
        number = last
        later = select(func.max(JobRow.id)).where(JobRow.rerun_of == number, *whose)
        last = db.scalar(later)
    row = db.get(JobRow, number)
    if row is None or row.state not in GIVEN_UP:
        return number
    same = db.scalars(
        select(JobRow)
        .where(
            JobRow.id > number,
            JobRow.kind == row.kind,
            JobRow.state.not_in(GIVEN_UP),
            *(JobRow.params[name].as_string() == row.params[name] for name in _texts(row.params)),
            *whose,
        )
        .order_by(JobRow.id.desc())
    )
    return next((one.id for one in same if one.params == row.params), number)


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


def _texts(params: Mapping[str, Any]) -> list[str]:
    """Name the parameters by which most jobs differ, for the database to look for."""
    return [name for name in ("name", "model", "dataset") if isinstance(params.get(name), str)]


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


def _have_succeeded(db: Session, numbers: Iterable[int]) -> bool:
    wanted = list(numbers)
    if not wanted:
        return True
    others = select(func.count()).where(JobRow.id.in_(wanted), JobRow.state != JobState.SUCCEEDED)
    return not db.scalar(others)


def _get_row(db: Session, number: int) -> JobRow:
    """Give a job's row as it stands in the database.

    Raises:
        JobNotFound: there is none of that number.
    """
    row = db.get(JobRow, number, populate_existing=True) if number <= LARGEST else None
    if row is None:
        raise JobNotFound(f"There is no job {number}.", job=number)
    return row


def _bound(params: Mapping[str, Any], limit: Limit | None) -> dict[str, Any]:
    """Give the parameters of a job as they are kept."""
    return {**params} if limit is None else {**params, LIMIT: limit.as_json()}


def _job(
    row: JobRow,
    *,
    after: tuple[int, ...] = (),
    events: tuple[JobEvent, ...] = (),
    attempts: tuple[AttemptRecord, ...] = (),
) -> Job:
    params = dict(row.params)
    limit = params.pop(LIMIT, None)
    return Job(
        id=row.id,
        account=row.account,
        limit=None if limit is None else Limit.from_json(limit),
        kind=row.kind,
        state=row.state,
        priority=row.priority,
        params=params,
        attempt=row.attempt,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        result=row.result,
        error=row.error,
        events=events,
        attempts=attempts,
        after=after,
        rerun_of=row.rerun_of,
        is_pausing=row.is_pausing,
        threads=row.threads,
        memory_bytes=row.memory_bytes,
        gpus=row.gpus,
    )


def _attempt(row: AttemptRow) -> AttemptRecord:
    share = Share.from_json(row.share) if row.share else None
    return AttemptRecord(
        number=row.number,
        worker=row.worker,
        started_at=row.started_at,
        ended_at=row.ended_at,
        outcome=row.outcome,
        error=row.error,
        threads=share.threads if share else None,
        memory_bytes=share.memory_bytes if share else None,
        gpus=share.gpus if share else (),
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
