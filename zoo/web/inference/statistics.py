"""/v2/models/stats: what was asked of models since the server started, as Triton counts it."""

from collections.abc import Collection, Mapping
from typing import Any

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from zoo.errors import ModelNotFound, NotRunnable, RevisionNotFound
from zoo.operations.repository import get_tallies, list_tallies
from zoo.serving.figures import Duration, Tally
from zoo.web.access import Need, needs
from zoo.web.context import current_service, current_zoo
from zoo.web.inference import errors
from zoo.web.inference.addresses import address_of
from zoo.web.reference import tells
from zoo.web.shapes.inference import ModelStatsAnswer, ProtocolError

NEVER = Duration()

bp = Blueprint("inference_statistics", __name__, url_prefix="/v2/models")
errors.install(bp)


@bp.get("/stats")
@needs(Need.READ)
@tells(ModelStatsAnswer, error=ProtocolError)
def get_all_stats() -> ResponseReturnValue:
    """Tell what was asked of every model since the server started."""
    return _answer(list_tallies(current_zoo(), current_service()))


@bp.get("/<served:name>/stats", defaults={"version": ""})
@bp.get("/<served:name>/versions/<version>/stats", endpoint="get_version_stats")
@needs(Need.READ)
@tells(
    ModelStatsAnswer, error=ProtocolError, refuses=(ModelNotFound, RevisionNotFound, NotRunnable)
)
def get_stats(name: str, version: str) -> ResponseReturnValue:
    """Tell what was asked of a model's revisions since the server started, or of one of them."""
    return _answer(get_tallies(current_zoo(), current_service(), address_of(name, version)))


def _answer(tallies: Mapping[tuple[str, str], Tally]) -> ResponseReturnValue:
    stats = [_tell(model, revision, tally) for (model, revision), tally in sorted(tallies.items())]
    return jsonify(ModelStatsAnswer(model_stats=stats).model_dump())


def _tell(model: str, revision: str, tally: Tally) -> dict[str, Any]:
    return {
        "name": model,
        "version": revision,
        "last_inference": tally.last_ms,
        "inference_count": tally.inferences,
        "execution_count": tally.executions,
        "inference_stats": {
            "success": _duration(tally.success),
            "fail": _duration(_all(tally.failures.values())),
            "queue": _duration(tally.queue),
            "compute_input": _duration(tally.input),
            "compute_infer": _duration(tally.infer),
            "compute_output": _duration(tally.output),
            "cache_hit": _duration(NEVER),  # answers are not cached
            "cache_miss": _duration(NEVER),
        },
        "response_stats": {},
        "batch_stats": [
            {
                "batch_size": pictures,
                "compute_input": _duration(NEVER),  # counted by request, not by run
                "compute_infer": _duration(duration),
                "compute_output": _duration(NEVER),
            }
            for pictures, duration in sorted(tally.batches.items())
        ],
        "memory_usage": [],
    }


def _all(durations: Collection[Duration]) -> Duration:
    return Duration(
        count=sum(one.count for one in durations), total_ns=sum(one.total_ns for one in durations)
    )


def _duration(duration: Duration) -> dict[str, int]:
    return {"count": duration.count, "ns": duration.total_ns}
