"""/compare: what differs between two revisions, tensor by tensor."""

from urllib.parse import quote

from flask import Blueprint
from flask.typing import ResponseReturnValue
from pydantic import Field

from zoo.domain.comparison import Change, Comparison, TensorChange
from zoo.operations.compare import compare
from zoo.operations.fetch import list_models
from zoo.web.access import Need, needs
from zoo.web.context import current_zoo, read_query
from zoo.web.pages.frame import Ways, show
from zoo.web.shapes.base import WITHOUT_NUL, Shape

bp = Blueprint("pages_comparison", __name__)

BAR_PX = 160
MOST_VALUES = 200
MOST_LETTERS = 120


class CompareQuery(Shape):
    """Which two revisions."""

    old: str = Field(default="", max_length=300, pattern=WITHOUT_NUL)
    new: str = Field(default="", max_length=300, pattern=WITHOUT_NUL)


@bp.get("/compare")
@needs(Need.READ)
def show_comparison() -> ResponseReturnValue:
    """Ask for two revisions, and show what differs between them."""
    zoo, query = current_zoo(), read_query(CompareQuery)
    found = compare(zoo, query.old, query.new) if query.old and query.new else None
    ways = None
    if found:
        twin = f"/v1/models/{query.new}/compare?against={quote(query.old, safe='/')}"
        ways = Ways(twin=twin, command=f"diff {query.old} {query.new}")
    return show(
        "compare.html",
        ways=ways,
        old=query.old,
        new=query.new,
        found=found,
        rows=_rows(found) if found else [],
        values=[(one.key, _short(one.old), _short(one.new)) for one in found.values[:MOST_VALUES]]
        if found
        else [],
        models=[one.name for one in list_models(zoo, limit=200)],
        bar_px=BAR_PX,
    )


def _rows(found: Comparison) -> list[tuple[TensorChange, float]]:
    """Give each tensor with the length of its bar: the one that changed most has a whole one."""
    tensors = found.tensors or ()
    most = max((one.relative or 0.0 for one in tensors), default=0.0) or 1.0
    return [
        (one, 0.0 if one.change is Change.SAME else (one.relative or 0.0) / most * BAR_PX)
        for one in tensors
    ]


def _short(value: object) -> str:
    text = "" if value is None else str(value)
    return (
        text if len(text) <= MOST_LETTERS else text[: MOST_LETTERS - 1] + "\N{HORIZONTAL ELLIPSIS}"
    )
