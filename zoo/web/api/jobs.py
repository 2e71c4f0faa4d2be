"""/v1/jobs: work that a worker does."""

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from zoo.errors import DatasetNotFound, Invalid, JobNotFound, ModelNotFound, NotRunnable
from zoo.operations import jobs
from zoo.operations.finetune import enqueue_finetune
from zoo.web.access import Need, needs
from zoo.web.context import current_zoo, read_body, read_query
from zoo.web.reference import tells
from zoo.web.shapes.jobs import FinetuneBody, JobAnswer, JobQuery, JobsAnswer, JobsQuery

bp = Blueprint("jobs", __name__, url_prefix="/v1/jobs")


@bp.get("")
@needs(Need.READ)
@tells(JobsAnswer, query=JobsQuery)
def list_jobs() -> ResponseReturnValue:
    """List the newest jobs, without their events."""
    query = read_query(JobsQuery)
    found = jobs.list_jobs(current_zoo(), limit=query.limit)
    answer = JobsAnswer(jobs=[JobAnswer.of(job) for job in found])
    return jsonify(answer.model_dump(mode="json"))


@bp.post("")
@needs(Need.WRITE)
@tells(
    JobAnswer,
    status=202,
    body=FinetuneBody,
    refuses=(ModelNotFound, DatasetNotFound, Invalid, NotRunnable),
)
def post_job() -> ResponseReturnValue:
    """Queue a fine-tune; the same one that is not finished yet is given instead of a second."""
    body = read_body(FinetuneBody)
    job = enqueue_finetune(
        current_zoo(),
        body.model,
        body.dataset,
        name=body.name,
        seed=body.seed,
        layer=body.layer,
        classifier=body.classifier,
        strategy=body.strategy,
        overrides=body.overrides,
        int8=body.int8,
    )
    return jsonify(JobAnswer.of(job).model_dump(mode="json")), 202


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


@bp.post("/<int:number>/cancel")
@needs(Need.WRITE)
@tells(JobAnswer, refuses=(JobNotFound,))
def cancel_job(number: int) -> ResponseReturnValue:
    """Cancel a job; one that is finished stays as it is."""
    return jsonify(JobAnswer.of(jobs.cancel(current_zoo(), number)).model_dump(mode="json"))
