"""A chart of lines as a picture: axes with round numbers, a legend, a colour and a mark a line."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

SIZE = (1000, 600)  # pixels
FINER = 2  # drawn so many times larger and reduced, as lines have steps otherwise
LEFT, TOP, BOTTOM = 80, 56, 64  # pixels around the plot; to its right is the legend
LEGEND, KEY = (120, 420), 64  # pixels it may be wide, and those of them before a name
FONT_PX, TITLE_PX = 15, 19
LINE_PX, MARK_PX = 2.5, 5
BACK, FRAME, GRID, TEXT = "white", "#444444", "#e4e4e4", "#222222"
COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#7b3294",
    "#8c564b",
    "#555555",
    "#1b1b1b",
)
CORNERS = (16, 4, 3)  # of the marks; a round begins anew when the colours are used up
MOST_STEPS = 8  # between the numbers of an axis


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A name and its values at 1, 2, 3 ..."""

    name: str
    values: Sequence[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What is to be drawn; ``level`` is a dashed line at that height, with its name."""

    title: str
    across: str  # what is counted to the right
    upward: str
    lines: Sequence[Line]
    highest: float = 1.0  # the scale goes from 0 up to here
    level: tuple[str, float] | None = None


def draw_chart(chart: Chart) -> bytes:
    """Draw a chart as a PNG."""
    image = Image.new("RGB", (SIZE[0] * FINER, SIZE[1] * FINER), BACK)
    _Canvas(chart, ImageDraw.Draw(image)).draw()
    buffer = BytesIO()
    image.resize(SIZE, Image.Resampling.LANCZOS).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


class _Canvas:
    """Where values lie on a picture, and the pen."""

    def __init__(self, chart: Chart, pen: ImageDraw.ImageDraw) -> None:
        self.chart, self.pen = chart, pen
        self.last = max((len(line.values) for line in chart.lines), default=1)
        self.font = ImageFont.load_default(FONT_PX * FINER)
        self.title = ImageFont.load_default(TITLE_PX * FINER)
        names = max((self.font.getlength(line.name) for line in chart.lines), default=0) / FINER
        legend = round(min(max(names + KEY, LEGEND[0]), LEGEND[1]))
        self.box = (LEFT, TOP, SIZE[0] - legend, SIZE[1] - BOTTOM)

    def draw(self) -> None:
        """Draw all of it, the lines last."""
        self._axes()
        if self.chart.level:
            self._level(*self.chart.level)
        for index, line in enumerate(self.chart.lines):
            self._line(index, line)
            self._legend(index, line)

    def _at(self, x: float, y: float) -> tuple[float, float]:
        left, top, right, bottom = self.box
        share = (x - 1) / (self.last - 1) if self.last > 1 else 0.5
        height = min(max(y / self.chart.highest, 0.0), 1.0)
        across = left + share * (right - left)
        return across * FINER, (bottom - height * (bottom - top)) * FINER

    def _axes(self) -> None:
        left, top, right, bottom = (side * FINER for side in self.box)
        gap = 8 * FINER
        for y in ticks(0, self.chart.highest):
            _, height = self._at(1, y)
            self.pen.line((left, height, right, height), GRID, FINER)
            self._write((left - gap, height), f"{y:g}", "rm")
        for x in ticks(1, self.last):
            across, _ = self._at(x, 0)
            self.pen.line((across, bottom, across, bottom + gap / 2), FRAME, FINER)
            self._write((across, bottom + gap), f"{x:g}", "ma")
        self.pen.rectangle((left, top, right, bottom), outline=FRAME, width=FINER)
        self._write(((left + right) / 2, bottom + 4 * gap), self.chart.across, "ma")
        self._write((left, top - gap / 2), self.chart.upward, "ld")
        self.pen.text((left, gap), self.chart.title, TEXT, self.title, "la")

    def _level(self, name: str, value: float) -> None:
        left, _, right, _ = (side * FINER for side in self.box)
        _, height = self._at(1, value)
        dash = 8 * FINER
        for start in range(left, right, 2 * dash):
            self.pen.line((start, height, min(start + dash, right), height), FRAME, FINER)
        self._write((right - dash, height - dash / 2), name, "rd")

    def _line(self, index: int, line: Line) -> None:
        points = [self._at(x, y) for x, y in enumerate(line.values, 1)]
        self.pen.line(points, _colour(index), round(LINE_PX * FINER), joint="curve")
        for point in points:
            self._mark(point, index)

    def _legend(self, index: int, line: Line) -> None:
        _, top, right, bottom = self.box
        step = min(24.0, (bottom - top) / max(len(self.chart.lines), 1))
        x, y = (right + 16) * FINER, (top + step * (index + 0.5)) * FINER
        width = 24 * FINER
        self.pen.line((x, y, x + width, y), _colour(index), round(LINE_PX * FINER))
        self._mark((x + width / 2, y), index)
        self._write((x + width + 8 * FINER, y), line.name, "lm")

    def _mark(self, point: tuple[float, float], index: int) -> None:
        corners = CORNERS[index // len(COLOURS) % len(CORNERS)]
        circle = (*point, MARK_PX * FINER)
        self.pen.regular_polygon(circle, corners, fill=_colour(index))

    def _write(self, point: tuple[float, float], text: str, anchor: str) -> None:
        self.pen.text(point, text, TEXT, self.font, anchor)


def ticks(least: float, most: float) -> list[float]:
    """Choose round numbers from ``least`` to ``most``: steps of 1, 2 or 5 times a power of ten."""
    if most <= least:
        return [least]
    rough = (most - least) / MOST_STEPS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    if float(least).is_integer() and float(most).is_integer() and least > 0:
        step = max(step, 1.0)  # counted things have no halves
    first = math.ceil(least / step - 1e-9)
    last = math.floor(most / step + 1e-9)
    inner = [round(index * step, 10) for index in range(first, last + 1)]
    return inner if inner[0] == least or least <= 0 else [least, *inner]


def _colour(index: int) -> str:
    return COLOURS[index % len(COLOURS)]
