"""Copies at another quality or size are found, other pictures are not."""

import io

import numpy as np
import pytest
from PIL import Image

from zoo.images.alike import Alike, find_alike, shrink


def photograph(seed):
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (7, 9, 3)).astype(np.uint8))
    return np.asarray(coarse.resize((120, 90), Image.Resampling.BICUBIC))


def as_jpeg(pixels, quality):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer).convert("RGB"))


@pytest.mark.parametrize(
    "change",
    [
        lambda pixels: as_jpeg(pixels, 40),
        lambda pixels: np.asarray(Image.fromarray(pixels).resize((60, 45))),
        lambda pixels: np.clip(pixels.astype(int) + 2, 0, 255).astype(np.uint8),
    ],
    ids=["JPEG of low quality", "half the size", "a little lighter"],
)
def test_a_changed_copy_is_found(change):
    pictures = [photograph(seed) for seed in range(12)]
    others = [shrink(change(pictures[5])), shrink(photograph(99))]
    assert find_alike([shrink(one) for one in pictures], others) == [Alike(first=5, second=0)]


def test_darker_pictures_of_the_same_form_are_others():
    picture = photograph(1)
    assert find_alike([shrink(picture)], [shrink((picture * 0.8).astype(np.uint8))]) == []


def test_empty_pictures_are_like_none():
    white = shrink(np.full((50, 50, 3), 255, np.uint8))
    assert find_alike([white], [white]) == []


def test_nothing_is_like_nothing():
    assert find_alike([], [shrink(photograph(0))]) == []
