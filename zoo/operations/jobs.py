"""The life of a job: queued, claimed, kept alive, told about, ended."""

import contextlib
from typing import Any

from zoo.catalog import audit, jobs
from zoo.domain.job import Attempt, Job, JobEvent, JobKind, JobState
from zoo.errors import JobFailed, JobNotFound, LeaseLost, ZooError
from zoo.operations.opening import Zoo

MOST_LOST = 3  # a job whose process dies this often without a word has failed


def enqueue(zoo: Zoo, kind: JobKind, params: dict[str, Any]) -> Job:
    """Put a job into the queue; one that is to do the same and is not finished is taken up again.

    So a command that was interrupted goes on when it is given again.
    """
    account, now = zoo.caller.account, zoo.clock()
    with zoo.catalog.writing() as db:
        unfinished = jobs.find_unfinished(db, kind, params, account=account)
        if unfinished is not None:
            return unfinished
        job = jobs.add_job(db, kind, params, account=account, now=now)
        subject = str(params.get("name") or params.get("model") or "")
        audit.add_entry(
            db, zoo.caller, "job.enqueue", subject, now=now, job=job.id, kind=kind.value
        )
        return job


def get_job(zoo: Zoo, number: int, *, after: int = 0) -> Job:
    """Give a job with its events later than event ``after``.

    Raises:
        JobNotFound: there is none of that number.
    """
    with zoo.catalog.reading() as db:
        return _seen(zoo, jobs.get_job(db, number, after=after))


def list_running(zoo: Zoo) -> list[tuple[Attempt, str]]:
    """List the attempts that hold a job, each with the name of its worker."""
    with zoo.catalog.reading() as db:
        return jobs.list_running(db)


def list_jobs(zoo: Zoo, *, limit: int = 100) -> list[Job]:
    """List the newest jobs: the caller's, or everyone's for those who look after the zoo."""
    account = None if zoo.caller.rules else zoo.caller.account
    with zoo.catalog.reading() as db:
        return jobs.list_jobs(db, account=account, limit=limit)


def list_succeeded(zoo: Zoo, kind: JobKind, *, limit: int = 1000) -> list[Job]:
    """List the newest jobs of a kind that succeeded."""
    with zoo.catalog.reading() as db:
        return jobs.list_succeeded(db, kind, limit=limit)


def claim(zoo: Zoo, *, worker: str, number: int | None = None) -> Attempt | None:
    """Take the next free job, or the one of this number; None where there is nothing to take."""
    with zoo.catalog.reading() as db:
        if not jobs.has_free(db, now=zoo.clock()):
            return None  # Workers ask often; only those that may get something lock the catalog.
    with zoo.catalog.writing() as db:
        attempt = jobs.claim_job(
            db, worker=worker, now=zoo.clock(), lease_s=zoo.settings.lease_s, number=number
        )
        if attempt is None or jobs.count_lost(db, attempt.job) < MOST_LOST:
            return attempt
        # Its processes died so often, with those who looked after them, that it is given up.
        error = _died_too_often(zoo, attempt).as_json()
        outcome = jobs.Outcome(state=JobState.FAILED, error=error)
        jobs.end_attempt(db, attempt, outcome, now=zoo.clock())
        return None


def keep_alive(zoo: Zoo, attempt: Attempt) -> None:
    """Extend the lease of an attempt.

    Raises:
        LeaseLost: another attempt counts now.
    """
    with zoo.catalog.writing() as db:
        jobs.extend_lease(db, attempt, now=zoo.clock(), lease_s=zoo.settings.lease_s)


def tell(  # noqa: PLR0913  # the parts of one event
    zoo: Zoo,
    attempt: Attempt,
    step: str,
    message: str,
    *,
    done: int | None = None,
    total: int | None = None,
) -> None:
    """Keep what an attempt says of its progress.

    Raises:
        LeaseLost: another attempt counts now.
    """
    event = JobEvent(
        number=0,
        attempt=attempt.number,
        at=zoo.clock(),
        step=step,
        message=message,
        done=done,
        total=total,
    )
    with zoo.catalog.writing() as db:
        jobs.add_event(db, attempt, event)


def put_back(zoo: Zoo, attempt: Attempt) -> None:
    """End an attempt that was interrupted; the job waits for another.

    Raises:
        LeaseLost: another attempt counts now.
    """
    _end(zoo, attempt, jobs.Outcome(state=JobState.QUEUED))


def lose(zoo: Zoo, attempt: Attempt) -> None:
    """End an attempt whose process died without a word; the job waits, or fails at the third.

    An attempt that did write down its end stays as it is.
    """
    with contextlib.suppress(LeaseLost), zoo.catalog.writing() as db:
        is_last = jobs.count_lost(db, attempt.job) + 1 >= MOST_LOST
        outcome = jobs.Outcome(
            state=JobState.FAILED if is_last else JobState.QUEUED,
            error=_died_too_often(zoo, attempt).as_json() if is_last else None,
            is_lost=True,
        )
        jobs.end_attempt(db, attempt, outcome, now=zoo.clock())


def succeed(zoo: Zoo, attempt: Attempt, result: dict[str, Any]) -> None:
    """End an attempt, and with it the job, with what it found; ``publish`` ends those that publish.

    Raises:
        LeaseLost: another attempt counts now.
    """
    _end(zoo, attempt, jobs.Outcome(state=JobState.SUCCEEDED, result=result))


def fail(zoo: Zoo, attempt: Attempt, error: ZooError) -> None:
    """End an attempt, and with it the job, with an error.

    Raises:
        LeaseLost: another attempt counts now.
    """
    _end(zoo, attempt, jobs.Outcome(state=JobState.FAILED, error=error.as_json()))


def cancel(zoo: Zoo, number: int) -> Job:
    """Cancel a job; one that is finished stays as it is.

    Raises:
        JobNotFound: there is none of that number.
    """
    now = zoo.clock()
    with zoo.catalog.writing() as db:
        _seen(zoo, jobs.get_job(db, number))
        jobs.cancel_job(db, number, now=now)
        audit.add_entry(db, zoo.caller, "job.cancel", f"job {number}", now=now)
        return jobs.get_job(db, number)


def _seen(zoo: Zoo, job: Job) -> Job:
    """Give a job to those who may know of it: who asked for it, and who looks after the zoo."""
    if not (zoo.caller.rules or job.account == zoo.caller.account):
        raise JobNotFound(f"There is no job {job.id}.", job=job.id)
    return job


def _end(zoo: Zoo, attempt: Attempt, outcome: jobs.Outcome) -> None:
    with zoo.catalog.writing() as db:
        jobs.end_attempt(db, attempt, outcome, now=zoo.clock())


def _died_too_often(zoo: Zoo, attempt: Attempt) -> JobFailed:
    log = str(zoo.log_path(attempt))
    return JobFailed(
        f"The process of job {attempt.job} died {MOST_LOST} times without a word.",
        hint=f"Often memory ran out. What it printed is in {log}.",
        log=log,
    )
