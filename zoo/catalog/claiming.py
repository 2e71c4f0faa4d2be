"""Claiming: which job is next, and who has it.

The order is by priority; then the account with the fewest running jobs; of those the one that was
served the longest ago; of its jobs the oldest. A machine takes the first one that fits beside what
it runs. A smaller job may pass the one that is next and does not fit, but only ``MOST_PASSED`` may;
then the machine starts nothing until there is room for it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, String, and_, case, cast, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from zoo.catalog.attempts import LAPSED, end_attempts
from zoo.catalog.leases import Reading, is_due, is_lapsed
from zoo.catalog.tables import AttemptRow, JobRow, TurnRow
from zoo.domain.job import Attempt, JobKind, JobState
from zoo.domain.resources import USUAL, Room, Share

MOST_PASSED = 8

_others = aliased(JobRow)
_Jobs = Select[int, JobKind, int | None, int | None, int | None, int]
_running = (
    select(_others.account, func.count().label("jobs"))
    .where(_others.state == JobState.RUNNING)
    .group_by(_others.account)
    .subquery()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimant:
    """A worker that asks for a job."""

    worker: str  # machine, home and process, with colons between
    room: Room | None = None  # of its machine; None takes whatever there is

    @property
    def machine(self) -> str:
        """Name the machine and home, whose jobs share the room."""
        return self.worker.rpartition(":")[0] or self.worker


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The job that is next for a worker."""

    job: int
    share: Share | None  # what it is given of the machine
    passes: int | None = None  # the job that it goes before, which does not fit yet


def choose_job(
    db: Session, claimant: Claimant, *, reading: Reading, number: int | None = None
) -> Choice | None:
    """Find the next job for a worker, or the one of this number; None where there is nothing.

    Queued jobs can be taken, and running ones whose lease ran out.
    """
    wanted = _in_order(reading)
    if number is not None:
        wanted = wanted.where(JobRow.id == number)
    if claimant.room is None:
        row = db.execute(wanted).first()
        return None if row is None else Choice(job=row.id, share=None)
    return _choose_that_fits(
        db, wanted, claimant.room, _find_free(db, claimant, claimant.room, reading)
    )


def claim_job(  # noqa: PLR0913  # who takes what, when
    db: Session,
    claimant: Claimant,
    *,
    now: datetime,
    reading: Reading,
    lease_s: float,
    number: int | None = None,
    choice: Choice | None = None,
) -> Attempt | None:
    """Take the next job, or the one of this number; None where there is nothing.

    It is taken by one statement that is guarded: of two who choose the same job one gets it. A
    ``choice`` of a moment ago saves choosing again, unless somebody else has taken it meanwhile, or
    the room for it.
    """
    taken = None
    if choice is not None and _still_fits(db, claimant, choice, reading):
        taken = _take(db, choice, now=now, reading=reading, lease_s=lease_s)
    if taken is None:
        choice = choose_job(db, claimant, reading=reading, number=number)
        if choice is not None:
            taken = _take(db, choice, now=now, reading=reading, lease_s=lease_s)
    if taken is None or choice is None:
        return None
    attempt = Attempt(job=taken.id, number=taken.attempt)
    if attempt.number > 1:
        end_attempts(db, attempt.job, outcome=LAPSED, now=now)
    db.add(
        AttemptRow(
            job_id=attempt.job,
            number=attempt.number,
            worker=claimant.worker,
            started_at=now,
            share=choice.share.as_json() if choice.share else None,
        )
    )
    _take_turn(db, taken.account)
    if choice.passes is not None:
        _count_pass(db, choice.passes)
    db.flush()
    return attempt


def _take(db: Session, choice: Choice, *, now: datetime, reading: Reading, lease_s: float) -> Any:  # noqa: ANN401  # a row
    """Take a job if it is still free; give its number, its attempt and its account."""
    return db.execute(
        update(JobRow)
        .where(JobRow.id == choice.job, _is_free(reading))
        .values(
            state=JobState.RUNNING,
            attempt=JobRow.attempt + 1,
            lease_until=reading.at_s + lease_s,
            clock=reading.clock,
            not_before=None,
            passed=0,
            started_at=func.coalesce(JobRow.started_at, now),
        )
        .returning(JobRow.id, JobRow.attempt, JobRow.account)
        .execution_options(synchronize_session=False)
    ).first()


def _still_fits(db: Session, claimant: Claimant, choice: Choice, reading: Reading) -> bool:
    """Tell whether the machine still has the room that a choice takes."""
    if claimant.room is None or choice.share is None:
        return claimant.room is None
    free, share = _find_free(db, claimant, claimant.room, reading), choice.share
    return (
        free.slots > 0
        and share.threads <= free.threads
        and share.memory_bytes <= free.memory_bytes
        and set(share.gpus) <= set(free.gpus)
    )


