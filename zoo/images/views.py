"""Random views of pictures for training: another part, another size, mirrored."""

import numpy as np
from numpy.random import Generator
from PIL import Image

from zoo.domain.preprocessing import Interpolation
from zoo.images.prepare import Pixels
from zoo.images.resize import resize

TRIES = 10
PROPORTIONS = (3 / 4, 4 / 3)  # narrowest and widest, as torchvision's RandomResizedCrop


def draw_view(
    picture: Pixels, size_px: tuple[int, int], rng: Generator, *, least: float, has_flip: bool
) -> Pixels:
    """Draw a part of a picture, H x W x 3, at a height and width.

    Its area is ``least`` to 1 of the picture's, its proportions are up to a third off those of
    ``size_px`` (Szegedy et al. 2015, section 6); with ``has_flip`` half of the views are mirrored.
    """
    height, width = picture.shape[:2]
    box = _draw_box(width, height, size_px, rng, least)
    pixels = resize(Image.fromarray(picture), size_px, Interpolation.BILINEAR, box=box)
    return pixels[:, ::-1] if rng.random() < 1 / 2 and has_flip else pixels


def _draw_box(
    width: int, height: int, size_px: tuple[int, int], rng: Generator, least: float
) -> tuple[float, float, float, float]:
    low, high = np.log(PROPORTIONS)
    for _ in range(TRIES):
        area = rng.uniform(least, 1) * width * height
        proportion = np.exp(rng.uniform(low, high)) * size_px[1] / size_px[0]
        across, down = float(np.sqrt(area * proportion)), float(np.sqrt(area / proportion))
        if across <= width and down <= height:
            left, top = rng.uniform(0, width - across), rng.uniform(0, height - down)
            return left, top, left + across, top + down
    return 0.0, 0.0, float(width), float(height)
