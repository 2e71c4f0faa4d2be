"""Charts of lines."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageColor

from zoo.images.chart import COLOURS, SIZE, Chart, Line, draw_chart, ticks


def draw(*lines, level=None, highest=1.0):
    chart = Chart(
        title="t", across="epoch", upward="accuracy", lines=lines, level=level, highest=highest
    )
    return np.array(Image.open(BytesIO(draw_chart(chart))).convert("RGB")).astype(int)


def rows_of(pixels, colour, columns):
    """Give the rows where a colour is, within some columns."""
    wanted = np.array(ImageColor.getrgb(colour))
    is_there = np.abs(pixels[:, columns] - wanted).sum(axis=2) < 60
    return np.flatnonzero(is_there.any(axis=1))


def test_a_chart_has_its_size_and_equal_charts_equal_bytes():
    lines = [Line(name="a", values=[0.1, 0.5])]
    pixels = draw(*lines)
    assert pixels.shape == (SIZE[1], SIZE[0], 3)
    assert np.array_equal(pixels, draw(*lines))


def test_a_line_lies_where_its_values_are():
    pixels = draw(Line(name="a", values=[0.25] * 5), Line(name="b", values=[0.75] * 5))
    plot = slice(200, 600)
    low, high = rows_of(pixels, COLOURS[0], plot), rows_of(pixels, COLOURS[1], plot)
    top, bottom = 56, SIZE[1] - 64
    assert low.mean() == pytest.approx(bottom - 0.25 * (bottom - top), abs=2)
    assert high.mean() == pytest.approx(bottom - 0.75 * (bottom - top), abs=2)


def test_what_lies_beyond_the_scale_is_drawn_at_its_edge():
    pixels = draw(Line(name="a", values=[7, 7, 7]))
    assert rows_of(pixels, COLOURS[0], slice(200, 600)).mean() == pytest.approx(56, abs=2)


def test_every_line_is_in_the_legend_with_a_colour_or_mark_of_its_own():
    lines = [Line(name=f"line {number}", values=[0.5, 0.5]) for number in range(12)]
    pixels = draw(*lines)
    legend = slice(SIZE[0] - 115, SIZE[0])
    assert all(len(rows_of(pixels, colour, legend)) for colour in COLOURS)
    assert len(rows_of(pixels, COLOURS[0], legend)) > len(rows_of(pixels, COLOURS[5], legend))


def test_one_epoch_and_a_long_name_are_drawn():
    pixels = draw(Line(name="a name that is much too long for any legend" * 3, values=[0.5]))
    assert len(rows_of(pixels, COLOURS[0], slice(80, 500)))


def test_a_level_is_dashed():
    dark = draw(level=("chance", 0.5)).sum(axis=2) < 300
    row = dark[56 + (SIZE[1] - 64 - 56) // 2 - 1 : 56 + (SIZE[1] - 64 - 56) // 2 + 2, 100:700]
    assert 0.3 < row.any(axis=0).mean() < 0.7


@pytest.mark.parametrize(
    ("least", "most", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (1, 20, [1, 5, 10, 15, 20]),
        (1, 10, [1, 2, 4, 6, 8, 10]),
        (1, 3, [1, 2, 3]),
        (1, 1, [1]),
        (0, 0.03, [0, 0.005, 0.01, 0.015, 0.02, 0.025, 0.03]),
    ],
)
def test_axes_are_marked_at_round_numbers(least, most, expected):
    assert ticks(least, most) == pytest.approx(expected)
