"""How cells lie over pictures: CaffeNet's and VGG-16's figures, worked out by hand."""

import json

import pytest

from zoo.domain.geometry import Geometry, Side

CAFFENET = Side(stride_px=32, window_px=355, start_px=-64, shift_px=-167, smallest_px=199)
VGG16 = Side(stride_px=32, window_px=404, start_px=-90, shift_px=-161, smallest_px=193)
GEOMETRY = Geometry(height=CAFFENET, width=VGG16, native_px=(227, 224), whole_picture=("se1/pool",))


@pytest.mark.parametrize(
    ("side", "size_px", "cells"),
    [
        (CAFFENET, 227, 1),
        (CAFFENET, 256, 2),
        (CAFFENET, 451, 8),
        (CAFFENET, 512, 10),
        (VGG16, 224, 1),
        (VGG16, 225, 2),
        (VGG16, 384, 6),
        (CAFFENET, 198, 0),
        (CAFFENET, 1, 0),
    ],
)
def test_cells_are_counted_as_the_formula_says(side, size_px, cells):
    assert side.cells(size_px) == cells


def test_the_formula_is_told_as_people_write_it():
    assert CAFFENET.formula == "floor((N - 199) / 32) + 1"
    plain = Side(stride_px=1, window_px=1, start_px=0, shift_px=0, smallest_px=1)
    assert plain.formula == "floor((N - 1) / 1) + 1"
    wide = Side(stride_px=2, window_px=3, start_px=-3, shift_px=4, smallest_px=1)
    assert wide.formula == "floor((N + 2) / 2) + 1"


def test_windows_and_their_centres_step_by_the_stride():
    assert CAFFENET.window(0) == (-64, 291)
    assert CAFFENET.window(2) == (0, 355)
    assert CAFFENET.centre(2) == 177.5


def test_rows_and_columns_are_counted_by_their_own_side():
    assert GEOMETRY.map_size((451, 384)) == (8, 6)
    assert GEOMETRY.smallest_px == (199, 193)
    assert not GEOMETRY.is_local


def test_what_is_written_is_read_back():
    assert Geometry.from_json(json.loads(json.dumps(GEOMETRY.as_json()))) == GEOMETRY


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("stride_px", 0),
        ("window_px", -3),
        ("start_px", 2.5),
        ("shift_px", True),
        ("smallest_px", 0),
    ],
)
def test_a_side_that_cannot_be_is_refused(field, value):
    data = GEOMETRY.as_json()
    data["height"][field] = value
    with pytest.raises(ValueError, match=r"pixel"):
        Geometry.from_json(data)
