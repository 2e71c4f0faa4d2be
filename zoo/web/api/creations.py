"""/v1/creations and /v1/repetitions: models that begin anew, and fine-tunes that are run again."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from zoo.errors import (
    BadName,
    DatasetNotFound,
    Invalid,
    MalformedCheckpoint,
    ModelNotFound,
    NotRunnable,
    RevisionNotFound,
    StorageFull,
    Unsupported,
)
from zoo.operations.create import enqueue_create
from zoo.operations.reproduce import compare_repetition, enqueue_reproduce
from zoo.web.access import Need, needs
from zoo.web.context import current_zoo, read_body, read_query, zoo_on
from zoo.web.reference import tells
from zoo.web.shapes.creations import CreationBody
from zoo.web.shapes.jobs import JobAnswer
from zoo.web.shapes.measuring import RepetitionAnswer, RepetitionBody, RepetitionQuery

bp = Blueprint("creations", __name__, url_prefix="/v1")


@bp.post("/creations")
@needs(Need.WRITE)
@tells(
    JobAnswer,
    status=202,
    body=CreationBody,
    refuses=(BadName, Invalid, Unsupported, DatasetNotFound, StorageFull),
)
def post_creation() -> ResponseReturnValue:
    """Queue a model that nobody has trained: an architecture, its numbers drawn by a scheme.

    The same job that is not finished yet is given instead of a second.
    """
    body = read_body(CreationBody)
    job = enqueue_create(zoo_on(body.terms), body.options)
    return jsonify(JobAnswer.of(job).model_dump(mode="json")), 202


@bp.post("/repetitions")
@needs(Need.WRITE)
@tells(
    JobAnswer,
    status=202,
    body=RepetitionBody,
    refuses=(
        BadName,
        Invalid,
        ModelNotFound,
        RevisionNotFound,
        DatasetNotFound,
        NotRunnable,
        MalformedCheckpoint,
    ),
)
def post_repetition() -> ResponseReturnValue:
    """Queue the fine-tune that a revision came of once more, under a name of its own."""
    body = read_body(RepetitionBody)
    job = enqueue_reproduce(zoo_on(body.terms), body.model, name=body.name)
    return jsonify(JobAnswer.of(job).model_dump(mode="json")), 202


@bp.get("/repetitions")
@needs(Need.READ)
@tells(
    RepetitionAnswer,
    query=RepetitionQuery,
    refuses=(BadName, ModelNotFound, RevisionNotFound, NotRunnable, MalformedCheckpoint),
)
def get_repetition() -> ResponseReturnValue:
    """Compare a fine-tune with its repetition: weights, accuracy, versions."""
    query = read_query(RepetitionQuery)
    found = compare_repetition(current_zoo(), query.first, query.second)
    return jsonify(RepetitionAnswer.of(found).model_dump(mode="json"))
