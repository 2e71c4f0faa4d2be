"""Leases: one attempt holds a job, as long as one clock says.

Leases are not judged by the clocks on the walls of the machines, which differ and may be set. On
PostgreSQL it is the server's clock, the same for all. On SQLite, where everyone is on one machine,
it is the time since that machine started, sleep included; a lease of an earlier start has run out,
because whoever held it is gone.
"""

import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.orm import Session

from zoo.catalog.tables import JobRow
from zoo.domain.job import Attempt, JobState
from zoo.errors import LeaseLost

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the clock of leases says."""

    clock: str  # which one it is
    at_s: float


def read_clock(db: Session) -> Reading:
    """Read the clock by which this catalog's leases are judged."""
    if db.get_bind().dialect.name == "postgresql":
        seconds = db.scalar(select(func.extract("epoch", func.clock_timestamp())))
        return Reading(clock="postgresql", at_s=float(seconds or 0))
    name = find_boot()
    if name is None:
        # No clock of this system outlives a process and is never set, so this one has to do.
        return Reading(clock="wall", at_s=time.time())
    return Reading(clock=name, at_s=time.clock_gettime(time.CLOCK_BOOTTIME))


@cache
def find_boot() -> str | None:
    """Name the time since the machine started; None where the system does not tell of it."""
    try:
        return f"boot {BOOT_ID.read_text(encoding='ascii').strip()}"
    except OSError:
        return None


def is_lapsed(reading: Reading) -> ColumnElement[bool]:
    """Say which running jobs nobody holds any more."""
    return or_(
        JobRow.clock.is_distinct_from(reading.clock),
        JobRow.lease_until.is_(None),
        JobRow.lease_until < reading.at_s,
    )


def is_due(reading: Reading) -> ColumnElement[bool]:
    """Say which jobs are not put off; what was put off by another clock no longer is."""
    return or_(
        JobRow.not_before.is_(None),
        JobRow.clock.is_distinct_from(reading.clock),
        JobRow.not_before <= reading.at_s,
    )


def extend_lease(db: Session, attempt: Attempt, *, reading: Reading, lease_s: float) -> None:
    """Say that an attempt is alive.

    Raises:
        LeaseLost: the job is no longer this attempt's.
    """
    write_held(db, attempt, lease_until=reading.at_s + lease_s, clock=reading.clock)


def check_lease(db: Session, attempt: Attempt) -> None:
    """Lock the job's row for this transaction, as its rightful attempt.

    Raises:
        LeaseLost: the job is no longer this attempt's.
    """
    write_held(db, attempt, state=JobState.RUNNING)


def look_at_lease(db: Session, attempt: Attempt) -> bool:
    """Tell whether an attempt that still holds its job is to put it aside.

    Raises:
        LeaseLost: the job is no longer this attempt's.
    """
    is_pausing = db.scalar(select(JobRow.is_pausing).where(_is_held(attempt)))
    if is_pausing is None:
        raise _lost(attempt)
    return is_pausing


def write_held(db: Session, attempt: Attempt, **values: object) -> None:
    """Change a job in the name of an attempt, or not at all.

    Raises:
        LeaseLost: the job is no longer this attempt's.
    """
    changed = db.execute(
        update(JobRow)
        .where(_is_held(attempt))
        .values(**values)
        .returning(JobRow.id)
        .execution_options(synchronize_session=False)
    ).first()
    if changed is None:
        raise _lost(attempt)


def _is_held(attempt: Attempt) -> ColumnElement[bool]:
    return and_(
        JobRow.id == attempt.job,
        JobRow.attempt == attempt.number,
        JobRow.state == JobState.RUNNING,
    )


def _lost(attempt: Attempt) -> LeaseLost:
    return LeaseLost(
        f"Attempt {attempt.number} of job {attempt.job} is no longer the one that counts.",
        job=attempt.job,
        attempt=attempt.number,
    )
