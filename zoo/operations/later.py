"""Jobs that work on what a job before them publishes, asked for before that is there.

A model may be named ``job:12``: the revision that job 12 publishes. Such a job comes after that
one. What can be checked beforehand is checked at once; the rest is when its turn has come, with the
rights that whoever asked for it has then.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from zoo.domain.access import Role
from zoo.domain.job import LATER, Job, JobKind, JobState
from zoo.domain.revision import check_model_name
from zoo.errors import Invalid, JobFailed
from zoo.operations import jobs
from zoo.operations.access import check_role
from zoo.operations.opening import Zoo

RESULT = re.compile(r"job:([1-9][0-9]{0,9})")
PUBLISHING = {JobKind.IMPORT, JobKind.FINETUNE, JobKind.SURGERY, JobKind.QUANTIZE, JobKind.ALIAS}

Request = Mapping[str, Any]
Settle = Callable[[Zoo, Request], dict[str, Any]]  # checks a request, and names things for good


def find_earlier(model: object) -> int | None:
    """Give the job whose revision is meant; None where a model is named by its name."""
    match = RESULT.fullmatch(model) if isinstance(model, str) else None
    return int(match[1]) if match else None


def enqueue_request(zoo: Zoo, kind: JobKind, request: Request, settle: Settle) -> Job:
    """Queue a job that is asked for by a request whose ``model`` may be what a job publishes.

    Raises:
        JobNotFound: there is no such job.
        Invalid: it is of a kind that publishes no model.
        Conflict: it did not succeed.
        As ``settle``, as far as that can be told already.
    """
    number = find_earlier(request["model"])
    if number is None:
        return jobs.enqueue(zoo, kind, settle(zoo, request))
    earlier = jobs.get_job(zoo, number)
    if earlier.kind not in PUBLISHING:
        raise Invalid(
            f"Job {number} is of the kind {earlier.kind.value}, which publishes no model.",
            hint="Name a job that imports, fine-tunes, changes or quantizes a model.",
            job=number,
        )
    if earlier.state is JobState.SUCCEEDED:
        model = published_by(earlier)
        return jobs.enqueue(zoo, kind, settle(zoo, {**request, "model": model}))
    name = request.get("name")
    if name is not None:
        check_role(zoo, Role.WRITE, check_model_name(name))
    terms = replace(zoo.terms, after=(*zoo.terms.after, number))
    return jobs.enqueue(replace(zoo, terms=terms), kind, {**request, LATER: True})


def published_by(job: Job) -> str:
    """Give the address of what a job published.

    Raises:
        JobFailed: it published nothing.
    """
    revision = (job.result or {}).get("revision")
    if not isinstance(revision, str):
        raise JobFailed(
            f"Job {job.id} succeeded and published no revision.",
            hint=f"See what came of it: zoo jobs show {job.id}",
            job=job.id,
        )
    return revision
