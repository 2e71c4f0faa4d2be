import math

import numpy as np
import pytest

from zoo.domain.filters import Scaling, Tensor
from zoo.domain.preprocessing import Channels
from zoo.errors import Invalid
from zoo.filters.colours import DIVERGING, NOT_FINITE
from zoo.filters.portrait import GROUND, SIDE_PX, STRIP_PX, draw_portrait

ZERO = tuple(DIVERGING[len(DIVERGING) // 2].tolist())
RED = tuple(DIVERGING[-1].tolist())
BLUE = tuple(DIVERGING[0].tolist())
PAPER = (255, 255, 255)
SHAPES = [
    (1, 1, 1, 1),
    (1, 3, 3, 3),
    (64, 3, 7, 7),
    (7, 3, 11, 11),
    (512, 512, 3, 3),
    (2000, 1, 3, 3),
    (2, 5000, 5, 5),
    (6, 1, 100, 200),
    (3, 2, 1, 9),
    (4096, 1000),
    (3, 20_000),
    (20_000, 2),
    (5, 4, 3),
    (5, 4, 2, 3, 3),
]


def make_tensor(array):
    array = np.ascontiguousarray(array)
    return Tensor(name="conv.weight", kind="float64", shape=array.shape, stored=array.reshape(-1))


def draw(array, **options):
    return draw_portrait(make_tensor(array), **options)


def colours_of(pixels):
    """List the colours of a picture but the ground between the tiles, row by row."""
    found = dict.fromkeys(map(tuple, pixels.reshape(-1, 3).tolist()))
    return [colour for colour in found if colour != GROUND]


def without_legend(portrait):
    return portrait.pixels[:-STRIP_PX]


def colours_of_map(portrait):
    """List the colours of a map, without its legend, which may be wider."""
    return [colour for colour in colours_of(without_legend(portrait)) if colour != PAPER]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("scaling", Scaling)
def test_pictures_are_bounded_whatever_the_shape(shape, scaling):
    # All numbers are one in memory, so that even large tensors cost nothing.
    stored = np.broadcast_to(np.float64(0.5), math.prod(shape))
    tensor = Tensor(name="w.weight", kind="float64", shape=shape, stored=stored)
    portrait = draw_portrait(tensor, scaling=scaling, channels=Channels.RGB)
    height, width, depth = portrait.pixels.shape
    assert depth == 3
    assert height <= SIDE_PX + STRIP_PX
    assert width <= SIDE_PX
    assert portrait.pixels.dtype == np.uint8


def test_colours_are_those_of_the_picture_whichever_order_the_network_reads():
    array = np.zeros((1, 3, 2, 2))
    array[0, 0] = 1.0
    assert colours_of(draw(array, channels=Channels.RGB).pixels) == [(255, 128, 128)]
    assert colours_of(draw(array, channels=Channels.BGR).pixels) == [(128, 128, 255)]


def test_three_channels_that_are_no_colours_are_maps():
    array = np.zeros((1, 3, 2, 2))
    array[0, 0], array[0, 1] = 1.0, -1.0
    assert colours_of_map(draw(array))[:3] == [RED, BLUE, ZERO]
    assert draw(array).told == "1 filter x 3 channels"


def test_a_filter_of_one_channel_is_a_map_even_where_it_reads_gray():
    portrait = draw(np.ones((1, 1, 2, 2)), channels=Channels.GRAY)
    assert RED in colours_of_map(portrait)


def test_shared_colours_can_be_compared_and_own_ones_show_weak_filters():
    array = np.ones((2, 1, 2, 2))
    array[1] = 0.25
    quarter = tuple(DIVERGING[len(DIVERGING) // 2 + 32].tolist())
    assert colours_of_map(draw(array, scaling=Scaling.SHARED)) == [RED, quarter]
    assert colours_of_map(draw(array, scaling=Scaling.OWN)) == [RED]


def test_every_number_is_a_square_at_its_place():
    array = np.array([[-1.0, 0.0], [0.0, 1.0]]).reshape(1, 1, 2, 2)
    pixels = without_legend(draw(array))
    tile = pixels[1:65, 1:65]  # 2 x 2 numbers of 32 pixels each, after a gap of one
    assert np.array_equal(tile, np.kron(_colours(array), np.ones((32, 32, 1), np.uint8)))
    assert tuple(pixels[0, 0]) == GROUND


def _colours(array):
    steps = np.rint((array[0, 0] + 1) * (len(DIVERGING) // 2)).astype(int)
    return DIVERGING[steps]


def test_filters_lie_as_squarely_as_they_go():
    portrait = draw(np.ones((20, 3, 5, 5)), channels=Channels.RGB)
    height, width, _ = portrait.pixels.shape
    assert (width - 1) // 61 == 5  # a tile is 60 pixels wide, a gap 1
    assert (height - 1) // 61 == 4
    many = draw(np.ones((96, 3, 7, 7)), channels=Channels.RGB)
    assert many.pixels.shape == (641, 641, 3)


def test_the_channels_of_a_filter_stand_in_a_row():
    array = np.zeros((2, 4, 3, 3))
    array[0, 3] = 1.0
    array[1] = -1.0
    pixels = without_legend(draw(array))
    first, second = pixels[5 + 30], pixels[-5 - 30]
    assert RED in colours_of(first)
    assert BLUE not in colours_of(first)
    assert BLUE in colours_of(second)
    assert RED not in colours_of(second)


def test_what_is_left_out_is_told():
    assert draw(np.ones((64, 64, 3, 3))).told == "32 of 64 filters x 32 of 64 channels"
    assert draw(np.ones((2000, 1, 3, 3))).told == "1024 of 2000 filters x 1 channel"
    assert draw(np.ones((1000, 4096))).told == "512 of 1000 outputs x 1024 of 4096 inputs"
    assert draw(np.ones((4, 2, 70, 3))).told == (
        "4 filters x 2 channels x 64 x 3 of 70 x 3 numbers"
    )
    assert draw(np.ones((8, 3, 2, 2)), channels=Channels.RGB).told == "8 filters in RGB, +-1"


def test_the_first_filters_and_channels_are_shown():
    array = np.zeros((64, 64, 3, 3))
    array[32:] = array[:, 32:] = 1.0
    assert colours_of_map(draw(array))[0] == ZERO
    assert RED not in colours_of_map(draw(array))


def test_a_matrix_is_one_map_of_outputs_by_inputs():
    array = np.zeros((3, 5))
    array[2, 0], array[0, 4] = 1.0, -1.0
    pixels = without_legend(draw(array))
    assert tuple(pixels[47, 0]) == tuple(pixels[32, 15]) == RED
    assert tuple(pixels[0, 79]) == tuple(pixels[15, 64]) == BLUE
    assert tuple(pixels[16, 16]) == ZERO
    as_kernels = draw(array.reshape(3, 5, 1, 1))
    assert np.array_equal(as_kernels.pixels, draw(array).pixels)


def test_numbers_of_0_alone_are_drawn():
    assert colours_of_map(draw(np.zeros((2, 4, 3, 3))))[0] == ZERO
    assert colours_of(draw(np.zeros((2, 3, 3, 3)), channels=Channels.RGB).pixels) == [
        (128, 128, 128)
    ]


def test_what_is_not_finite_is_marked_and_does_not_hide_the_rest():
    array = np.ones((1, 1, 2, 2))
    array[0, 0, 0] = np.nan, np.inf
    found = colours_of_map(draw(array))
    assert found[0] == NOT_FINITE
    assert RED in found


def test_maps_have_a_legend_and_first_layers_none():
    maps = draw(np.ones((4, 2, 3, 3))).pixels[-STRIP_PX:]
    assert PAPER in colours_of(maps)
    assert BLUE in colours_of(maps)
    colours = draw(np.ones((4, 3, 3, 3)), channels=Channels.RGB).pixels
    assert colours_of(colours) == [PAPER]  # the strongest of every colour


@pytest.mark.parametrize("shape", [(0, 3, 3, 3), (4, 0)])
def test_nothing_cannot_be_drawn(shape):
    with pytest.raises(Invalid, match=r"conv\.weight holds no numbers"):
        draw(np.zeros(shape))
