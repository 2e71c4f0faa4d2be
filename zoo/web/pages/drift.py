"""/models/NAME/drift: how far each tensor moved from the parent's, or from another model's."""

from dataclasses import dataclass
from urllib.parse import quote

from flask import Blueprint
from flask.typing import ResponseReturnValue
from pydantic import Field

from zoo.domain.filters import Drift, Match
from zoo.errors import RevisionNotFound, ZooError
from zoo.operations import fetch
from zoo.operations.filters import PARENT, FilterReport, describe_filters
from zoo.web.access import Need, needs
from zoo.web.context import current_zoo, read_query
from zoo.web.pages.drawing import Histogram, draw_shifts
from zoo.web.pages.faces import FACELESS
from zoo.web.pages.frame import Ways
from zoo.web.pages.models import show_tab
from zoo.web.shapes.base import WITHOUT_NUL, Shape

bp = Blueprint("pages_drift", __name__, url_prefix="/models")

BAR_PX = 120
COLUMNS_PX = (560, 90)  # of the bars over the depth: width, height
WORDS = {
    Match.RESHAPED: "in another shape",
    Match.RESIZED: "of another size",
    Match.NEW: "new",
    Match.GONE: "gone",
}


class DriftQuery(Shape):
    """What it is held against."""

    against: str = Field(default=PARENT, max_length=300, pattern=WITHOUT_NUL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A tensor, what became of it, how long its bar is, and how its numbers shifted."""

    drift: Drift
    words: str
    bar_px: float
    shifts: Histogram | None
    has_filters: bool  # whose filters can be looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """The weight of a layer in the bars over the depth."""

    name: str
    change: float
    x: float
    width: float
    height: float


@bp.get("/<model:name>/drift")
@needs(Need.READ)
def show_drift(name: str) -> ResponseReturnValue:
    """Show how far each tensor moved, from the input to the output."""
    zoo, query = current_zoo(), read_query(DriftQuery)
    revision = fetch.get_revision(zoo, name)
    report: FilterReport | None = None
    reason: ZooError | None = None
    against = query.against or PARENT
    try:
        report = describe_filters(zoo, name, against=against)
    except FACELESS as error:
        reason = error
    except RevisionNotFound as error:
        if against != PARENT:
            raise
        reason = error
    return show_tab(
        "model_drift.html",
        "/drift",
        name,
        revision,
        ways=Ways(
            twin=f"/v1/models/{name}/filters?against={quote(against, safe='/')}",
            command=f"filters {name} --against {against}",
        ),
        against="" if against == PARENT else against,
        other=report.against if report else None,
        first=report.first if report else None,
        rows=_rows(report) if report else [],
        columns=_columns(report) if report else [],
        columns_px=COLUMNS_PX,
        bar_px=BAR_PX,
        reason=reason,
    )


def _rows(report: FilterReport) -> list[Row]:
    """Give each tensor; the one that changed most has a whole bar."""
    most = max((one.change or 0.0 for one in report.drift), default=0.0) or 1.0
    filters = {one.name for one in report.layers}
    return [
        Row(
            drift=one,
            words=_tell(one),
            bar_px=round((one.change or 0.0) / most * BAR_PX, 1),
            shifts=draw_shifts(one),
            has_filters=one.name in filters,
        )
        for one in report.drift
    ]


def _tell(one: Drift) -> str:
    if one.is_unchanged:
        return "kept to the bit"
    return WORDS.get(one.match, "moved")


def _columns(report: FilterReport) -> list[Column]:
    """Give the filters that were compared as bars side by side, in the order of the network."""
    filters = {one.name for one in report.layers}
    found = [one for one in report.drift if one.name in filters and one.change is not None]
    if not found:
        return []
    width, height = COLUMNS_PX
    step, most = width / len(found), max(one.change or 0.0 for one in found) or 1.0
    return [
        Column(
            name=one.layer,
            change=one.change or 0.0,
            x=round(place * step, 2),
            width=round(step * 0.8, 2),
            height=round((one.change or 0.0) / most * height, 1),
        )
        for place, one in enumerate(found)
    ]
