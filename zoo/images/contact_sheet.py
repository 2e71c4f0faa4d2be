"""Many small pictures with their captions on one sheet."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

SIDE_PX, GAP_PX, LINE_PX = 160, 12, 15
COLUMNS = 6
MOST = 60  # pictures on a sheet
QUALITY = 75  # of JPEG
BACK, TEXT = "white", "#222222"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tile:
    """One picture, H x W x 3 uint8, and the lines below it."""

    pixels: NDArray[np.uint8]
    lines: Sequence[str]


def draw_sheet(tiles: Sequence[Tile]) -> bytes:
    """Draw the first 60 pictures as one PNG, six in a row; captions are cut where they are long.

    Characters that a caption cannot show are written as their numbers.
    """
    buffer = BytesIO()
    _draw(tiles).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def draw_jpeg_sheet(tiles: Sequence[Tile]) -> bytes:
    """Draw likewise, as a JPEG of some 6 kB a picture: for a page that holds it inside."""
    buffer = BytesIO()
    _draw(tiles).save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return buffer.getvalue()


def _draw(tiles: Sequence[Tile]) -> Image.Image:
    shown = tiles[:MOST]
    columns = min(COLUMNS, max(1, len(shown)))
    rows = -(-len(shown) // columns)
    lines = max((len(tile.lines) for tile in shown), default=0)
    step_x, step_y = SIDE_PX + GAP_PX, SIDE_PX + lines * LINE_PX + GAP_PX
    sheet = Image.new("RGB", (columns * step_x + GAP_PX, rows * step_y + GAP_PX), BACK)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=12)
    for number, tile in enumerate(shown):
        left = GAP_PX + number % columns * step_x
        top = GAP_PX + number // columns * step_y
        picture = Image.fromarray(tile.pixels)
        picture.thumbnail((SIDE_PX, SIDE_PX))
        beside = (SIDE_PX - picture.width) // 2, (SIDE_PX - picture.height) // 2
        sheet.paste(picture, (left + beside[0], top + beside[1]))
        for index, line in enumerate(tile.lines):
            place = (left, top + SIDE_PX + 2 + index * LINE_PX)
            draw.text(place, _fit(draw, font, line), TEXT, font)
    return sheet


def _fit(
    draw: ImageDraw.ImageDraw, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, line: str
) -> str:
    """Cut a line to the width of a picture."""
    shown = "".join(one if one.isprintable() else f"\\x{ord(one):02x}" for one in line)
    cut = shown
    while cut and draw.textlength(cut, font) > SIDE_PX:
        cut = cut[:-1]
    return cut if cut == shown else cut[:-1] + "\N{HORIZONTAL ELLIPSIS}"
