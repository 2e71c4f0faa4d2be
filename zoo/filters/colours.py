"""Colours of numbers about 0: blue below, nearly white at 0, red above, never a rainbow.

Lightness falls evenly from 0 to both ends and is the same on both sides, so that an edge is seen
only where there is one, and neither sign looks stronger than the other; also in grey, and by those
who see no red or no green. Computed in OKLab: B. Ottosson, "A perceptual color space for image
processing", 2020.
"""

import numpy as np
from numpy.typing import NDArray

from zoo.domain.filters import Numbers

Pixels = NDArray[np.uint8]

STEPS = 127  # colours on either side of 0
WHITE, DARK = 0.97, 0.42  # lightness at 0 and at the ends
CHROMA = 0.16  # at the ends; 0 in the middle
BLUE, RED = np.radians(260.0), np.radians(25.0)  # hues
NOT_FINITE = (255, 0, 255)  # no colour of the map

# OKLab to the cube roots of cone responses, and those to linear sRGB.
_TO_ROOTS = np.array(
    [
        [1.0, 0.3963377774, 0.2158037573],
        [1.0, -0.1055613458, -0.0638541728],
        [1.0, -0.0894841775, -1.2914855480],
    ]
)
_TO_LINEAR = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)
_KNEE, _SLOPE, _POWER, _OFFSET = 0.0031308, 12.92, 2.4, 0.055  # of sRGB's curve, IEC 61966-2-1


def _diverging() -> Pixels:
    """Compute the colours, from the lowest number to the highest."""
    place = np.linspace(-1, 1, 2 * STEPS + 1)
    lightness = WHITE + (DARK - WHITE) * abs(place)
    hue = np.where(place < 0, BLUE, RED)
    chroma = CHROMA * abs(place)
    lab = np.stack([lightness, chroma * np.cos(hue), chroma * np.sin(hue)], axis=1)
    linear = np.clip((lab @ _TO_ROOTS.T) ** 3 @ _TO_LINEAR.T, 0, 1)
    curved = (1 + _OFFSET) * linear ** (1 / _POWER) - _OFFSET
    shown = np.where(linear <= _KNEE, _SLOPE * linear, curved)
    return np.asarray(np.rint(255 * shown), np.uint8)


DIVERGING = _diverging()


def paint(shares: Numbers) -> Pixels:
    """Give the colour of numbers from -1 to 1, an axis of RGB more; what lies beyond is the end."""
    steps = np.clip(np.nan_to_num(shares), -1, 1) * STEPS + STEPS
    return _marked(DIVERGING[np.rint(steps).astype(np.intp)], np.isfinite(shares))


def paint_rgb(shares: Numbers) -> Pixels:
    """Give numbers from -1 to 1, whose last axis is RGB, as colours; 0 is middle grey."""
    levels = np.rint((np.clip(np.nan_to_num(shares), -1, 1) + 1) * 127.5).astype(np.uint8)
    return _marked(levels, np.all(np.isfinite(shares), axis=-1))


def _marked(pixels: Pixels, is_shown: NDArray[np.bool_]) -> Pixels:
    """Show what is no finite number."""
    pixels[~is_shown] = NOT_FINITE
    return pixels
