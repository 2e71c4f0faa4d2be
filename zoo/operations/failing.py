"""Attempts that failed: their jobs are tried again or given up, by the policy of their kind."""

import contextlib
import time

from sqlalchemy.orm import Session

from zoo.catalog import attempts, jobs
from zoo.catalog.attempts import LAPSED, LOST
from zoo.catalog.tables import LARGEST
from zoo.domain.job import Attempt, Job, JobEvent, JobState
from zoo.domain.retries import POLICIES, is_transient
from zoo.errors import CatalogUnavailable, JobFailed, LeaseLost, StorageFull, ZooError
from zoo.operations.opening import Zoo

RETRIED = "retried"  # of an attempt that met an error which may pass
RETRY = "retry"  # the step that says so
REST_S = 1.0  # between two tries at writing an end down


def lose(zoo: Zoo, attempt: Attempt) -> None:
    """End an attempt whose process died without a word; the job waits, or fails by its policy.

    An attempt that did write down its end stays as it is.
    """
    with contextlib.suppress(LeaseLost), zoo.catalog.writing() as db:
        most = POLICIES[jobs.get_kind(db, attempt.job)].most_lost
        is_last = attempts.count_attempts(db, attempt.job, LOST) + 1 >= most
        outcome = attempts.Outcome(
            state=JobState.FAILED if is_last else JobState.QUEUED,
            name=LOST,
            error=_died_too_often(zoo, attempt, most).as_json() if is_last else None,
        )
        attempts.end_attempt(db, attempt, outcome, now=zoo.clock())


def fail(zoo: Zoo, attempt: Attempt, error: ZooError, *, is_awaited: bool = False) -> None:
    """End an attempt with an error, and with it the job, unless it is one that may pass.

    Where it may, the job waits a while and is tried again, as often as its policy says. What cannot
    be written down, for want of the catalog itself, is tried until the lease would have run out.
    Where somebody waits for this very attempt (``is_awaited``), a full disk is not waited for: the
    job fails, unless that loses a checkpoint. What cannot be written down is tried once then, as
    SQLite has other errors too for a full disk: the process ends, and whoever waits is told.

    Raises:
        LeaseLost: another attempt counts now.
        CatalogUnavailable, StorageFull: it could not be written down.
    """
    give_up = time.monotonic() + zoo.settings.lease_s
    while True:
        try:
            _fail(zoo, attempt, error, is_awaited=is_awaited)
        except (CatalogUnavailable, StorageFull):
            if is_awaited or time.monotonic() > give_up:
                raise
            time.sleep(REST_S)
        else:
            return


def give_up_lapsed(zoo: Zoo, db: Session, attempt: Attempt) -> bool:
    """Give up a job whose leases ran out as often as its policy allows; tell whether it was."""
    most = POLICIES[jobs.get_kind(db, attempt.job)].most_lapsed
    if attempts.count_attempts(db, attempt.job, LAPSED) < most:
        return False
    error = _lapsed_too_often(jobs.get_job(db, attempt.job, after=LARGEST), most)
    outcome = attempts.Outcome(state=JobState.FAILED, error=error.as_json())
    attempts.end_attempt(db, attempt, outcome, now=zoo.clock())
    return True


def _fail(zoo: Zoo, attempt: Attempt, error: ZooError, *, is_awaited: bool) -> None:
    told, now = error.as_json(), zoo.clock()
    with zoo.catalog.writing() as db:
        policy = POLICIES[jobs.get_kind(db, attempt.job)]
        retries = attempts.count_attempts(db, attempt.job, RETRIED)
        is_told = is_awaited and isinstance(error, StorageFull) and not policy.is_resumed
        if is_told or not is_transient(error) or retries >= policy.most_retries:
            outcome = attempts.Outcome(state=JobState.FAILED, error=told)
            attempts.end_attempt(db, attempt, outcome, now=now)
            return
        pause_s = policy.pause_s(retries)
        message = f"{error} It is tried again in {pause_s:g} s."
        event = JobEvent(number=0, attempt=attempt.number, at=now, step=RETRY, message=message)
        attempts.add_event(db, attempt, event)
        outcome = attempts.Outcome(state=JobState.QUEUED, name=RETRIED, error=told, pause_s=pause_s)
        attempts.end_attempt(db, attempt, outcome, now=now, reading=zoo.lease_clock(db))


def _died_too_often(zoo: Zoo, attempt: Attempt, times: int) -> JobFailed:
    log = str(zoo.log_path(attempt))
    return JobFailed(
        f"The process of job {attempt.job} died {times} times without a word.",
        hint=f"Often memory ran out. What the last one, attempt {attempt.number}, printed is in"
        f" {log}.",
        log=log,
        attempt=attempt.number,
    )


def _lapsed_too_often(job: Job, times: int) -> JobFailed:
    last = [one for one in job.attempts if one.outcome == LAPSED][-1]
    machine = last.worker.partition(":")[0]
    return JobFailed(
        f"The lease of job {job.id} ran out {times} times, last that of attempt {last.number} on"
        f" {machine}: nobody heard of it any more.",
        hint="See whether the job ends its machines, often by their memory, or the network is"
        f" lost. What it printed: zoo logs {job.id} --attempt {last.number}",
        attempt=last.number,
        worker=last.worker,
    )
