"""Jobs that are to do the same as another: that is taken up again, or they stand in its place."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from zoo.catalog.dependencies import list_before
from zoo.catalog.job_rows import UNFINISHED, as_job, as_kept
from zoo.catalog.tables import JobRow
from zoo.domain.access import LOCAL_ACCOUNT, Limit
from zoo.domain.job import Job, JobKind, JobState

GIVEN_UP = [JobState.FAILED, JobState.CANCELLED]


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
    kept = as_kept(params, limit)
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
    return as_job(found, after=tuple(list_before(db, [found.id]).get(found.id, ())))


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


def _texts(params: Mapping[str, Any]) -> list[str]:
    """Name the parameters by which most jobs differ, for the database to look for."""
    return [name for name in ("name", "model", "dataset") if isinstance(params.get(name), str)]
