"""/v2/repository: what is loaded, and loading and unloading it by hand."""

from typing import Any

from flask import Blueprint, Response, jsonify
from flask.typing import ResponseReturnValue

from zoo.errors import BadRequest, Forbidden, ModelNotFound, NotRunnable, RevisionNotFound
from zoo.operations import repository
from zoo.operations.repository import State
from zoo.web.access import Need, needs
from zoo.web.body import read_whole
from zoo.web.context import current_service, current_zoo, limit_body
from zoo.web.inference import errors
from zoo.web.inference.requested import read_object
from zoo.web.reference import Body, tells
from zoo.web.shapes.inference import IndexEntry, ProtocolError

MOST_BYTES = 2**16
NOTHING = "text/plain"
UNKNOWN = (ModelNotFound, RevisionNotFound, NotRunnable, Forbidden)
INDEX = Body(
    media=("application/json",), description='Nothing, or {"ready": true} for what is loaded.'
)
EMPTY = Body(media=("application/json",), description="Nothing, or an empty object.")
UNLOAD = Body(
    media=("application/json",),
    description='Nothing, or {"parameters": {"unload_dependents": false}}; no model has any.',
)

bp = Blueprint("inference_repository", __name__, url_prefix="/v2/repository")
errors.install(bp)


@bp.post("/index")
@needs(Need.READ)
@tells("application/json", body=INDEX, error=ProtocolError)
def post_index() -> ResponseReturnValue:
    """List the models that can be served, and the revisions of them that were asked for.

    A model that nobody has asked for yet has its name alone; it is loaded at the first request.
    """
    only_ready = _read_body().get("ready", False)
    if not isinstance(only_ready, bool):
        raise BadRequest("`ready` is not true or false.")
    found = repository.list_entries(current_zoo(), current_service())
    told = [
        IndexEntry(name=one.name, version=one.revision, state=one.state, reason=one.reason)
        for one in found
        if not only_ready or one.state is State.READY
    ]
    return jsonify([_entry(one) for one in told])


@bp.post("/models/<served:name>/load")
@needs(Need.WRITE)
@tells(NOTHING, body=EMPTY, error=ProtocolError, refuses=UNKNOWN)
def post_load(name: str) -> ResponseReturnValue:
    """Load a model and try it; when this is answered, it is ready.

    Nothing needs to be loaded by hand: a request loads what it asks for.
    """
    given = _parameters()
    if given:
        raise BadRequest(
            f"A model is not loaded with {', '.join(map(repr, sorted(given)))}: its revision says"
            " all.",
            hint="Publish files as a revision: POST /v1/models/NAME/revisions, and load that.",
        )
    repository.load(current_zoo(), current_service(), name)
    return Response(status=200)


@bp.post("/models/<served:name>/unload")
@needs(Need.WRITE)
@tells(NOTHING, body=UNLOAD, error=ProtocolError, refuses=UNKNOWN)
def post_unload(name: str) -> ResponseReturnValue:
    """Close what is loaded of a model, and give its memory back.

    Requests that run are answered. The next one that asks for the model loads it again.
    """
    unknown = _parameters().keys() - {"unload_dependents"}
    if unknown:
        raise BadRequest(f"A model is not unloaded with {', '.join(map(repr, sorted(unknown)))}.")
    repository.unload(current_zoo(), current_service(), name)
    return Response(status=200)


def _entry(told: IndexEntry) -> dict[str, Any]:
    return told.model_dump(exclude_none=True) if told.version else {"name": told.name}


def _parameters() -> dict[str, Any]:
    found = _read_body().get("parameters", {})
    if not isinstance(found, dict):
        raise BadRequest("`parameters` is no object.")
    return found


def _read_body() -> dict[str, Any]:
    """Read a small JSON object; clients send nothing as well, and say no type."""
    limit_body(MOST_BYTES)
    body = read_whole()
    return read_object(body) if len(body) else {}
