"""On which terms a job may be queued: with what priority, after what, beside how many others."""

from sqlalchemy.orm import Session

from zoo.catalog import jobs
from zoo.domain.job import Job, JobState
from zoo.domain.terms import HIGHEST, LOWEST, OWN_HIGHEST
from zoo.errors import Conflict, Forbidden, Invalid
from zoo.operations.opening import Zoo


def check_priority(zoo: Zoo, priority: int) -> None:
    """Refuse a priority that the caller cannot give.

    Raises:
        Invalid: nobody can.
        Forbidden: only those who look after the zoo can.
    """
    if not LOWEST <= priority <= HIGHEST:
        raise Invalid(
            f"There is no priority {priority}.",
            hint=f"Give {LOWEST} to {OWN_HIGHEST}; those who look after the zoo up to {HIGHEST}.",
            priority=priority,
        )
    if priority > OWN_HIGHEST and not zoo.caller.rules:
        raise Forbidden(
            f"{zoo.caller.account!r} may not put jobs before those of others.",
            hint=f"Order your own by {LOWEST} to {OWN_HIGHEST}, or ask an admin of the zoo.",
            priority=priority,
        )


def check_room(zoo: Zoo, db: Session) -> None:
    """Refuse another job to an account that has as many unfinished ones as it may.

    Raises:
        Conflict: it has.
    """
    account, most = zoo.caller.account, zoo.settings.quota_jobs
    if not most or zoo.caller.rules:
        return
    held = jobs.count_unfinished(db, account)
    if held >= most:
        raise Conflict(
            f"{account!r} may have {most} jobs that are not finished, and has {held}.",
            hint="Wait for some to end, or cancel some: zoo jobs cancel NUMBER",
            account=account,
            most_jobs=most,
            held_jobs=held,
        )


def check_before(job: Job) -> None:
    """Refuse to have a job come after one that will not succeed any more.

    Raises:
        Conflict: it will not.
    """
    if job.state.is_final and job.state is not JobState.SUCCEEDED:
        raise Conflict(
            f"Job {job.id} was {job.state.value}, so nothing can come after it."
            if job.state is JobState.CANCELLED
            else f"Job {job.id} has {job.state.value}, so nothing can come after it.",
            hint=f"Run it again and name the new one: zoo jobs rerun {job.id}",
            job=job.id,
            state=job.state.value,
        )
