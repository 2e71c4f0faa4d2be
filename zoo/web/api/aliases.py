"""/v1/models/NAME/aliases: aliases that jobs move, once what they point to is there."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from zoo.errors import BadName, Conflict, Invalid, JobNotFound, ModelNotFound, RevisionNotFound
from zoo.operations.alias import enqueue_alias
from zoo.web.access import Need, needs
from zoo.web.context import read_body, zoo_on
from zoo.web.reference import tells
from zoo.web.shapes.jobs import AliasBody, JobAnswer

bp = Blueprint("aliases", __name__, url_prefix="/v1/models")


@bp.post("/<model:name>/aliases")
@needs(Need.WRITE)
@tells(
    JobAnswer,
    status=202,
    body=AliasBody,
    refuses=(ModelNotFound, RevisionNotFound, JobNotFound, BadName, Invalid, Conflict),
)
def post_alias(name: str) -> ResponseReturnValue:
    """Queue a job that points an alias to a revision, after other jobs or to what one publishes.

    The name may carry a ref or a revision, or be `job:NUMBER`. An alias is moved at once by
    `PUT /v1/models/<name>/refs/<ref>`.
    """
    body = read_body(AliasBody)
    job = enqueue_alias(zoo_on(body.terms), name, body.alias)
    return jsonify(JobAnswer.of(job).model_dump(mode="json")), 202
