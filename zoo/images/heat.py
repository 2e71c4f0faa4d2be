"""A map of probabilities as colours over the picture it was computed from."""

from collections.abc import Iterator, Mapping
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from zoo.domain.geometry import Geometry, Side
from zoo.images.palette import VIRIDIS

BAND_ROWS = 256  # rows worked on at once: large pictures need little memory beside their own
LEGEND_PX = 20  # height of the strip
NARROWEST_PX = 128  # picture under which a legend fits
GAP_PX = 4
COLOURS = 192  # of a small picture
QUALITY = 82  # of JPEG

Heat = NDArray[np.float32]
Pixels = NDArray[np.uint8]
Range = tuple[float, float]


def spread(
    cells: Heat, geometry: Geometry, *, read_px: tuple[int, int], picture_px: tuple[int, int]
) -> Heat:
    """Give every pixel of a picture the probability between the nearest cells.

    Bilinear between the centres of the cells' windows; beyond the outermost centres the outermost
    cells go on.

    Args:
        cells: h x w.
        geometry: how the cells lie over what was read.
        read_px: height and width of what was read, the picture at some scale.
        picture_px: height and width of the picture, H x W, whose pixels are given.
    """
    rows, columns = cells.shape
    above, below, down = _neighbours(geometry.height, rows, read_px[0], picture_px[0])
    left, right, along = _neighbours(geometry.width, columns, read_px[1], picture_px[1])
    heat = np.empty(picture_px, np.float32)
    for band in _bands(picture_px[0]):
        near = down[band, np.newaxis]
        lines = cells[above[band]] * (1 - near) + cells[below[band]] * near
        heat[band] = lines[:, left] * (1 - along) + lines[:, right] * along
    return heat


def lay_over(pixels: Pixels, heat: Heat, *, opacity: float, shown: Range) -> Pixels:
    """Lay the colours of an H x W map over an H x W x 3 picture.

    ``shown`` are the values of the first and the last colour; those beyond look like these.
    """
    painted = np.empty_like(pixels)
    for band in _bands(len(pixels)):
        mixed = pixels[band] * (1 - opacity) + colour(heat[band], shown) * opacity
        painted[band] = np.rint(mixed)
    return painted


def colour(heat: Heat, shown: Range) -> Pixels:
    """Give the colour of each value; where all are the same, the first."""
    low, high = shown
    share = np.clip((heat - low) / ((high - low) or 1.0), 0, 1)
    colours: Pixels = VIRIDIS[np.rint(share * (len(VIRIDIS) - 1)).astype(np.uint8)]
    return colours


def add_legend(pixels: Pixels, shown: Range) -> Pixels:
    """Add a strip below a picture: the colours between the values of the first and the last.

    A picture that is too narrow for it is given back as it is.
    """
    width = pixels.shape[1]
    if width < NARROWEST_PX:
        return pixels
    strip = Image.new("RGB", (width, LEGEND_PX), "white")
    draw, font = ImageDraw.Draw(strip), ImageFont.load_default()
    low, high = (f"{value:.3g}" for value in shown)
    begin = GAP_PX + round(draw.textlength(low, font)) + GAP_PX
    end = width - GAP_PX - round(draw.textlength(high, font)) - GAP_PX
    middle = LEGEND_PX // 2
    draw.text((GAP_PX, middle), low, "black", font, anchor="lm")
    draw.text((width - GAP_PX, middle), high, "black", font, anchor="rm")
    ramp = np.linspace(0, 1, end - begin, dtype=np.float32)
    bar = np.tile(colour(ramp, (0.0, 1.0)), (LEGEND_PX - 2 * GAP_PX, 1, 1))
    strip.paste(Image.fromarray(bar), (begin, GAP_PX))
    return np.concatenate([pixels, np.asarray(strip)])


def as_png(pixels: Pixels, texts: Mapping[str, str]) -> bytes:
    """Give a picture as the bytes of a PNG file that carries these texts."""
    told = PngInfo()
    for name, text in texts.items():
        told.add_itxt(name, text)
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", pnginfo=told)
    return buffer.getvalue()


def as_small_png(pixels: Pixels) -> bytes:
    """Give a picture of few colours, or as few as look the same, as the bytes of a PNG file."""
    buffer = BytesIO()
    few = Image.fromarray(pixels).quantize(COLOURS, dither=Image.Dither.NONE)
    few.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def as_jpeg(pixels: Pixels) -> bytes:
    """Give a photograph as the bytes of a JPEG file, to be looked at."""
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return buffer.getvalue()


def _neighbours(
    side: Side, cells: int, read_px: int, picture_px: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], Heat]:
    """Give the cells before and behind the middle of each pixel, and how near the second is."""
    middles = (np.arange(picture_px) + 0.5) * (read_px / picture_px)
    places = np.clip((middles - side.centre(0)) / side.stride_px, 0, cells - 1)
    before = places.astype(np.intp)
    behind = np.minimum(before + 1, cells - 1)
    return before, behind, (places - before).astype(np.float32)


def _bands(rows: int) -> Iterator[slice]:
    """Cut the rows of a picture into bands."""
    for first in range(0, rows, BAND_ROWS):
        yield slice(first, first + BAND_ROWS)
