"""/v1/models/NAME/dense and /surgeries: networks under the knife, by jobs."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from zoo.errors import (
    Invalid,
    LayerNotFound,
    ModelNotFound,
    NotRunnable,
    RevisionNotFound,
    Unsupported,
)
from zoo.operations.surgery import enqueue_dense, enqueue_surgery
from zoo.web.access import Need, needs
from zoo.web.context import read_body, zoo_on
from zoo.web.reference import tells
from zoo.web.shapes.jobs import JobAnswer
from zoo.web.shapes.surgeries import DenseBody, SurgeryBody

bp = Blueprint("surgeries", __name__, url_prefix="/v1/models")

REFUSES = (ModelNotFound, RevisionNotFound, NotRunnable, Invalid)


@bp.post("/<model:name>/dense")
@needs(Need.WRITE)
@tells(JobAnswer, status=202, body=DenseBody, refuses=(*REFUSES, Unsupported))
def post_dense(name: str) -> ResponseReturnValue:
    """Queue a job that has a classifier read pictures of any size.

    The name may carry a ref or a revision. The same job that is not finished yet is given instead
    of a second.
    """
    body = read_body(DenseBody)
    job = enqueue_dense(zoo_on(body.terms), name, body.options())
    return jsonify(JobAnswer.of(job).model_dump(mode="json")), 202


@bp.post("/<model:name>/surgeries")
@needs(Need.WRITE)
@tells(JobAnswer, status=202, body=SurgeryBody, refuses=(*REFUSES, LayerNotFound))
def post_surgery(name: str) -> ResponseReturnValue:
    """Queue a job that cuts a network, replaces its head or folds its batch normalisation.

    The name may carry a ref or a revision. The same job that is not finished yet is given instead
    of a second.
    """
    body = read_body(SurgeryBody)
    labels = None if body.labels is None else tuple(body.labels)
    surgery = body.surgery.surgery()
    job = enqueue_surgery(zoo_on(body.terms), name, surgery, name=body.name, labels=labels)
    return jsonify(JobAnswer.of(job).model_dump(mode="json")), 202
