"""The beginning of an attempt: what its job is to do is settled, where that had to wait."""

from zoo.catalog import attempts
from zoo.domain.access import LOCAL_ACCOUNT
from zoo.domain.job import LATER, Attempt, Job
from zoo.operations import jobs
from zoo.operations.accounts import as_asker
from zoo.operations.later import find_earlier, published_by
from zoo.operations.opening import Zoo


def begin(zoo: Zoo, attempt: Attempt) -> Job:
    """Give the job of an attempt, all that it is to do settled.

    Raises:
        LeaseLost: another attempt counts now.
        Forbidden, ModelNotFound: whoever asked for it may not do that any more.
        As the operation that asks for such a job: what came before does not suit it.
    """
    job = jobs.get_job(zoo, attempt.job)
    if not job.params.get(LATER):
        _check_asker(zoo, job)
        return job
    # Jobs that were settled when they were asked for do without all these rooms.
    from zoo.operations.table import SETTLE  # noqa: PLC0415

    request = {name: value for name, value in job.params.items() if name != LATER}
    number = find_earlier(request["model"])
    if number is not None:
        request["model"] = published_by(jobs.get_job(zoo, number))
    params = SETTLE[job.kind](as_asker(zoo, job), request)
    with zoo.catalog.writing() as db:
        attempts.set_params(db, attempt, params)
    return jobs.get_job(zoo, attempt.job)


def _check_asker(zoo: Zoo, job: Job) -> None:
    # What is asked for on the zoo's own machine does without these rooms too.
    if job.account != LOCAL_ACCOUNT:
        from zoo.operations.rights import check_asker  # noqa: PLC0415

        check_asker(zoo, job)
