"""Maps become colours over pictures: between the centres of cells, never beyond the numbers."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from zoo.domain.geometry import Geometry, Side
from zoo.images import heat
from zoo.images.heat import LEGEND_PX, NARROWEST_PX, add_legend, as_png, lay_over, spread
from zoo.images.palette import VIRIDIS

FOUR = Side(stride_px=4, window_px=4, start_px=0, shift_px=0, smallest_px=4)
WIDE = Side(stride_px=2, window_px=7, start_px=-3, shift_px=1, smallest_px=1)
GEOMETRY = Geometry(height=FOUR, width=WIDE, native_px=(4, 1))


def spread_all(cells, size_px):
    return spread(np.array(cells, np.float32), GEOMETRY, read_px=size_px, picture_px=size_px)


def test_a_pixel_between_the_centres_of_cells_is_between_their_values():
    # Rows: centres at 2 and 6, so at pixels 1 | 2 and 5 | 6. Columns: centres at 0.5, 2.5, 4.5.
    down = spread_all([[0.0] * 3, [1.0] * 3], (8, 6))
    assert down[:, 0].tolist() == [0, 0, 0.125, 0.375, 0.625, 0.875, 1, 1]
    along = spread_all([[0.0, 0.5, 0.0]] * 2, (8, 6))
    assert along[0].tolist() == [0, 0.25, 0.5, 0.25, 0, 0]


def test_both_sides_are_mixed_as_each_is_alone():
    rng = np.random.default_rng(0)
    rows, columns = rng.random((2, 1)), rng.random((1, 3))
    both = spread_all(rows * columns, (8, 6))
    each = spread_all(rows * np.ones((1, 3)), (8, 6)) * spread_all(
        np.ones((2, 1)) * columns, (8, 6)
    )
    assert both == pytest.approx(each, abs=1e-6)


def test_the_centre_of_a_cell_has_its_value_at_every_scale():
    cells = np.array([[0.1, 0.9], [0.4, 0.2]], np.float32)
    geometry = Geometry(height=FOUR, width=FOUR, native_px=(4, 4))
    # Read at half its size: a cell of 4 read pixels lies over 10 of the picture's, centre at 4.5.
    heat = spread(cells, geometry, read_px=(8, 8), picture_px=(18, 18))
    assert heat[4, 4] == pytest.approx(0.1, abs=1e-6)
    assert heat[4, 13] == pytest.approx(0.9, abs=1e-6)
    assert heat[13, 4] == pytest.approx(0.4, abs=1e-6)


def test_one_cell_covers_the_picture():
    assert np.unique(spread_all([[0.25]], (7, 5))).tolist() == [0.25]


def test_nothing_is_spread_beyond_the_cells_numbers():
    cells = np.random.default_rng(1).random((2, 3), np.float32)
    spread_out = spread_all(cells, (9, 7))
    assert cells.min() <= spread_out.min() <= spread_out.max() <= cells.max() + 1e-6


def test_bands_leave_no_seam(monkeypatch):
    cells = np.random.default_rng(2).random((5, 3), np.float32)
    pixels = np.random.default_rng(3).integers(0, 256, (23, 6, 3), np.uint8)
    at_once = spread_all(cells, (23, 6))
    painted = lay_over(pixels, at_once, opacity=0.5, shown=(0, 1))
    monkeypatch.setattr(heat, "BAND_ROWS", 4)
    assert np.array_equal(spread_all(cells, (23, 6)), at_once)
    assert np.array_equal(lay_over(pixels, at_once, opacity=0.5, shown=(0, 1)), painted)


def test_the_colours_are_viridis():
    # As they are known by, at the ends and the quarters.
    told = {0: "440154", 64: "3b528b", 128: "21918c", 192: "5ec962", 255: "fde725"}
    assert {index: VIRIDIS[index].tobytes().hex() for index in told} == told


def test_the_colours_grow_evenly_lighter():
    # Relative luminance of sRGB, IEC 61966-2-1.
    linear = (VIRIDIS / 255.0) ** 2.2
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    lightness = 116 * np.cbrt(luminance) - 16
    steps = np.diff(lightness)
    assert steps.min() > -0.1  # of 100: what rounding to 8 bits leaves
    assert lightness[-1] - lightness[0] > 70


def test_opacity_mixes_picture_and_colour():
    pixels = np.full((1, 2, 3), 100, np.uint8)
    values = np.array([[0.0, 1.0]], np.float32)
    assert np.array_equal(lay_over(pixels, values, opacity=0, shown=(0, 1)), pixels)
    assert np.array_equal(
        lay_over(pixels, values, opacity=1, shown=(0, 1)), VIRIDIS[np.newaxis, [0, 255]]
    )
    half = lay_over(pixels, values, opacity=0.5, shown=(0, 1))
    assert half.tolist() == [[[84, 50, 92], [176, 166, 68]]]


def test_values_beyond_the_range_look_like_its_ends():
    pixels = np.zeros((1, 4, 3), np.uint8)
    values = np.array([[0.1, 0.2, 0.4, 0.9]], np.float32)
    painted = lay_over(pixels, values, opacity=1, shown=(0.2, 0.4))
    assert np.array_equal(painted[0], VIRIDIS[[0, 0, 255, 255]])


def test_a_map_of_one_value_has_one_colour():
    painted = lay_over(
        np.zeros((2, 2, 3), np.uint8),
        np.full((2, 2), 0.3, np.float32),
        opacity=1,
        shown=(0.3, 0.3),
    )
    assert np.unique(painted.reshape(-1, 3), axis=0).tolist() == [VIRIDIS[0].tolist()]


@pytest.mark.parametrize("width", [NARROWEST_PX, 300])
def test_a_legend_shows_the_colours_in_their_order_below(width):
    pixels = np.full((10, width, 3), 7, np.uint8)
    with_legend = add_legend(pixels, (0.0, 0.123456))
    assert with_legend.shape == (10 + LEGEND_PX, width, 3)
    assert np.array_equal(with_legend[:10], pixels)
    middle = {tuple(colour) for colour in with_legend[10 + LEGEND_PX // 2].tolist()}
    assert {tuple(VIRIDIS[0].tolist()), tuple(VIRIDIS[255].tolist())} <= middle


def test_a_narrow_picture_has_no_legend():
    pixels = np.zeros((4, NARROWEST_PX - 1, 3), np.uint8)
    assert add_legend(pixels, (0, 1)) is pixels


def test_a_png_has_its_pixels_and_texts():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 6, 3), np.uint8)
    image = Image.open(BytesIO(as_png(pixels, {"label": "Käfer 甲虫"})))
    assert (image.format, image.text["label"]) == ("PNG", "Käfer 甲虫")
    assert np.array_equal(np.asarray(image), pixels)
