"""/v1/models/NAME/predictions and /v1/jobs/NUMBER/predictions: datasets predicted by jobs."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from zoo.errors import (
    Conflict,
    DatasetNotFound,
    EmptyDataset,
    FileNotFound,
    JobNotFound,
    ModelNotFound,
    NotRunnable,
    RevisionNotFound,
)
from zoo.operations.predictions import enqueue_predictions, get_predictions
from zoo.web.access import Need, needs
from zoo.web.context import current_zoo, read_body, zoo_on
from zoo.web.downloads import send_kept
from zoo.web.reference import tells
from zoo.web.shapes.jobs import JobAnswer
from zoo.web.shapes.predictions import PredictionsBody

bp = Blueprint("predictions", __name__, url_prefix="/v1")


@bp.post("/models/<model:name>/predictions")
@needs(Need.WRITE)
@tells(
    JobAnswer,
    status=202,
    body=PredictionsBody,
    refuses=(ModelNotFound, RevisionNotFound, DatasetNotFound, NotRunnable, EmptyDataset),
)
def post_predictions(name: str) -> ResponseReturnValue:
    """Queue a job that predicts the pictures of a dataset.

    The name may carry a ref or a revision. The same job that is not finished yet is given instead
    of a second. Its result sums the answers up: classes counted, and accuracy by the labels.
    """
    body = read_body(PredictionsBody)
    job = enqueue_predictions(
        zoo_on(body.terms), name, body.dataset, split=body.split, top=body.top, form=body.form
    )
    return jsonify(JobAnswer.of(job).model_dump(mode="json")), 202


@bp.get("/jobs/<int:number>/predictions")
@needs(Need.READ)
@tells("application/octet-stream", refuses=(JobNotFound, FileNotFound, Conflict), is_ranged=True)
def get_job_predictions(number: int) -> ResponseReturnValue:
    """Download the answers of a job that predicted a dataset, a line a picture.

    Ranges are served; the ETag is the file's sha256.
    """
    zoo = current_zoo()
    return send_kept(zoo, get_predictions(zoo, number))
