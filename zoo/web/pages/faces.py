"""/models/NAME/face.png: the first filters of a network, by which it is known at a glance."""

from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue

from zoo.domain.revision import COMMIT
from zoo.errors import Damaged, FileNotFound, Invalid, LayerNotFound, Unsupported
from zoo.operations.faces import draw_face
from zoo.web.access import Need, needs
from zoo.web.context import current_zoo
from zoo.web.pages.assets import list_assets

bp = Blueprint("pages_faces", __name__, url_prefix="/models")

YEAR_S = 31_536_000
# Why a revision that is there has no filters to be shown.
FACELESS = (Damaged, FileNotFound, Invalid, LayerNotFound, Unsupported)


@bp.get("/<model:name>/face.png")
@needs(Need.READ)
def get_face(name: str) -> ResponseReturnValue:
    """Draw the face of a revision; one without filters has the face of none."""
    try:
        face = draw_face(current_zoo(), name)
    except FACELESS:
        asset = list_assets()["faceless.svg"]
        response = Response(asset.data, mimetype=asset.kind)
        response.set_etag(asset.tag)
        return response.make_conditional(request)
    response = Response(face.png, mimetype="image/png")
    response.set_etag(face.tag)
    response.cache_control.private = True
    if COMMIT.fullmatch(name.partition("@")[2]):
        # A revision is what it is, and its address has its id.
        response.cache_control.max_age = YEAR_S
        response.cache_control.immutable = True
    return response.make_conditional(request)
