"""The life of a job: queued, claimed, kept alive, told about, ended.

What people change of it stands in ``steering``, what becomes of it when an attempt fails in
``failing``.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from zoo.catalog import (
    attempts,
    audit,
    claiming,
    dependencies,
    jobs,
    leases,
    repeats,
)
from zoo.catalog.claiming import Claimant
from zoo.catalog.jobs import ANY_JOB
from zoo.catalog.tables import LARGEST
from zoo.domain.job import Attempt, Job, JobEvent, JobKind, JobState, JobWish
from zoo.domain.resources import Needs, Room
from zoo.domain.terms import USUAL
from zoo.errors import (
    JobNotFound,
)
from zoo.operations.failing import give_up_lapsed
from zoo.operations.opening import Zoo
from zoo.operations.room import find_room
from zoo.operations.taking_up import take_up
from zoo.operations.terms import check_before, check_priority, check_room

PAGE = 500  # jobs that are read at once


def enqueue(zoo: Zoo, kind: JobKind, params: dict[str, Any]) -> Job:
    """Put a job into the queue; one that is to do the same and is not finished is taken up again.

    So a command that was interrupted goes on when it is given again, and one that was put aside is
    resumed. Terms that are left out stay as they were.

    Raises:
        JobNotFound: it is to come after a job that is not there.
        Conflict: it is to come after one that did not succeed, or is queued on other terms already;
            or the account has as many unfinished jobs as it may.
        Invalid, Forbidden: it cannot have the priority that is asked for.
    """
    account, limit, now, terms = zoo.caller.account, zoo.caller.limit, zoo.clock(), zoo.terms
    priority = USUAL if terms.priority is None else terms.priority
    check_priority(zoo, priority)
    # A long queue is searched while others may write; under their lock, what was added since.
    with zoo.catalog.reading() as db:
        last = jobs.find_last_number(db)
        found = repeats.find_unfinished(db, kind, params, account=account, limit=limit)
    with zoo.catalog.writing() as db:
        unfinished = repeats.find_unfinished(
            db,
            kind,
            params,
            account=account,
            limit=limit,
            after=last,
            at=found.id if found else None,
        )
        if unfinished is not None:
            take_up(db, unfinished, terms)
            return jobs.get_job(db, unfinished.id)
        check_room(zoo, db)
        for number in terms.after:
            check_before(check_seen(zoo, jobs.get_job(db, number)))
        job = jobs.add_job(
            db,
            kind,
            params,
            account=account,
            limit=limit,
            now=now,
            priority=priority,
            needs=terms.needs,
            after=terms.after,
            rerun_of=terms.rerun_of,
        )
        subject = str(params.get("name") or params.get("model") or "")
        audit.add_entry(
            db, zoo.caller, "job.enqueue", subject, now=now, job=job.id, kind=kind.value
        )
        return job


def get_job(zoo: Zoo, number: int, *, after: int = 0) -> Job:
    """Give a job with its attempts and its events later than event ``after``.

    Raises:
        JobNotFound: there is none of that number.
    """
    with zoo.catalog.reading() as db:
        job = check_seen(zoo, jobs.get_job(db, number, after=after))
        if job.state is JobState.WAITING:
            # Without their events, of which there may be thousands.
            earlier = [jobs.get_job(db, before, after=LARGEST) for before in job.after]
            return replace(job, waits_for=_tell_earlier(earlier))
    if job.state is JobState.QUEUED:
        return replace(job, waits_for=_tell_machine(zoo, job))
    return job


def list_running(zoo: Zoo) -> list[tuple[Attempt, str]]:
    """List the attempts that hold a job, each with the name of its worker."""
    with zoo.catalog.reading() as db:
        return attempts.list_running(db)


def list_jobs(
    zoo: Zoo, *, wish: JobWish = ANY_JOB, before: int | None = None, limit: int = 100
) -> list[Job]:
    """List the newest jobs: the caller's, or everyone's for those who look after the zoo.

    Those alone that are as ``wish`` says; with ``before`` those older than the job of that number.
    """
    caller = zoo.caller
    account = None if caller.rules else caller.account
    owner = caller.shown.owner if caller.shown and not caller.rules else None
    with zoo.catalog.reading() as db:
        return jobs.list_jobs(
            db, account=account, owner=owner, wish=wish, before=before, limit=limit
        )


def go_through_jobs(zoo: Zoo, wish: JobWish) -> Iterator[Job]:
    """Go through all jobs that are as ``wish`` says and that the caller may see, newest first."""
    before: int | None = None
    while page := list_jobs(zoo, wish=wish, before=before, limit=PAGE):
        yield from page
        before = page[-1].id


def list_unfinished_before(zoo: Zoo, number: int) -> list[int]:
    """List all unfinished jobs that a job comes after, however far away, in an order to run them.

    There are none before a job that is at rest.

    Raises:
        JobNotFound: there is none of that number.
    """
    with zoo.catalog.reading() as db:
        if check_seen(zoo, jobs.get_job(db, number)).state.is_at_rest:
            return []
        return dependencies.list_unfinished_before(db, number)


def list_succeeded(zoo: Zoo, kind: JobKind, *, limit: int = 1000) -> list[Job]:
    """List the newest jobs of a kind that succeeded."""
    with zoo.catalog.reading() as db:
        return jobs.list_succeeded(db, kind, limit=limit)


def claim(
    zoo: Zoo, *, worker: str, number: int | None = None, room: Room | None = None
) -> Attempt | None:
    """Take the next job that can be taken, or the one of this number; None where there is none.

    ``worker`` is machine, home and process, with colons between. ``room`` is what that machine has
    for jobs: only what fits beside those that it runs is taken. Without it there is no bound.
    """
    claimant = Claimant(worker=worker, room=room)
    with zoo.catalog.reading() as db:
        reading = zoo.lease_clock(db)
        # Workers ask often; only those that may get something lock the catalog.
        choice = claiming.choose_job(db, claimant, reading=reading, number=number)
        if choice is None:
            return None
    with zoo.catalog.writing() as db:
        attempt = claiming.claim_job(
            db,
            claimant,
            now=zoo.clock(),
            reading=zoo.lease_clock(db),
            lease_s=zoo.settings.lease_s,
            number=number,
            choice=choice,
        )
        if attempt is None:
            return None
        if attempt.number == 1:
            return attempt
        # It may be what ends its machines, so it is given up at last.
        return None if give_up_lapsed(zoo, db, attempt) else attempt


def keep_alive(zoo: Zoo, attempt: Attempt) -> None:
    """Extend the lease of an attempt.

    Raises:
        LeaseLost: another attempt counts now.
    """
    with zoo.catalog.writing() as db:
        reading = zoo.lease_clock(db)
        leases.extend_lease(db, attempt, reading=reading, lease_s=zoo.settings.lease_s)


def is_pausing(zoo: Zoo, attempt: Attempt) -> bool:
    """Tell whether an attempt is to put its job aside.

    Raises:
        LeaseLost: another attempt counts now.
    """
    with zoo.catalog.reading() as db:
        return leases.look_at_lease(db, attempt)


def is_last(zoo: Zoo, attempt: Attempt) -> bool:
    """Tell whether no other attempt at a job came after this one, nor anyone cancelled the job."""
    with zoo.catalog.reading() as db:
        return jobs.get_job(db, attempt.job, after=LARGEST).attempt == attempt.number


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
        attempts.add_event(db, attempt, event)


def put_back(zoo: Zoo, attempt: Attempt) -> None:
    """End an attempt that was interrupted; the job waits for another, or for being resumed.

    Raises:
        LeaseLost: another attempt counts now.
    """
    _end(zoo, attempt, attempts.Outcome(state=JobState.QUEUED))


def succeed(zoo: Zoo, attempt: Attempt, result: dict[str, Any]) -> None:
    """End an attempt, and with it the job, with what it found; ``publish`` ends those that publish.

    Raises:
        LeaseLost: another attempt counts now.
    """
    _end(zoo, attempt, attempts.Outcome(state=JobState.SUCCEEDED, result=result))


def is_seen(zoo: Zoo, job: Job) -> bool:
    """Tell whether the caller may know of a job."""
    return zoo.caller.rules or zoo.caller.asked(job.account, job.limit)


def check_seen(zoo: Zoo, job: Job) -> Job:
    """Give a job to those who may know of it: who asked for it, and who looks after the zoo.

    Raises:
        JobNotFound: it is another's.
    """
    if not is_seen(zoo, job):
        raise JobNotFound(f"There is no job {job.id}.", job=job.id)
    return job


def _tell_earlier(earlier: list[Job]) -> str:
    """Say which jobs one waits for."""
    left = [one for one in earlier if one.state is not JobState.SUCCEEDED]
    return " and ".join(f"job {one.id}, which is {one.state.value}" for one in left)


def _tell_machine(zoo: Zoo, job: Job) -> str:
    """Say why nobody runs a job that could be taken, as far as this machine knows.

    Of other machines it knows nothing: the catalog has those that work, not those that could.
    """
    needs = Needs(threads=job.threads, memory_bytes=job.memory_bytes, gpus=job.gpus)
    lacking = () if zoo.settings.engine == "ray" else find_room(zoo.settings).find_lacking(needs)
    if lacking:
        return f"a larger machine than this one: it asks for {' and '.join(lacking)}"
    return "its turn, and a worker with room for it"


def _end(zoo: Zoo, attempt: Attempt, outcome: attempts.Outcome) -> None:
    with zoo.catalog.writing() as db:
        attempts.end_attempt(db, attempt, outcome, now=zoo.clock())
