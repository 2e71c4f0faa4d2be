"""/v1/jobs: work that a worker does."""

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue

from zoo.domain.job import Job
from zoo.errors import (
    Conflict,
    DatasetNotFound,
    Invalid,
    JobNotFound,
    LayerNotFound,
    LogNotFound,
    MalformedCheckpoint,
    ModelNotFound,
    NotRunnable,
    RevisionNotFound,
    Unsupported,
)
from zoo.operations import jobs, steering
from zoo.operations.finetune import check_request, enqueue_finetune
from zoo.operations.logs import read_log
from zoo.operations.rerun import rerun
from zoo.web.access import Need, needs
from zoo.web.context import current_zoo, read_body, read_query, zoo_on
from zoo.web.reference import tells
from zoo.web.shapes.jobs import (
    ChangeBody,
    CheckedAnswer,
    FinetuneBody,
    JobAnswer,
    JobQuery,
    JobsAnswer,
    JobsQuery,
    LogAnswer,
    LogQuery,
    RerunBody,
)

bp = Blueprint("jobs", __name__, url_prefix="/v1/jobs")


@bp.get("")
@needs(Need.READ)
@tells(JobsAnswer, query=JobsQuery)
def list_jobs() -> ResponseReturnValue:
    """List the newest jobs, without their events; page on with the last one's id as `before`."""
    query = read_query(JobsQuery)
    found = jobs.list_jobs(current_zoo(), wish=query.wish, before=query.before, limit=query.limit)
    answer = JobsAnswer(jobs=[JobAnswer.of(job) for job in found])
    return jsonify(answer.model_dump(mode="json"))


@bp.post("")
@needs(Need.WRITE)
@tells(
    JobAnswer,
    status=202,
    body=FinetuneBody,
    refuses=(
        ModelNotFound,
        DatasetNotFound,
        JobNotFound,
        LayerNotFound,
        Invalid,
        Conflict,
        NotRunnable,
        Unsupported,
    ),
)
def post_job() -> ResponseReturnValue:
    """Queue a fine-tune; the same one that is not finished yet is given instead of a second.

    The model may be `job:NUMBER`, what that job publishes; the fine-tune then comes after it.
    """
    body = read_body(FinetuneBody)
    job = enqueue_finetune(
        zoo_on(body.terms),
        body.model,
        body.dataset,
        name=body.name,
        seed=body.seed,
        layer=body.layer,
        classifier=body.classifier,
        strategy=body.strategy,
        overrides=body.overrides,
        precision=body.precision,
        int8=body.int8,
    )
    return jsonify(JobAnswer.of(job).model_dump(mode="json")), 202


@bp.post("/checks")
@needs(Need.WRITE)
@tells(
    CheckedAnswer,
    body=FinetuneBody,
    refuses=(ModelNotFound, RevisionNotFound, DatasetNotFound, LayerNotFound, Invalid, Unsupported),
)
def check_job() -> ResponseReturnValue:
    """Check a fine-tune as queueing it would, and queue nothing.

    Several that belong together can so be checked before the first of them is queued.
    """
    body = read_body(FinetuneBody)
    settled = check_request(
        zoo_on(body.terms),
        body.model,
        body.dataset,
        name=body.name,
        layer=body.layer,
        classifier=body.classifier,
        strategy=body.strategy,
        overrides=body.overrides,
    )
    return jsonify(CheckedAnswer(**settled).model_dump(mode="json"))


@bp.get("/<int:number>")
@needs(Need.READ)
@tells(JobAnswer, query=JobQuery, refuses=(JobNotFound,), has_tag=True)
def get_job(number: int) -> ResponseReturnValue:
    """Give a job with its events, or with those after the one already seen.

    The ETag changes with the answer, so that who asks again and again is told little while nothing
    happens.
    """
    query = read_query(JobQuery)
    job = jobs.get_job(current_zoo(), number, after=query.after)
    response = jsonify(JobAnswer.of(job).model_dump(mode="json"))
    response.cache_control.no_cache = True
    response.add_etag()
    return response.make_conditional(request)


@bp.get("/<int:number>/log")
@needs(Need.READ)
@tells(LogAnswer, query=LogQuery, refuses=(JobNotFound, LogNotFound), has_tag=True)
def get_log(number: int) -> ResponseReturnValue:
    """Give a part of what an attempt at a job printed, from an offset on.

    A part is no longer than 64 KiB; the next one begins at `next`. The ETag changes with the
    answer, so that who asks again and again is told little while nothing is printed.
    """
    query = read_query(LogQuery)
    part = read_log(current_zoo(), number, attempt=query.attempt, offset=query.offset)
    response = jsonify(LogAnswer.model_validate(part).model_dump(mode="json"))
    response.cache_control.no_cache = True
    response.add_etag()
    return response.make_conditional(request)


@bp.patch("/<int:number>")
@needs(Need.WRITE)
@tells(JobAnswer, body=ChangeBody, refuses=(JobNotFound, Invalid))
def patch_job(number: int) -> ResponseReturnValue:
    """Have a job come earlier, or later; one that is finished stays as it is."""
    return _told(steering.set_priority(current_zoo(), number, read_body(ChangeBody).priority))


@bp.post("/<int:number>/pause")
@needs(Need.WRITE)
@tells(JobAnswer, refuses=(JobNotFound,))
def pause_job(number: int) -> ResponseReturnValue:
    """Put a job aside; one that runs stops at its next checkpoint first."""
    return _told(steering.pause(current_zoo(), number))


@bp.post("/<int:number>/resume")
@needs(Need.WRITE)
@tells(JobAnswer, refuses=(JobNotFound,))
def resume_job(number: int) -> ResponseReturnValue:
    """Queue a job again that was put aside; it goes on where it stopped."""
    return _told(steering.resume(current_zoo(), number))


@bp.post("/<int:number>/rerun")
@needs(Need.WRITE)
@tells(
    JobAnswer,
    status=202,
    body=RerunBody,
    refuses=(
        JobNotFound,
        ModelNotFound,
        RevisionNotFound,
        DatasetNotFound,
        LayerNotFound,
        Invalid,
        Conflict,
        NotRunnable,
        Unsupported,
        MalformedCheckpoint,
    ),
)
def rerun_job(number: int) -> ResponseReturnValue:
    """Queue once more what a job was to do, with changes; one that is not finished is given."""
    return _told(rerun(current_zoo(), number, read_body(RerunBody).changes)), 202


@bp.post("/<int:number>/cancel")
@needs(Need.WRITE)
@tells(JobAnswer, refuses=(JobNotFound,))
def cancel_job(number: int) -> ResponseReturnValue:
    """Cancel a job; one that is finished stays as it is."""
    return _told(steering.cancel(current_zoo(), number))


def _told(job: Job) -> Response:
    return jsonify(JobAnswer.of(job).model_dump(mode="json"))