def _choose_that_fits(db: Session, wanted: _Jobs, room: Room, free: Room) -> Choice | None:
    """Find the next job that fits; ``room`` is the whole machine, ``free`` what is left of it."""
    if free.slots <= 0:
        return None
    needs = _Usual(room)
    first = db.execute(wanted.where(*_ask_no_more(room))).first()
    if first is None:
        return None
    share = _give(needs.of(first), free)
    if share is not None:
        return Choice(job=first.id, share=share)
    smaller = None
    if first.passed < MOST_PASSED:
        smaller = db.execute(wanted.where(*needs.fit(free))).first()
    if smaller is None:
        return None
    return Choice(job=smaller.id, share=_give(needs.of(smaller), free), passes=first.id)


def _in_order(reading: Reading) -> _Jobs:
    """Give the jobs that can be taken, the next one first, and no more than that one."""
    return (
        select(
            JobRow.id,
            JobRow.kind,
            JobRow.threads,
            JobRow.memory_bytes,
            JobRow.gpus,
            JobRow.passed,
        )
        .outerjoin(_running, _running.c.account == JobRow.account)
        .outerjoin(TurnRow, TurnRow.account == JobRow.account)
        .where(_is_free(reading))
        .order_by(
            JobRow.priority.desc(),
            func.coalesce(_running.c.jobs, 0),
            func.coalesce(TurnRow.turn, 0),
            JobRow.id,
        )
        .limit(1)
    )


def _is_free(reading: Reading) -> ColumnElement[bool]:
    """Say which jobs may be taken."""
    return or_(
        and_(JobRow.state == JobState.QUEUED, is_due(reading)),
        and_(JobRow.state == JobState.RUNNING, is_lapsed(reading)),
    )


def _find_free(db: Session, claimant: Claimant, room: Room, reading: Reading) -> Room:
    """Find what a machine has left beside the jobs that run on it, whoever started them."""
    held = db.execute(
        select(AttemptRow.share)
        .join(
            JobRow,
            and_(JobRow.id == AttemptRow.job_id, JobRow.attempt == AttemptRow.number),
        )
        .where(
            JobRow.state == JobState.RUNNING,
            ~is_lapsed(reading),
            AttemptRow.worker.startswith(f"{claimant.machine}:", autoescape=True),
        )
    )
    nothing = Share(threads=0, memory_bytes=0)
    return room.beside(Share.from_json(row.share) if row.share else nothing for row in held)


def _ask_no_more(room: Room) -> tuple[ColumnElement[bool], ...]:
    """Say which jobs ask for no more than a whole machine; what is usual there always fits."""
    conditions = [
        func.coalesce(JobRow.threads, 0) <= room.threads,
        func.coalesce(JobRow.memory_bytes, 0) <= room.memory_bytes,
    ]
    if room.gpus:  # A machine without any does all jobs without.
        conditions.append(func.coalesce(JobRow.gpus, 0) <= len(room.gpus))
    return tuple(conditions)


@dataclass(frozen=True, slots=True)
class _Usual:
    """What jobs need of a machine, where they ask for nothing else what is usual there."""

    room: Room

    def fit(self, room: Room) -> tuple[ColumnElement[bool], ...]:
        """Say which jobs fit into this much of the machine."""
        usual = {kind: self.room.usual(kind) for kind in USUAL}
        conditions = [
            _need(JobRow.threads, {kind: one.threads for kind, one in usual.items()})
            <= room.threads,
            _need(JobRow.memory_bytes, {kind: one.memory_bytes for kind, one in usual.items()})
            <= room.memory_bytes,
        ]
        if self.room.gpus:
            conditions.append(
                _need(JobRow.gpus, {kind: len(one.gpus) for kind, one in usual.items()})
                <= len(room.gpus)
            )
        return tuple(conditions)

    def of(self, row: Any) -> tuple[int, int, int]:  # noqa: ANN401  # a row
        """Give the threads, bytes and GPUs that a job takes."""
        usual = self.room.usual(row.kind)
        return (
            usual.threads if row.threads is None else row.threads,
            usual.memory_bytes if row.memory_bytes is None else row.memory_bytes,
            0 if not self.room.gpus else len(usual.gpus) if row.gpus is None else row.gpus,
        )


def _need(asked: Any, usual: dict[JobKind, int]) -> ColumnElement[int]:  # noqa: ANN401  # a column
    by_name = {kind.value: most for kind, most in usual.items()}
    return func.coalesce(asked, case(by_name, value=cast(JobRow.kind, String), else_=0))


def _give(needs: tuple[int, int, int], free: Room) -> Share | None:
    """Give a job its share of what is free; None where it does not fit."""
    threads, memory_bytes, gpus = needs
    if threads > free.threads or memory_bytes > free.memory_bytes or gpus > len(free.gpus):
        return None
    return Share(threads=threads, memory_bytes=memory_bytes, gpus=free.gpus[:gpus])


def _take_turn(db: Session, account: str) -> None:
    """Write down that an account was served, after all others."""
    turn = (db.scalar(select(func.max(TurnRow.turn))) or 0) + 1
    row = db.get(TurnRow, account)
    if row is None:
        db.add(TurnRow(account=account, turn=turn))
    else:
        row.turn = turn


def _count_pass(db: Session, number: int) -> None:
    db.execute(
        update(JobRow)
        .where(JobRow.id == number)
        .values(passed=JobRow.passed + 1)
        .execution_options(synchronize_session=False)
    )
