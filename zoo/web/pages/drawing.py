"""Where the parts of small figures lie, for templates to draw as SVG."""

from collections.abc import Sequence
from dataclasses import dataclass

from zoo.domain.filters import Drift, FilterStatistics
from zoo.domain.revision import Revision
from zoo.operations.lineage import Family

ROW_PX, STEP_PX, LEFT_PX = 30, 20, 10
HISTOGRAM = (132, 26)  # width, height in pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A revision in a tree, where it lies and what it hangs on."""

    revision: Revision
    x: int
    y: int
    is_here: bool
    edge: str  # the path to the node above; empty for the first


def place_family(family: Family, here: Revision) -> tuple[Node, ...]:
    """Lay a family out as a tree, one row each: ancestors, the revision, its children."""
    nodes: list[Node] = []
    for depth, revision in enumerate([*family.ancestors, here]):
        nodes.append(_node(revision, depth, len(nodes), above=len(nodes) - 1, here=here))
    parent = len(nodes) - 1
    for child in family.children:
        nodes.append(_node(child, parent + 1, len(nodes), above=parent, here=here))
    return tuple(nodes)


def _node(revision: Revision, depth: int, row: int, *, above: int, here: Revision) -> Node:
    x, y = LEFT_PX + depth * STEP_PX, row * ROW_PX + ROW_PX // 2
    top = above * ROW_PX + ROW_PX // 2
    edge = f"M{x - STEP_PX} {top}V{y}H{x}" if depth else ""
    return Node(revision=revision, x=x, y=y, is_here=revision == here, edge=edge)


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """The numbers of a layer as bars, and the ranges they are held against."""

    bars: str  # the path of an area
    zero: float | None  # where 0 lies, None outside
    marks: tuple[tuple[str, float, float], ...]  # class, left and right end of a range


def draw_histogram(layer: FilterStatistics) -> Histogram | None:
    """Draw a layer's histogram with 1/fan-in, 1/sqrt(fan-in) and He's deviation below it."""
    if layer.least is None or layer.largest is None or not any(layer.histogram):
        return None
    width, _ = HISTOGRAM
    low, high = layer.least, layer.largest
    extent = high - low or 1.0

    def place(number: float) -> float:
        return round(min(max((number - low) / extent, 0.0), 1.0) * width, 1)

    bounds = (
        ("line1", layer.inverse_bound),
        ("line2", layer.inverse_root_bound),
        ("line3", layer.he_std),
    )
    return Histogram(
        bars=draw_bars(layer.histogram),
        zero=place(0.0) if low <= 0 <= high else None,
        marks=tuple(
            (name, place(-bound), place(bound)) for name, bound in bounds if bound is not None
        ),
    )


def draw_shifts(one: Drift) -> Histogram | None:
    """Draw by how much the numbers of a tensor shifted, with a line where none did."""
    if one.least_shift is None or one.largest_shift is None or not any(one.shifts):
        return None
    low, high = one.least_shift, one.largest_shift
    zero = round(-low / (high - low) * HISTOGRAM[0], 1) if low <= 0 <= high else None
    return Histogram(bars=draw_bars(one.shifts), zero=zero, marks=())


def draw_bars(counts: Sequence[int]) -> str:
    """Give the path of the area under the bars of a histogram."""
    width, height = HISTOGRAM
    top, wide = max(counts), width / len(counts)
    steps = "".join(f"V{height - count / top * height:.1f}h{wide:.2f}" for count in counts)
    return f"M0 {height}{steps}V{height}z"


def draw_curve(values: Sequence[float | None], *, top: float, size: tuple[int, int]) -> str:
    """Give the points of a polyline, 0 below and ``top`` above; None leaves a value out."""
    width, height = size
    last = max(len(values) - 1, 1)
    return " ".join(
        f"{place / last * width:.1f},{height - min(value / (top or 1), 1) * height:.1f}"
        for place, value in enumerate(values)
        if value is not None
    )
