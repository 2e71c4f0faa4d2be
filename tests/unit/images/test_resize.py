"""Resizing against exact numbers, against Pillow, and where libraries reach beyond a picture."""

import threading
from types import SimpleNamespace

import numpy as np
import PIL
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from zoo.domain.preprocessing import Interpolation
from zoo.errors import ZooError
from zoo.images import resize as resize_module
from zoo.images.memory import check_memory
from zoo.images.resize import pixels_key, resize

PILLOWS = {
    Interpolation.BILINEAR: Image.Resampling.BILINEAR,
    Interpolation.BICUBIC: Image.Resampling.BICUBIC,
}


def weights(side, resized, begin, end, interpolation):
    """What each pixel of a side is of each pixel of the result, in float64."""
    scale = (end - begin) / resized
    centres = begin + (np.arange(resized)[:, None] + 0.5) * scale
    x = np.abs(np.arange(side) + 0.5 - centres) / max(scale, 1)
    if interpolation is Interpolation.BILINEAR:
        found = np.maximum(1 - x, 0)
    else:  # Keys 1981, equation 4, with a = -1/2
        near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
        found = np.where(x < 1, near, np.where(x < 2, far, 0))
    return found / found.sum(axis=1, keepdims=True)


def exactly(pixels, size_px, interpolation, box):
    """The same convolution without any rounding; a side's levels are clipped as pixels are."""
    left, top, right, bottom = box
    across = weights(pixels.shape[1], size_px[1], left, right, interpolation)
    down = weights(pixels.shape[0], size_px[0], top, bottom, interpolation)
    if size_px[1] > right - left and size_px[0] < bottom - top:
        columns = np.clip(np.tensordot(down, pixels.astype(float), 1), 0, 255)
        return np.clip(across @ columns, 0, 255)
    rows = np.clip(across @ pixels.astype(float), 0, 255)
    return np.clip(np.tensordot(down, rows, 1), 0, 255)


@st.composite
def parts(draw):
    """A picture of noise, a size, and a part of the picture."""
    width, height = draw(st.integers(1, 70)), draw(st.integers(1, 70))
    seed = draw(st.integers(0, 2**32 - 1))
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    size_px = draw(st.integers(1, 90)), draw(st.integers(1, 90))
    sides = []
    for side in (width, height):
        begin = draw(st.floats(0, side - 0.5))
        sides.append((begin, draw(st.floats(begin + 0.25, side))))
    (left, right), (top, bottom) = sides
    return pixels, size_px, (left, top, right, bottom)


@settings(max_examples=200, deadline=None)
@given(parts(), st.sampled_from(Interpolation))
def test_every_part_is_resized_as_exact_numbers_say(part, interpolation):
    pixels, size_px, box = part
    exact = exactly(pixels, size_px, interpolation, box)
    found = resize(Image.fromarray(pixels), size_px, interpolation, box=box)
    assert found.shape == (*size_px, 3)
    # Two roundings of half a level; a cubic filter weighs the first of them by 1.25 at the most.
    assert np.abs(found - exact).max() <= 1.2


