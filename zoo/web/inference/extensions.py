"""What Triton's clients may ask and this server does not do: said so, never pretended.

No region of shared memory can be registered, so there is none, and none that could not be let go.
"""

from flask import Blueprint, Response, jsonify
from flask.typing import ResponseReturnValue

from zoo.errors import Unsupported
from zoo.web.access import Need, needs
from zoo.web.inference import errors

bp = Blueprint("inference_extensions", __name__, url_prefix="/v2")
errors.install(bp)


def _without_trace() -> Unsupported:
    return Unsupported(
        "Requests are not traced here.",
        hint="See /metrics, and the statistics of a model: GET /v2/models/NAME/stats",
    )


def _without_logging() -> Unsupported:
    return Unsupported(
        "What is logged is neither told nor set over the network.",
        hint="Set it where the server starts.",
    )


@bp.get("/trace/setting")
@bp.get("/models/<served:name>/trace/setting")
@needs(Need.READ)
def get_trace(**_: str) -> ResponseReturnValue:
    """Say that nothing is traced."""
    raise _without_trace()


@bp.post("/trace/setting")
@bp.post("/models/<served:name>/trace/setting")
@needs(Need.ADMIN)
def post_trace(**_: str) -> ResponseReturnValue:
    """Say that nothing is traced."""
    raise _without_trace()


@bp.get("/logging")
@needs(Need.READ)
def get_logging() -> ResponseReturnValue:
    """Say that this is not told."""
    raise _without_logging()


@bp.post("/logging")
@needs(Need.ADMIN)
def post_logging() -> ResponseReturnValue:
    """Say that this is not set."""
    raise _without_logging()


@bp.get("/systemsharedmemory/status")
@bp.get("/cudasharedmemory/status")
@bp.get("/systemsharedmemory/region/<region>/status")
@bp.get("/cudasharedmemory/region/<region>/status")
@needs(Need.READ)
def get_shared_memory(**_: str) -> ResponseReturnValue:
    """List the regions that are registered: none."""
    return jsonify([])


@bp.post("/systemsharedmemory/region/<region>/register")
@bp.post("/cudasharedmemory/region/<region>/register")
@needs(Need.ADMIN)
def post_register(**_: str) -> ResponseReturnValue:
    """Say that none can be."""
    raise Unsupported("Shared memory is not served here.", hint="Send tensors in the body, binary.")


@bp.post("/systemsharedmemory/unregister")
@bp.post("/cudasharedmemory/unregister")
@bp.post("/systemsharedmemory/region/<region>/unregister")
@bp.post("/cudasharedmemory/region/<region>/unregister")
@needs(Need.ADMIN)
def post_unregister(**_: str) -> ResponseReturnValue:
    """Let go of what was never held."""
    return Response(status=200)
