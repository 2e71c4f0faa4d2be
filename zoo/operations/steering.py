"""Jobs as people steer them: cancelled, put aside, resumed, put before others."""

from collections.abc import Callable
from typing import Any

from zoo.catalog import audit, jobs, steering
from zoo.catalog.tables import LARGEST
from zoo.domain.access import LOCAL_ACCOUNT
from zoo.domain.job import Job, JobState
from zoo.operations.jobs import check_seen
from zoo.operations.opening import Zoo
from zoo.operations.terms import check_priority


def cancel(zoo: Zoo, number: int) -> Job:
    """Cancel a job; one that is finished stays as it is.

    Raises:
        JobNotFound: there is none of that number.
    """
    return _change(
        zoo, number, "job.cancel", lambda db: steering.cancel_job(db, number, now=zoo.clock())
    )


def pause(zoo: Zoo, number: int) -> Job:
    """Put a job aside; one that runs stops at its next checkpoint, one that is finished stays.

    Raises:
        JobNotFound: there is none of that number.
    """
    return _change(zoo, number, "job.pause", lambda db: steering.pause_job(db, number))


def resume(zoo: Zoo, number: int) -> Job:
    """Queue a job again that was put aside; any other stays as it is.

    Raises:
        JobNotFound: there is none of that number.
        Forbidden, ModelNotFound: its account may not do that any more; it stays put aside.
    """
    # It is needed for what was put aside alone, and reads models and datasets.
    from zoo.operations.rights import check_asker  # noqa: PLC0415

    with zoo.catalog.reading() as db:
        job = check_seen(zoo, jobs.get_job(db, number, after=LARGEST))
    if job.state is JobState.PAUSED and job.account != LOCAL_ACCOUNT:
        check_asker(zoo, job)
    return _change(zoo, number, "job.resume", lambda db: steering.resume_job(db, number))


def set_priority(zoo: Zoo, number: int, priority: int) -> Job:
    """Have a job come earlier, or later; one that is finished stays as it is.

    Raises:
        JobNotFound: there is none of that number.
        Invalid, Forbidden: the caller cannot give that priority, or take the one that it has.
    """
    check_priority(zoo, priority)
    with zoo.catalog.reading() as db:
        job = check_seen(zoo, jobs.get_job(db, number))
        check_priority(zoo, job.priority)
    return _change(
        zoo,
        number,
        "job.priority",
        lambda db: steering.set_priority(db, number, priority),
        before=job.priority,
        to=priority,
    )


def _change(
    zoo: Zoo, number: int, action: str, change: Callable[[Any], object], **detail: object
) -> Job:
    """Change a job that the caller may know of, and write down that they did."""
    with zoo.catalog.writing() as db:
        check_seen(zoo, jobs.get_job(db, number))
        change(db)
        audit.add_entry(db, zoo.caller, action, f"job {number}", now=zoo.clock(), **detail)
        return jobs.get_job(db, number)
