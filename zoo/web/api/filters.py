"""/v1/models/NAME/filters: what values filters hold, and what they look like."""

from collections.abc import Callable

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue

from zoo.errors import (
    FileNotFound,
    LayerNotFound,
    MalformedCheckpoint,
    ModelNotFound,
    RevisionNotFound,
)
from zoo.operations.filters import describe_filters, draw_view, find_view
from zoo.operations.kernels import KernelView, draw_kernel_view, get_kernel
from zoo.web.access import Need, needs
from zoo.web.context import current_zoo, read_query
from zoo.web.reference import tells
from zoo.web.shapes.filters import FiltersAnswer, FiltersQuery, KernelAnswer, PictureQuery

bp = Blueprint("filters", __name__, url_prefix="/v1/models")

PNG = "image/png"
REFUSES = (ModelNotFound, RevisionNotFound, FileNotFound, MalformedCheckpoint)


@bp.get("/<model:name>/filters")
@needs(Need.READ)
@tells(FiltersAnswer, query=FiltersQuery, refuses=REFUSES)
def list_filters(name: str) -> ResponseReturnValue:
    """Say what values a model's filters hold, and how far they moved from another's.

    The name may carry a ref or a revision: name:production, name@1a2b3c.
    """
    query = read_query(FiltersQuery)
    report = describe_filters(current_zoo(), name, against=query.against)
    return jsonify(FiltersAnswer.of(report).model_dump(mode="json"))


@bp.get("/<model:name>/filters/<path:layer>.png")
@needs(Need.READ)
@tells(PNG, query=PictureQuery, refuses=(*REFUSES, LayerNotFound))
def get_filter_picture(name: str, layer: str) -> ResponseReturnValue:
    """Draw the filters of a layer.

    Those that read a picture are in its colours, grey being 0; others are blue below 0 and red
    above. With ``kernel`` it is one filter, or with ``shows=spectrum`` its gain for waves. The ETag
    changes with the weights and with how they are drawn.
    """
    query = read_query(PictureQuery)
    view = find_view(current_zoo(), name, layer, scaling=query.scaling, has_legend=query.legend)
    if query.kernel is None:
        return _send(view.tag, lambda: draw_view(view).png)
    kernel = KernelView(view=view, index=query.kernel, shows=query.shows)
    return _send(kernel.tag, lambda: draw_kernel_view(kernel).png)


@bp.get("/<model:name>/kernels/<int:index>/<path:layer>")
@needs(Need.READ)
@tells(KernelAnswer, refuses=(*REFUSES, LayerNotFound))
def get_one_kernel(name: str, index: int, layer: str) -> ResponseReturnValue:
    """Tell the numbers of one filter of a layer, counted from 0: channel by channel, row by row."""
    kernel = get_kernel(current_zoo(), name, layer, index)
    return jsonify(KernelAnswer.of(kernel).model_dump(mode="json"))


def _send(tag: str, draw: Callable[[], bytes]) -> Response:
    """Send a picture, which is drawn only for those who do not have it."""
    if request.if_none_match.contains(tag):
        response = Response(status=304)
    else:
        response = Response(draw(), mimetype=PNG)
    response.set_etag(tag)
    return response
