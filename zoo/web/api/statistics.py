"""/v1/statistics: what was counted."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from zoo.errors import ModelNotFound
from zoo.operations import statistics
from zoo.web.access import Need, needs
from zoo.web.context import current_zoo
from zoo.web.reference import tells
from zoo.web.shapes.statistics import ModelStatisticsAnswer, TotalsAnswer

bp = Blueprint("statistics", __name__, url_prefix="/v1")


@bp.get("/statistics")
@needs(Need.ADMIN)
@tells(TotalsAnswer)
def get_totals() -> ResponseReturnValue:
    """Count what the zoo holds."""
    found = statistics.get_totals(current_zoo())
    return jsonify(TotalsAnswer.of(found).model_dump(mode="json"))


@bp.get("/models/<model:name>/statistics")
@needs(Need.READ)
@tells(ModelStatisticsAnswer, refuses=(ModelNotFound,))
def get_model_statistics(name: str) -> ResponseReturnValue:
    """Count the downloads of a model's files.

    A file counts when it is given whole or from its first byte on. Counts are up to date to some
    seconds.
    """
    found = statistics.get_model_statistics(current_zoo(), name)
    return jsonify(ModelStatisticsAnswer.of(found).model_dump(mode="json"))
