"""/v1/sweep: what nobody needs any more is removed."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from zoo.operations.sweep import sweep
from zoo.web.access import Need, needs
from zoo.web.context import current_zoo, read_body
from zoo.web.reference import tells
from zoo.web.shapes.sweeps import SweepBody, SweptAnswer

bp = Blueprint("sweeps", __name__, url_prefix="/v1/sweep")


@bp.post("")
@needs(Need.ADMIN)
@tells(SweptAnswer, body=SweepBody)
def post_sweep() -> ResponseReturnValue:
    """Remove deleted models, and bytes that nothing refers to, once they are old enough.

    How old is a setting of the server; bytes of an upload under way are younger.
    """
    swept = sweep(current_zoo(), is_dry=read_body(SweepBody).is_dry)
    return jsonify(SweptAnswer.of(swept).model_dump(mode="json"))