@settings(max_examples=200, deadline=None)
@given(parts(), st.sampled_from(Interpolation))
def test_every_part_is_resized_as_pillow_does(part, interpolation):
    pixels, size_px, box = part
    # Levels that no filter leaves: Pillow may take the sides in the other order, and clips between.
    image = Image.fromarray(pixels // 2 + 64)
    expected = np.asarray(image.resize(size_px[::-1], PILLOWS[interpolation], box=box))
    off = np.abs(resize(image, size_px, interpolation, box=box).astype(int) - expected)
    assert off.max() <= (1 if interpolation is Interpolation.BILINEAR else 2)


@pytest.mark.parametrize("interpolation", Interpolation)
@pytest.mark.parametrize("times", [1, 2, 3, 4, 5])
def test_pixels_of_the_result_may_lie_on_pixels_of_the_picture(interpolation, times):
    rng = np.random.default_rng(times)
    image = Image.fromarray(rng.integers(0, 256, (24, 40, 3)).astype(np.uint8))
    for first in range(30):
        begin = first / times + 0.5 - 0.5 / times  # so that the first and the last pixel do
        box = (begin, 2.0, begin + (3 * times + 1) / times, 20.0)
        size_px = 18 * times, 3 * times + 1
        expected = exactly(np.asarray(image), size_px, interpolation, box)
        assert np.abs(resize(image, size_px, interpolation, box=box) - expected).max() <= 1.2


@pytest.mark.parametrize("interpolation", Interpolation)
@pytest.mark.parametrize("size", [(100_000, 1), (1, 100_000), (30_000, 2)])
def test_long_pictures_keep_their_colour(size, interpolation):
    pixels = resize(Image.new("RGB", size, (200, 100, 255)), (224, 224), interpolation)
    assert (pixels == (200, 100, 255)).all()


def test_pictures_that_lie_in_several_pieces_of_memory_are_resized():
    image = Image.linear_gradient("L").resize((3000, 6000)).convert("RGB")  # of 16 MiB a piece
    expected = np.asarray(image.resize((90, 70), Image.Resampling.BILINEAR))
    off = np.abs(resize(image, (70, 90), Interpolation.BILINEAR).astype(int) - expected)
    assert off.max() <= 1


def test_a_box_that_rounding_made_too_large_is_the_whole_picture():
    image = Image.linear_gradient("L").convert("RGB")
    whole = resize(image, (60, 50), Interpolation.BICUBIC)
    box = (0.0, 0.0, np.nextafter(256, 300), np.nextafter(256, 300))
    assert np.array_equal(resize(image, (60, 50), Interpolation.BICUBIC, box=box), whole)


@pytest.mark.parametrize(
    "box",
    [
        (-1.0, 0.0, 5.0, 5.0),
        (11.0, 0.0, 12.0, 5.0),
        (10.0, 0.0, 12.0, 5.0),
        (3.0, 3.0, 3.0, 9.0),
        (3.0, 3.0, 9.0, 3.0),
    ],
)
def test_a_box_with_nothing_of_the_picture_is_refused(box):
    with pytest.raises(ValueError, match="holds nothing"):
        resize(Image.new("RGB", (10, 10)), (4, 4), Interpolation.BILINEAR, box=box)


def test_many_threads_get_the_same_pixels():
    image = Image.effect_noise((300, 200), 90).convert("RGB")
    expected = resize(image, (64, 96), Interpolation.BICUBIC)
    found = []

    def work():
        found.extend(resize(image, (64, 96), Interpolation.BICUBIC) for _ in range(25))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 200
    assert all(np.array_equal(one, expected) for one in found)


@pytest.mark.parametrize("interpolation", Interpolation)
@pytest.mark.parametrize("size_px", [(16, 16), (7, 90), (90, 7), (130, 120)])
def test_an_array_is_resized_as_the_image_of_it_is(interpolation, size_px):
    rng = np.random.default_rng(2)
    image = Image.fromarray(rng.integers(0, 256, (47, 61, 3), np.uint8))
    pixels = np.dstack([np.asarray(image), np.arange(61 * 47).reshape(47, 61) % 256])
    box = (2.25, 3.5, 58.75, 46.0)
    np.testing.assert_array_equal(
        resize(pixels.astype(np.uint8), size_px, interpolation, box=box),
        resize(image, size_px, interpolation, box=box),
    )


@pytest.mark.parametrize("size_px", [(1, 1), (1, 3), (5, 4), (224, 224)])
def test_an_array_of_the_size_asked_for_comes_through(size_px):
    pixels = np.random.default_rng(3).integers(0, 256, (*size_px, 4), np.uint8)
    given = pixels.copy()
    found = resize(given, size_px, Interpolation.BILINEAR)
    np.testing.assert_array_equal(found, pixels[:, :, :3])
    assert found.flags.c_contiguous
    found[:] = 0  # It is its own.
    np.testing.assert_array_equal(given, pixels)


def test_a_pillow_that_lends_no_memory_is_refused(monkeypatch):
    check_memory.cache_clear()

    def map_buffer(*_):
        raise TypeError("another signature")

    monkeypatch.setattr(Image, "core", SimpleNamespace(**vars(Image.core)))
    monkeypatch.setattr(Image.core, "map_buffer", map_buffer)
    with pytest.raises(ZooError, match=PIL.__version__):
        resize(Image.new("RGB", (10, 10)), (4, 4), Interpolation.BILINEAR)
    monkeypatch.undo()
    check_memory()


@pytest.mark.parametrize("release", ["11.3.0"])
def test_a_pillow_whose_memory_is_unknown_is_refused(monkeypatch, release):
    check_memory.cache_clear()
    other = release if int(PIL.__version__.partition(".")[0]) >= 12 else "12.0.0"
    monkeypatch.setattr(PIL, "__version__", other)
    with pytest.raises(ZooError, match=other):
        resize(Image.new("RGB", (10, 10)), (4, 4), Interpolation.BILINEAR)
    monkeypatch.undo()
    check_memory()


def test_pixels_are_named_by_what_they_are(monkeypatch):
    name = pixels_key.__wrapped__()
    assert name == pixels_key.__wrapped__() == pixels_key()
    usual = resize_module.resize

    def other(*given, **more):
        shown = usual(*given, **more)
        shown[0, 0, 0] ^= 1
        return shown

    monkeypatch.setattr(resize_module, "resize", other)
    assert pixels_key.__wrapped__() != name
