"""A job that is asked for once more while it is not finished: it goes on, on the terms it has."""

from sqlalchemy.orm import Session

from zoo.catalog import jobs, repeats, steering
from zoo.domain.job import Job
from zoo.domain.terms import Terms
from zoo.errors import Conflict


def take_up(db: Session, job: Job, terms: Terms) -> None:
    """Have a job that is asked for once more go on.

    Raises:
        Conflict: it is asked for on terms that it does not have; it stays as it is.
    """
    if terms.rerun_of is None:
        _check_terms(db, job, terms)
    elif terms.rerun_of < job.id:
        repeats.link_rerun(db, job.id, terms.rerun_of)
    steering.resume_job(db, job.id)


def _check_terms(db: Session, job: Job, terms: Terms) -> None:
    """Refuse terms that would be dropped, since the job they are for is queued already."""
    needs = terms.needs
    asked = {
        "priority": (terms.priority, job.priority),
        "threads": (needs.threads, job.threads),
        "memory_bytes": (needs.memory_bytes, job.memory_bytes),
    }
    other = [name for name, (wish, has) in asked.items() if wish is not None and wish != has]
    if jobs.find_unsucceeded(db, set(terms.after) - set(job.after)):
        other.append("after")
    if not other:
        return
    end = f"end it first: zoo jobs cancel {job.id}"
    raise Conflict(
        f"Job {job.id} is to do the same, is not finished, and was queued on other terms:"
        f" {', '.join(other)}.",
        hint="Leave it out to have the job go on, or change it where you may:"
        f" zoo jobs priority {job.id} {terms.priority}"
        if other == ["priority"]
        else f"Leave them out to have it go on, or {end}",
        job=job.id,
        terms=other,
    )
