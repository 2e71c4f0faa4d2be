"""Random views keep to the picture, and pictures in memory to their bound."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from zoo.domain.preprocessing import Preprocessing
from zoo.images.kept import KeptPictures
from zoo.images.prepare import prepare, read_uncropped
from zoo.images.views import draw_view


def gradient(height, width):
    """Columns in red and rows in green, so that a view tells where it was taken."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = np.linspace(0, 255, width)
    pixels[..., 1] = np.linspace(0, 255, height)[:, None]
    return pixels


@given(st.integers(1, 90), st.integers(1, 90), st.integers(0, 2**32), st.floats(0.05, 1))
def test_every_picture_gives_a_view_of_the_size_asked_for(height, width, seed, least):
    rng = np.random.default_rng(seed)
    view = draw_view(gradient(height, width), (12, 16), rng, least=least, has_flip=True)
    assert view.shape == (12, 16, 3)
    assert view.dtype == np.uint8


def test_equal_seeds_give_equal_views_and_others_do_not():
    picture = gradient(64, 80)
    views = [
        draw_view(picture, (32, 32), np.random.default_rng(seed), least=0.25, has_flip=True)
        for seed in (3, 3, 4)
    ]
    assert np.array_equal(views[0], views[1])
    assert not np.array_equal(views[0], views[2])


@pytest.mark.parametrize(("has_flip", "expected"), [(False, {True}), (True, {True, False})])
def test_mirrored_views_run_from_right_to_left(has_flip, expected):
    found = set()
    for seed in range(20):
        rng = np.random.default_rng(seed)
        view = draw_view(gradient(64, 64), (32, 32), rng, least=0.25, has_flip=has_flip)
        found.add(bool(view[0, 0, 0] < view[0, -1, 0]))
    assert found == expected


def test_views_keep_at_least_the_share_asked_for():
    spans = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        view = draw_view(gradient(96, 96), (32, 32), rng, least=0.5, has_flip=False).astype(int)
        spans.append(np.prod([np.ptp(view[..., axis]) / 255 for axis in (0, 1)]))
    assert min(spans) > 0.42  # the outermost pixels are averages, so some of the span is lost
    assert max(spans) > 0.8


def test_an_uncropped_picture_holds_the_crop_in_its_middle():
    pictures = Preprocessing(resize_px=40, crop_px=(32, 32))
    image = Image.fromarray(gradient(50, 75))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    whole = read_uncropped(buffer.getvalue(), pictures, name="x", max_pixels=10**6)
    assert whole.shape == (40, 60, 3)
    assert np.abs(prepare(image, pictures).astype(int) - whole[4:36, 14:46]).max() <= 1


def test_pictures_are_read_once_as_long_as_they_fit():
    read = []

    def open_picture(name):
        read.append(name)
        return np.zeros((10, 10, 3), np.uint8)

    kept = KeptPictures(read=open_picture, most_bytes=650)
    for name in "abcabc":
        kept.get(name)
    assert read == ["a", "b", "c", "c"]
