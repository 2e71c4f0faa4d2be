"""/v1/health: is the server up."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from zoo import __version__
from zoo.operations.opening import check_catalog
from zoo.web.access import Need, needs
from zoo.web.context import current_zoo
from zoo.web.reference import tells
from zoo.web.shapes.base import HealthAnswer

bp = Blueprint("health", __name__, url_prefix="/v1/health")


@bp.get("")
@needs(Need.NOBODY)
@tells(HealthAnswer)
def get_health() -> ResponseReturnValue:
    """Say that the server is up and its catalog answers."""
    check_catalog(current_zoo())
    return jsonify(HealthAnswer(status="ok", version=__version__).model_dump(mode="json"))
