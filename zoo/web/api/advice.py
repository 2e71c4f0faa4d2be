"""/v1/advice: what a fine-tune would come to, and how true that was so far."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from zoo.errors import DatasetNotFound, Invalid, ModelNotFound, NotRunnable, RevisionNotFound
from zoo.operations.advise import ALL_MODELS, enqueue_advise, read_record
from zoo.web.access import Need, needs
from zoo.web.context import current_zoo, read_body, zoo_on
from zoo.web.reference import tells
from zoo.web.shapes.advice import AdviceBody, RecordAnswer
from zoo.web.shapes.jobs import JobAnswer

bp = Blueprint("advice", __name__, url_prefix="/v1/advice")


@bp.post("")
@needs(Need.WRITE)
@tells(
    JobAnswer,
    status=202,
    body=AdviceBody,
    refuses=(ModelNotFound, RevisionNotFound, DatasetNotFound, Invalid, NotRunnable),
)
def post_advice() -> ResponseReturnValue:
    """Queue advice on fine-tuning a model on a dataset, or on which model suits the dataset.

    The same job that is not finished yet is given instead of a second. `advised` is null in its
    result where nothing is above chance; of unequal classes `balanced_accuracy` stands beside each
    accuracy, and `unequal` tells the share of the largest.
    """
    body = read_body(AdviceBody)
    job = enqueue_advise(zoo_on(body.terms), body.model or ALL_MODELS, body.dataset, seed=body.seed)
    return jsonify(JobAnswer.of(job).model_dump(mode="json")), 202


@bp.get("")
@needs(Need.READ)
@tells(RecordAnswer)
def get_record() -> ResponseReturnValue:
    """Hold the caller's fine-tunes against the advice that preceded them; for admins, all."""
    return jsonify(RecordAnswer.of(read_record(current_zoo())).model_dump(mode="json"))
