"""/v1/models/NAME/advice: what would come of fine-tuning a model, measured by a job."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from zoo.errors import (
    DatasetNotFound,
    Invalid,
    ModelNotFound,
    NotRunnable,
    RevisionNotFound,
    Unsupported,
)
from zoo.operations.advise import enqueue_advise
from zoo.web.access import Need, needs
from zoo.web.context import current_zoo, read_body
from zoo.web.reference import tells
from zoo.web.shapes.jobs import AdviceBody, JobAnswer

bp = Blueprint("advice", __name__, url_prefix="/v1/models")

REFUSES = (ModelNotFound, RevisionNotFound, DatasetNotFound, NotRunnable, Invalid, Unsupported)


@bp.post("/<model:name>/advice")
@needs(Need.WRITE)
@tells(JobAnswer, status=202, body=AdviceBody, refuses=REFUSES)
def post_advice(name: str) -> ResponseReturnValue:
    """Queue a job that measures what a fine-tune would give; its result is the advice.

    The name may carry a ref or a revision. The same job that is not finished yet is given instead
    of a second.
    """
    body = read_body(AdviceBody)
    job = enqueue_advise(current_zoo(), name, body.dataset, seed=body.seed)
    return jsonify(JobAnswer.of(job).model_dump(mode="json")), 202
