"""Small drawings for reports, as SVG: lines over epochs, a strip of rates, bars."""

from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT = 560, 180
LEFT, BOTTOM, TOP, RIGHT = 48, 24, 28, 12
COLOURS = ("#1f5fa8", "#b5521b", "#3a7d44", "#7a4a8c")
STRIP = 28  # height of a strip

Line = tuple[str, Sequence[float | None]]


def draw_lines(lines: Sequence[Line], *, across: str, highest: float | None = None) -> str:
    """Draw values over their numbers, 0 first; None leaves a gap at the ends."""
    top = highest or max((v for _, row in lines for v in row if v is not None), default=1.0) or 1.0
    count = max(len(values) for _, values in lines)
    parts = [_axes(top, count - 1, across)]
    for colour, (_, values) in zip(COLOURS, lines, strict=False):
        points = " ".join(
            f"{_x(place, count):.1f},{_y(value, top):.1f}"
            for place, value in enumerate(values)
            if value is not None
        )
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}"/>')
    key = " ".join(
        f'<tspan fill="{colour}">{escape(name)}</tspan>'
        for colour, (name, _) in zip(COLOURS, lines, strict=False)
    )
    parts.append(f'<text x="{LEFT}" y="{TOP // 2}">{key}</text>')
    return _svg(HEIGHT, parts)


def draw_strip(values: Sequence[float], labels: Sequence[str]) -> str:
    """Draw values of 0 to 1 as a strip, one field each, the higher the darker; labels are told."""
    wide = (WIDTH - LEFT - RIGHT) / max(len(values), 1)
    parts = [
        f'<rect x="{LEFT + place * wide:.1f}" y="0" width="{wide:.2f}" height="{STRIP}" '
        f'fill="{COLOURS[0]}" fill-opacity="{min(max(value, 0), 1):.3f}">'
        f"<title>{escape(label)}</title></rect>"
        for place, (value, label) in enumerate(zip(values, labels, strict=True))
    ]
    return _svg(STRIP, parts)


def _x(place: float, count: int) -> float:
    return LEFT + place / max(count - 1, 1) * (WIDTH - LEFT - RIGHT)


def _y(value: float, top: float) -> float:
    return HEIGHT - BOTTOM - min(value / top, 1) * (HEIGHT - BOTTOM - TOP)


def _axes(top: float, last: int, across: str) -> str:
    rows = []
    for share in (0, 0.5, 1):
        y = _y(share * top, top)
        rows += [
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>',
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{share * top:.3g}</text>',
        ]
    base = HEIGHT - 6
    rows += [
        f'<text x="{LEFT}" y="{base}">0</text>',
        f'<text x="{WIDTH - RIGHT}" y="{base}" text-anchor="end">{last} {escape(across)}</text>',
    ]
    return "".join(rows)


def _svg(height: int, parts: Sequence[str]) -> str:
    inside = "".join(parts)
    return f'<svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" role="img">{inside}</svg>'
