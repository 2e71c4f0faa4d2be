"""/v2 and /v2/health: is the server up, and what does it know."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from zoo import __version__
from zoo.errors import BadRequest, CatalogUnavailable
from zoo.operations.opening import check_catalog
from zoo.web.access import Need, needs
from zoo.web.context import current_zoo
from zoo.web.inference import errors
from zoo.web.reference import tells
from zoo.web.shapes.inference import LiveAnswer, ProtocolError, ReadyAnswer, ServerAnswer

EXTENSIONS = [
    "binary_tensor_data",
    "classification",
    "model_configuration",
    "model_repository",
    "model_repository(unload_dependents)",
    "parameters",
    "schedule_policy",
    "statistics",
]

bp = Blueprint("inference_health", __name__, url_prefix="/v2")
errors.install(bp)


@bp.get("")
@needs(Need.READ)
@tells(ServerAnswer, error=ProtocolError)
def get_server() -> ResponseReturnValue:
    """Tell the server's name, its version, and the extensions of the protocol that it has."""
    told = ServerAnswer(name="zoo", version=__version__, extensions=EXTENSIONS)
    return jsonify(told.model_dump())


@bp.get("/health/live")
@needs(Need.NOBODY)
@tells(LiveAnswer, error=ProtocolError)
def get_live() -> ResponseReturnValue:
    """Say that the server is up."""
    return jsonify(LiveAnswer(live=True).model_dump())


@bp.get("/health/ready")
@needs(Need.NOBODY)
@tells(ReadyAnswer, error=ProtocolError)
def get_ready() -> ResponseReturnValue:
    """Say that the catalog answers, so that requests will be."""
    try:
        check_catalog(current_zoo())
    except CatalogUnavailable as error:
        raise BadRequest(f"Not ready: {error}", hint=error.hint) from error
    return jsonify(ReadyAnswer(ready=True).model_dump())
