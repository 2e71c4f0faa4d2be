"""One filter: its numbers to the bit, its planes on one scale, and the waves it passes."""

import numpy as np
import pytest

from zoo.domain.filters import Scaling, Tensor
from zoo.domain.preprocessing import Channels
from zoo.errors import Invalid, LayerNotFound
from zoo.filters import kernel
from zoo.filters.colours import DIVERGING
from zoo.filters.kernel import GAP_PX, describe_kernel, draw_kernel, draw_spectrum
from zoo.filters.portrait import draw_portrait, lay_portrait

RED = tuple(DIVERGING[-1].tolist())
BLUE = tuple(DIVERGING[0].tolist())


def make_tensor(array):
    array = np.ascontiguousarray(array, np.float64)
    return Tensor(name="conv.weight", kind="float64", shape=array.shape, stored=array.reshape(-1))


def drawn(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def test_the_numbers_of_a_filter_are_told_as_they_are():
    numbers = drawn((5, 3, 2, 4))
    told = describe_kernel(make_tensor(numbers), 3)
    assert np.array_equal(np.array(told.planes), numbers[3])
    assert (told.layer, told.index, told.filters, told.shape) == ("conv", 3, 5, (3, 2, 4))
    assert told.least == numbers[3].min()
    assert told.largest == numbers[3].max()
    assert told.mean == pytest.approx(numbers[3].mean())
    assert told.std == pytest.approx(numbers[3].std())
    assert told.norm == pytest.approx(np.linalg.norm(numbers[3]))
    assert told.is_whole


def test_what_is_not_finite_is_left_out_and_told_as_none():
    numbers = np.array([[[[1.0, np.nan], [-np.inf, 3.0]]]])
    told = describe_kernel(make_tensor(numbers), 0)
    assert told.planes == (((1.0, None), (None, 3.0)),)
    assert (told.least, told.largest, told.mean) == (1.0, 3.0, 2.0)
    nothing = describe_kernel(make_tensor(numbers * np.nan), 0)
    assert (nothing.least, nothing.mean, nothing.norm) == (None, None, 0.0)


def test_a_long_filter_is_summed_up_alone(monkeypatch):
    monkeypatch.setattr(kernel, "MOST_TOLD", 7)
    told = describe_kernel(make_tensor(drawn((2, 8))), 1)
    assert (told.planes, told.is_whole) == ((), False)
    assert told.largest is not None


@pytest.mark.parametrize("index", [-1, 5, 10**9])
@pytest.mark.parametrize("look", [describe_kernel, draw_kernel, draw_spectrum])
def test_a_filter_that_is_not_there_is_told_with_those_that_are(look, index):
    with pytest.raises(LayerNotFound, match="5 filters") as caught:
        look(make_tensor(drawn((5, 3, 2, 4))), index)
    assert "the last 4" in caught.value.hint


def test_planes_share_one_scale():
    numbers = np.zeros((1, 2, 1, 2))
    numbers[0, 0, 0, 0], numbers[0, 1, 0, 1] = 2.0, -1.0
    pixels = draw_kernel(make_tensor(numbers), 0).pixels
    plane_px = kernel.FEW_PX
    assert tuple(pixels[GAP_PX, GAP_PX]) == RED
    second = pixels[GAP_PX, 2 * GAP_PX + plane_px : 2 * GAP_PX + 2 * plane_px]
    assert tuple(second[-1]) not in {RED, BLUE}  # half as strong
    assert int(second[-1][2]) > int(second[-1][0])  # and blue


@pytest.mark.parametrize("channels", [Channels.RGB, Channels.BGR])
def test_a_filter_of_colours_is_shown_in_them_whichever_comes_first(channels):
    red = 0 if channels is Channels.RGB else 2
    numbers = np.zeros((1, 3, 2, 2))
    numbers[0, red] = 1.0
    portrait = draw_kernel(make_tensor(numbers), 0, channels=channels)
    whole, first = portrait.pixels[GAP_PX + 1, GAP_PX + 1], portrait.pixels[GAP_PX + 1, 205]
    assert int(whole[0]) > int(whole[1])
    assert int(whole[1]) == int(whole[2])
    assert tuple(first) == RED  # the plane of red comes first
    assert "red, green and blue" in portrait.told


@pytest.mark.parametrize(
    "shape", [(2, 3, 11, 11), (2, 5000, 3, 3), (2, 9216), (3, 1, 1, 9), (2, 4, 300, 200), (2, 4, 3)]
)
def test_pictures_are_bounded_whatever_the_shape(shape):
    tensor = make_tensor(drawn(shape))
    pictures = [draw_kernel(tensor, 1)]
    if len(shape) > 2:
        pictures.append(draw_spectrum(tensor, 1))
    for portrait in pictures:
        assert max(portrait.pixels.shape) <= 1600
        assert portrait.pixels.dtype == np.uint8


def test_a_filter_of_a_wave_answers_to_that_wave():
    places = np.arange(8)
    wave = np.cos(2 * np.pi * places / 4)[np.newaxis, :] * np.ones((8, 1))
    pixels = draw_spectrum(make_tensor(wave[np.newaxis, np.newaxis]), 0).pixels
    scale = kernel.SPECTRUM_PX
    found = {
        (int(y) // scale - kernel.SPECTRUM // 2, int(x) // scale - kernel.SPECTRUM // 2)
        for y, x in zip(*np.nonzero(np.all(pixels == RED, axis=-1)), strict=True)
    }
    # A period of four pixels: a quarter of the 64 frequencies to either side, none down.
    assert found == {(0, 16), (0, -16)}


def test_a_kernel_of_one_number_has_no_spectrum():
    with pytest.raises(Invalid, match="single numbers"):
        draw_spectrum(make_tensor(drawn((4, 6))), 0)


@pytest.mark.parametrize("shape", [(64, 3, 7, 7), (16, 8, 5, 5), (5, 1, 3, 4), (40, 6)])
@pytest.mark.parametrize("channels", [None, Channels.RGB])
def test_filters_lie_where_the_layout_says(shape, channels):
    numbers = drawn(shape)
    before = draw_portrait(make_tensor(numbers), channels=channels, has_legend=False).pixels
    layout = lay_portrait(make_tensor(numbers), channels=channels)
    assert before.shape[:2] == layout.size_px
    assert layout.is_coloured == (channels is Channels.RGB and shape[1] == 3)
    assert len(layout.tiles) == (shape[0] if len(shape) > 2 else 0)
    for index in (0, len(layout.tiles) - 1) if layout.tiles else ():
        # Another filter of the same strength changes its own place and no other.
        other = numbers.copy()
        other[index] = -other[index]
        after = draw_portrait(
            make_tensor(other), channels=channels, scaling=Scaling.SHARED, has_legend=False
        ).pixels
        ys, xs = np.nonzero((before != after).any(axis=-1))
        left, top, width, height = layout.tiles[index]
        assert (xs.min(), ys.min()) == (left, top)
        assert (xs.max(), ys.max()) == (left + width - 1, top + height - 1)
