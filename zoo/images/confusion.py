"""A confusion matrix as a picture: rows are the true classes, columns what was said."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from zoo.images.palette import VIRIDIS

CELL_PX, FONT_PX, MARGIN_PX = 44, 13, 10
LONGEST = 18  # characters of a label
NUMBERED = 40  # classes up to which each cell has its number
SMALL_PX = 10  # side of a cell where there are more
DARK = 0.55  # share of a row below which the number on it is white


def draw_confusion(
    counts: NDArray[np.integer], rows: Sequence[str], columns: Sequence[str]
) -> bytes:
    """Draw R x C counts as a PNG; a cell's colour is its share of its row."""
    is_small = len(rows) > NUMBERED
    cell = SMALL_PX if is_small else CELL_PX
    font = ImageFont.load_default(size=FONT_PX)
    longest = max(font.getbbox(_short(label))[2] for label in (*rows, *columns))
    left = top = MARGIN_PX + (0 if is_small else round(longest) + MARGIN_PX)
    size = (left + cell * len(columns) + MARGIN_PX, top + cell * len(rows) + MARGIN_PX)
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    for (row, column), share in np.ndenumerate(shares):
        x, y = left + column * cell, top + row * cell
        colour = tuple(VIRIDIS[round(share * (len(VIRIDIS) - 1))].tolist())
        draw.rectangle((x, y, x + cell - 2, y + cell - 2), fill=colour)
        if not is_small and counts[row, column]:
            ink = "black" if share > DARK else "white"
            draw.text(
                (x + cell / 2, y + cell / 2), str(counts[row, column]), ink, font, anchor="mm"
            )
    if not is_small:
        for row, label in enumerate(rows):
            place = (left - 6, top + (row + 0.5) * cell)
            draw.text(place, _short(label), "black", font, anchor="rm")
        for column, label in enumerate(columns):
            _write_up(image, _short(label), left + column * cell + cell // 2, top - 6, font)
    buffer = BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _write_up(
    image: Image.Image,
    text: str,
    middle: int,
    bottom: int,
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
) -> None:
    """Write a text upwards, its end above a column."""
    width = max(1, round(font.getbbox(text)[2]) + 1)
    strip = Image.new("RGB", (width, FONT_PX + 5), "white")
    ImageDraw.Draw(strip).text((0, 1), text, "black", font)
    turned = strip.rotate(90, expand=True)
    image.paste(turned, (middle - turned.width // 2, bottom - turned.height))


def _short(label: str) -> str:
    shown = "".join(one if one.isprintable() else "?" for one in label)
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "\N{HORIZONTAL ELLIPSIS}"
