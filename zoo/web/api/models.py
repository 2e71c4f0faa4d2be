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
    """Search models: a page of them by name, how many there are, and with `facets` of what.

    Filters are all to be met; counts are of the models that meet them and the caller may see.
    """
    query = read_query(ModelsQuery)
    found = fetch.search_models(
        current_zoo(),
        query.wish,
        after=query.after,
        limit=query.limit,
        most_values=query.facets,
    )
    return jsonify(ModelsAnswer.of(found).model_dump(mode="json"))


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

    It is still found under the name it had. Admins of its owner may. All that is told is done, or
    nothing.
    """
    zoo, body = current_zoo(), read_body(ModelBody)
    if body == ModelBody():
        found = fetch.get_model(zoo, name)
    else:
        found = models.change_model(
            zoo,
            name,
            new_name=body.name,
            is_private=body.is_private,
            is_restored=body.is_deleted is False,
        )
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
