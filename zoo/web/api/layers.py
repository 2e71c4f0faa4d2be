"""/v1/models/NAME/layers: what a network is made of."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from zoo.errors import FileNotFound, ModelNotFound, NotRunnable, RevisionNotFound
from zoo.operations.layers import get_layers
from zoo.web.access import Need, needs
from zoo.web.context import current_zoo
from zoo.web.reference import tells
from zoo.web.shapes.layers import LayersAnswer

bp = Blueprint("layers", __name__, url_prefix="/v1/models")


@bp.get("/<model:name>/layers")
@needs(Need.READ)
@tells(LayersAnswer, refuses=(ModelNotFound, RevisionNotFound, NotRunnable, FileNotFound))
def list_layers(name: str) -> ResponseReturnValue:
    """List a network's layers: shapes, parameters, multiply-adds, windows, tensors.

    The name may carry a ref or a revision: name:production, name@1a2b3c.
    """
    revision, inventory = get_layers(current_zoo(), name)
    return jsonify(LayersAnswer.of(revision, inventory).model_dump(mode="json"))
