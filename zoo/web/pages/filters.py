"""/models/NAME/filters: the numbers of each layer, the filters of one, and one of them enlarged."""

import math
import shlex
from dataclasses import dataclass
from urllib.parse import quote

from flask import Blueprint
from flask.typing import ResponseReturnValue
from pydantic import Field

from zoo.domain.filters import FilterStatistics, KernelStatistics, Layout, Scaling
from zoo.errors import Invalid
from zoo.operations import fetch
from zoo.operations.filters import describe_filters, find_view
from zoo.operations.kernels import get_kernel, lay_view
from zoo.operations.opening import Zoo
from zoo.web.access import Need, needs
from zoo.web.context import current_zoo, read_query
from zoo.web.pages.drawing import draw_histogram
from zoo.web.pages.faces import FACELESS
from zoo.web.pages.frame import Ways
from zoo.web.pages.models import show_tab
from zoo.web.shapes.base import WITHOUT_NUL, Shape

bp = Blueprint("pages_filters", __name__, url_prefix="/models")

MOST_LINKS = 256  # filters of a picture that lead to themselves; any other by its number
MOST_TABLES, MOST_CELLS = 8, 2048  # channels of a filter whose numbers are told, and numbers


class FiltersQuery(Shape):
    """Which layer is drawn, and how; and which of its filters is enlarged."""

    layer: str | None = Field(default=None, max_length=512, pattern=WITHOUT_NUL)
    scaling: Scaling = Scaling.SHARED
    kernel: int | None = Field(default=None, ge=0, le=2**31)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The layer that is drawn, where its filters lie in the picture, and one of them."""

    statistics: FilterStatistics
    layout: Layout | None  # None: there is no number to be drawn
    kernel: KernelStatistics | None

    @property
    def links(self) -> list[tuple[int, tuple[int, int, int, int]]]:
        """The filters that lead to themselves, each with its place."""
        return list(enumerate(self.layout.tiles if self.layout else ()))[:MOST_LINKS]

    @property
    def has_waves(self) -> bool:
        """Whether a filter tells waves apart: its kernel is more than a number."""
        return math.prod(self.statistics.shape[2:]) > 1

    @property
    def tables(self) -> list[tuple[int, tuple[tuple[float | None, ...], ...]]]:
        """The channels of the filter whose numbers are told."""
        if self.kernel is None or not self.has_waves:
            return []
        area = math.prod(self.statistics.shape[2:])
        several = min(MOST_TABLES, MOST_CELLS // area)
        return list(enumerate(self.kernel.planes))[:several]


@bp.get("/<model:name>/filters")
@needs(Need.READ)
def show_filters(name: str) -> ResponseReturnValue:
    """Show the numbers of each layer's filters, what those of one look like, and one enlarged."""
    zoo, query = current_zoo(), read_query(FiltersQuery)
    revision, report, reason = fetch.get_revision(zoo, name), None, None
    try:
        report = describe_filters(zoo, name)
    except FACELESS as error:
        reason = error
    layer = query.layer or (report.first if report else None)
    layers = report.layers if report else ()
    found = next((one for one in layers if layer in {one.layer, one.name}), None)
    return show_tab(
        "model_filters.html",
        "/filters",
        name,
        revision,
        ways=_ways(name, query, found),
        rows=[(one, draw_histogram(one)) for one in layers],
        chosen=_choose(zoo, name, query, found) if found else None,
        scaling=query.scaling.value,
        reason=reason,
    )


def _choose(zoo: Zoo, name: str, query: FiltersQuery, found: FilterStatistics) -> Chosen:
    """Lay out the layer that is asked for.

    Raises:
        LayerNotFound: it has no filter of the number that is asked for.
    """
    view = find_view(zoo, name, found.name, scaling=query.scaling)
    kernel = None
    if query.kernel is not None:
        kernel = get_kernel(zoo, name, found.name, query.kernel)
    try:
        layout = lay_view(view)
    except Invalid:
        layout = None
    return Chosen(statistics=found, layout=layout, kernel=kernel)


def _ways(name: str, query: FiltersQuery, found: FilterStatistics | None) -> Ways:
    twin, command = f"/v1/models/{name}/filters", f"filters {name}"
    if found and query.kernel is not None:
        twin = f"/v1/models/{name}/kernels/{query.kernel}/{quote(found.layer)}"
    if found and (query.layer or query.kernel is not None):
        command += f" --layer {shlex.quote(found.layer)}"
    return Ways(twin=twin, command=command)
