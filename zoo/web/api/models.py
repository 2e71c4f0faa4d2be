"""/v1/models: which models there are."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from zoo.errors import ModelNotFound
from zoo.operations import fetch
from zoo.web.access import Need, needs
from zoo.web.context import current_zoo, read_query
from zoo.web.reference import tells
from zoo.web.shapes.models import ModelAnswer, ModelsAnswer, PageQuery

bp = Blueprint("models", __name__, url_prefix="/v1/models")


@bp.get("")
@needs(Need.READ)
@tells(ModelsAnswer, query=PageQuery)
def list_models() -> ResponseReturnValue:
    """List models by name, a page at a time."""
    query = read_query(PageQuery)
    found = fetch.list_models(current_zoo(), after=query.after, limit=query.limit)
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
