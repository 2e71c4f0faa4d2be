"""Finding the rows of jobs, and telling them as the domain's values: for this room alone."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from zoo.catalog.tables import LARGEST, AttemptRow, EventRow, JobRow
from zoo.domain.access import Limit
from zoo.domain.job import AttemptRecord, Job, JobEvent, JobState
from zoo.domain.resources import Share
from zoo.errors import JobNotFound

UNFINISHED = [state for state in JobState if not state.is_final]
LIMIT = "limit"  # among the parameters as they are kept; those of a job are without it


def get_job_row(db: Session, number: int) -> JobRow:
    """Give a job's row as it stands in the database.

    Raises:
        JobNotFound: there is none of that number.
    """
    row = db.get(JobRow, number, populate_existing=True) if number <= LARGEST else None
    if row is None:
        raise JobNotFound(f"There is no job {number}.", job=number)
    return row


def as_kept(params: Mapping[str, Any], limit: Limit | None) -> dict[str, Any]:
    """Give the parameters of a job as they are kept."""
    return {**params} if limit is None else {**params, LIMIT: limit.as_json()}


def as_job(
    row: JobRow,
    *,
    after: tuple[int, ...] = (),
    events: tuple[JobEvent, ...] = (),
    attempts: tuple[AttemptRecord, ...] = (),
) -> Job:
    """Write a row down as the domain's value, with what stands in other rows."""
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


def as_attempt(row: AttemptRow) -> AttemptRecord:
    """Write a row down as the domain's value."""
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


def as_event(row: EventRow) -> JobEvent:
    """Write a row down as the domain's value."""
    return JobEvent(
        number=row.number,
        attempt=row.attempt,
        at=row.at,
        step=row.step,
        message=row.message,
        done=row.done,
        total=row.total,
    )
