"""/v1/models/NAME/map and /heatmap: where on a picture a dense model sees which class."""

from collections.abc import Sequence

from flask import Blueprint, Response, jsonify
from flask.typing import ResponseReturnValue

from zoo.domain.prediction import ClassScore, MapPrediction
from zoo.errors import (
    BadRequest,
    Invalid,
    ModelNotFound,
    NotRunnable,
    Overloaded,
    PictureTooSmall,
    RevisionNotFound,
    TooLarge,
    UnreadablePicture,
    Unsupported,
)
from zoo.operations.heat import Drawing, as_npy, draw_heat, predict_map
from zoo.web.access import Need, needs
from zoo.web.context import current_service, current_zoo, read_query
from zoo.web.pictures import PICTURE, read_picture
from zoo.web.reference import tells
from zoo.web.shapes.maps import HeatmapQuery, MapAnswer, MapQuery, ReadingQuery

bp = Blueprint("maps", __name__, url_prefix="/v1/models")

PNG, NPY = "image/png", "application/octet-stream"
MOST_NUMBERS = 200_000  # of an answer in JSON, some 2 MB
REFUSES = (
    ModelNotFound,
    RevisionNotFound,
    NotRunnable,
    Overloaded,
    Unsupported,
    UnreadablePicture,
    PictureTooSmall,
    Invalid,
)


@bp.post("/<model:name>/map")
@needs(Need.READ)
@tells(MapAnswer, query=MapQuery, body=PICTURE, refuses=REFUSES, also=(NPY,))
def post_map(name: str) -> ResponseReturnValue:
    """Compute the score map of a picture with a dense model.

    The name may carry a ref or a revision. The maps of the best classes are told, or of those asked
    for; the whole map comes with format=npy.
    """
    query = read_query(MapQuery)
    if query.format == "npy" and len(query.scale) > 1:
        raise BadRequest("An npy file holds the map of one scale.", hint="Ask for each by itself.")
    prediction = _predict(name, query, query.label)
    if query.format == "npy":
        return Response(as_npy(prediction.maps[0]), mimetype=NPY)
    told = prediction.asked or prediction.scores[: query.top]
    _check_numbers(prediction, told)
    return jsonify(MapAnswer.of(prediction, told, scores=query.scores).model_dump(mode="json"))


@bp.post("/<model:name>/heatmap")
@needs(Need.READ)
@tells(PNG, query=HeatmapQuery, body=PICTURE, refuses=REFUSES)
def post_heatmap(name: str) -> ResponseReturnValue:
    """Draw where on a picture a dense model sees a class.

    The answer is a PNG: the colours of viridis over the picture. It carries the label as a text.
    """
    query = read_query(HeatmapQuery)
    prediction = _predict(name, query, () if query.label is None else (query.label,))
    (shown, *_) = prediction.asked or prediction.scores
    drawing = Drawing(opacity=query.opacity, scaling=query.scaling, has_legend=query.legend)
    return Response(draw_heat(prediction, shown, drawing), mimetype=PNG)


def _predict(name: str, query: ReadingQuery, labels: tuple[str, ...]) -> MapPrediction:
    """Read the picture of the body into maps."""
    zoo = current_zoo()
    if query.tile is not None and query.tile > zoo.settings.tile_px:
        raise BadRequest(
            f"A tile of {query.tile} pixels is larger than this server takes.",
            hint=f"At most {zoo.settings.tile_px}, which ZOO_TILE_PX says.",
        )
    return predict_map(zoo, current_service(), name, read_picture(), query.options(labels))


def _check_numbers(prediction: MapPrediction, told: Sequence[ClassScore]) -> None:
    """Refuse an answer that would be too long to be read as JSON."""
    cells = sum(rows * columns for rows, columns in (one.map_size for one in prediction.maps))
    if cells * len(told) > MOST_NUMBERS:
        raise TooLarge(
            f"The maps of {len(told)} classes have {cells * len(told)} numbers;"
            f" an answer holds at most {MOST_NUMBERS}.",
            hint="Ask for fewer classes (top or label), a smaller short_side, or format=npy.",
        )
