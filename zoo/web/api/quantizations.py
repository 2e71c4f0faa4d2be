"""/v1/models/NAME/quantize: graphs of fewer bits, by jobs."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from zoo.errors import (
    DatasetNotFound,
    Invalid,
    ModelNotFound,
    NotRunnable,
    RevisionNotFound,
)
from zoo.operations.quantize import enqueue_quantize
from zoo.web.access import Need, needs
from zoo.web.context import read_body, zoo_on
from zoo.web.reference import tells
from zoo.web.shapes.jobs import JobAnswer
from zoo.web.shapes.quantizations import QuantizeBody

bp = Blueprint("quantizations", __name__, url_prefix="/v1/models")


@bp.post("/<model:name>/quantize")
@needs(Need.WRITE)
@tells(
    JobAnswer,
    status=202,
    body=QuantizeBody,
    refuses=(ModelNotFound, RevisionNotFound, DatasetNotFound, NotRunnable, Invalid),
)
def post_quantize(name: str) -> ResponseReturnValue:
    """Queue a job that has a graph compute with fewer bits, if that costs no accuracy.

    The name may carry a ref or a revision. The same job that is not finished yet is given instead
    of a second.
    """
    body = read_body(QuantizeBody)
    job = enqueue_quantize(zoo_on(body.terms), name, body.dataset, body.options())
    return jsonify(JobAnswer.of(job).model_dump(mode="json")), 202
