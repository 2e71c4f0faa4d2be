"""Sheets of pictures, and confusion matrices as pictures."""

from io import BytesIO

import numpy as np
from PIL import Image

from zoo.images.confusion import CELL_PX, draw_confusion
from zoo.images.contact_sheet import GAP_PX, MOST, SIDE_PX, Tile, draw_jpeg_sheet, draw_sheet


def opened(data):
    with Image.open(BytesIO(data)) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


def make_tile(colour, *lines):
    return Tile(pixels=np.full((40, 80, 3), colour, np.uint8), lines=lines)


def test_pictures_stand_side_by_side_and_keep_their_proportions():
    sheet = opened(draw_sheet([make_tile((255, 0, 0), "one"), make_tile((0, 0, 255), "two")]))
    assert sheet.shape[1] == 2 * SIDE_PX + 3 * GAP_PX
    red = (sheet == (255, 0, 0)).all(axis=2)
    blue = (sheet == (0, 0, 255)).all(axis=2)
    assert red.sum() == blue.sum() == 40 * 80
    assert red.any(axis=0).argmax() < blue.any(axis=0).argmax()


def test_a_sheet_has_room_for_so_many_and_names_of_any_kind():
    tiles = [make_tile((0, 255, 0), "\x1b[31m" + "long " * 40, "")] * (MOST + 5)
    sheet = opened(draw_sheet(tiles))
    assert (sheet == (0, 255, 0)).all(axis=2).sum() == MOST * 40 * 80
    assert opened(draw_sheet([])).size > 0


def test_a_sheet_for_inside_a_page_shows_the_same_and_is_small():
    rng = np.random.default_rng(0)
    smooth = np.asarray(rng.uniform(0, 255, (4, 4, 3)), np.uint8).repeat(40, 0).repeat(40, 1)
    tiles = [Tile(pixels=smooth, lines=("is ant (0.10)", "said bee (0.90)"))] * 24
    data = draw_jpeg_sheet(tiles)
    assert len(data) < 24 * 8000
    with Image.open(BytesIO(data)) as image:
        assert image.format == "JPEG"
        near = np.asarray(image.convert("RGB")).astype(int)
    assert np.abs(near - opened(draw_sheet(tiles))).mean() < 4


def test_a_cell_is_coloured_by_its_share_of_the_row():
    drawn = opened(draw_confusion(np.array([[9, 1], [0, 0]]), ["a", "b"], ["a", "b"]))
    corner = drawn[-10 - 2 * CELL_PX + 3, -10 - 2 * CELL_PX + 3].astype(int)
    other = drawn[-10 - 2 * CELL_PX + 3, -10 - CELL_PX + 3].astype(int)
    assert corner.sum() > other.sum()  # many is bright, few is dark


def test_a_thousand_classes_fit_on_a_picture():
    many = [f"class {number}" for number in range(60)]
    drawn = opened(draw_confusion(np.eye(60, 61, dtype=int), many, [*many, "(another class)"]))
    assert max(drawn.shape) < 1000
