"""/v1/models: which models there are, and what becomes of them."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from zoo.errors import BadName, ModelExists, ModelNotFound, StillNeeded
from zoo.operations import fetch, models
from zoo.web.access import Need, needs
from zoo.web.context import current_zoo, read_body, read_query
from zoo.web.reference import tells
from zoo.web.shapes.models import ModelAnswer, ModelsAnswer, ModelsQuery
from zoo.web.shapes.refs import ModelBody

bp = Blueprint("models", __name__, url_prefix="/v1/models")


@bp.get("")
@needs(Need.READ)
@tells(ModelsAnswer, query=ModelsQuery)
def list_models() -> ResponseReturnValue:
    """List models by name, a page at a time."""
    query = read_query(ModelsQuery)
    found = fetch.list_models(
        current_zoo(),
        after=query.after,
        limit=query.limit,
        search=query.search,
        owner=query.owner,
    )
    answer = ModelsAnswer(
        models=[ModelAnswer.of(model) for model in found],
        next=found[-1].name if len(found) == query.limit else None,
    )
    return jsonify(answer.model_dump(mode="json"))


@bp.get("/<model:name>")
@needs(Need.READ)
@tells(ModelAnswer, refuses=(ModelNotFound,))
def get_model(name: str) -> ResponseReturnValue:
    """Give a model with its refs and the revision that main points to."""
    return jsonify(ModelAnswer.of(fetch.get_model(current_zoo(), name)).model_dump(mode="json"))


@bp.patch("/<model:name>")
@needs(Need.WRITE)
@tells(ModelAnswer, body=ModelBody, refuses=(ModelNotFound, ModelExists, BadName))
def patch_model(name: str) -> ResponseReturnValue:
    """Rename a model, make it private or public, or take it back after it was deleted.

    It is still found under the name it had. Admins of its owner may.
    """
    zoo, body = current_zoo(), read_body(ModelBody)
    if body.is_deleted is False:
        models.restore_model(zoo, name)
    if body.is_private is not None:
        models.set_private(zoo, name, is_private=body.is_private)
    if body.name is not None:
        models.rename_model(zoo, name, body.name)
    found = fetch.get_model(zoo, body.name or name)
    return jsonify(ModelAnswer.of(found).model_dump(mode="json"))


@bp.delete("/<model:name>")
@needs(Need.WRITE)
@tells(ModelAnswer, refuses=(ModelNotFound, StillNeeded))
def delete_model(name: str) -> ResponseReturnValue:
    """Delete a model; until it is swept it can be taken back, and its name stays taken.

    Refused while other models were made of it, or aliases and protected refs point into it.
    """
    gone = models.delete_model(current_zoo(), name)
    return jsonify(ModelAnswer.of(gone).model_dump(mode="json"))
