"""Pixels of any kind become 8-bit RGB: grey, 16 bit, palette, CMYK, transparency."""

from collections.abc import Callable

from PIL import Image, ImageOps
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile

BITS_PER_SAMPLE = 258
PHOTOMETRIC = 262
WHITE_IS_ZERO = 0
STRIP_PIXELS = 2**20  # converted at once: a large picture is never held in three forms


class UnknownRange(ValueError):
    """Nothing tells which of a picture's numbers are black and white."""


def as_rgb(image: Image.Image) -> Image.Image:
    """Give the picture as 8-bit RGB; the memory taken is that of the result, and of a strip.

    Transparency is laid on white. 16-bit levels keep their upper 8 bits, as Pillow does with 16-bit
    colour. Colour profiles are not applied, as in the pipelines the networks were trained with.

    Raises:
        UnknownRange: the pixels are of a kind whose range is not known.
    """
    convert = _find_conversion(image)
    if convert is None:
        return image
    rows = max(STRIP_PIXELS // image.width, 1)
    if image.height <= rows:
        return convert(image)
    whole = Image.new("RGB", image.size)
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        whole.paste(convert(image.crop((0, top, image.width, bottom))), (0, top))
    return whole


def _find_conversion(image: Image.Image) -> Callable[[Image.Image], Image.Image] | None:
    """Find what makes RGB of a strip of the picture; None where it is RGB already."""
    if image.mode.startswith("I;16"):
        return _deep_grey_conversion(image)
    if image.mode == "I" and isinstance(image, PpmImageFile):  # Pillow has scaled it to 0..65535
        return lambda strip: _shifted(strip, 8).convert("RGB")
    if image.mode in {"I", "F"}:
        kind = "floating-point" if image.mode == "F" else "whole"
        raise UnknownRange(f"its pixels are {kind} numbers of 32 bits, and it does not tell which")
    if image.has_transparency_data:
        return lambda strip: _on_white(strip.convert("RGBA"))
    return None if image.mode == "RGB" else lambda strip: strip.convert("RGB")


def _deep_grey_conversion(image: Image.Image) -> Callable[[Image.Image], Image.Image]:
    """Keep the upper 8 bits of 16-bit (or, in a TIFF, 12-bit) grey."""
    bits, photometric = 16, None
    if isinstance(image, TiffImageFile):
        bits = image.tag_v2.get(BITS_PER_SAMPLE, (16,))[0]
        photometric = image.tag_v2.get(PHOTOMETRIC)
    transparent = image.info.get("transparency")  # the level that stands for it in a PNG

    def convert(strip: Image.Image) -> Image.Image:
        levels = _shifted(strip, bits - 8)
        if photometric == WHITE_IS_ZERO:
            levels = ImageOps.invert(levels)
        if isinstance(transparent, int):
            levels.paste(255, mask=_where(strip, transparent))
        return levels.convert("RGB")

    return convert


def _shifted(image: Image.Image, bits: int) -> Image.Image:
    """Give levels without so many of their lower bits, as 8-bit grey."""
    # Pictures of 8 bits, which most are, are read without NumPy.
    import numpy as np  # noqa: PLC0415

    return Image.fromarray((np.asarray(image) >> bits).astype(np.uint8))


def _where(image: Image.Image, level: int) -> Image.Image:
    """Give a mask of the pixels of a level."""
    import numpy as np  # noqa: PLC0415

    return Image.fromarray((np.asarray(image) == level).astype(np.uint8) * np.uint8(255))


def _on_white(image: Image.Image) -> Image.Image:
    """Lay a picture with alpha on white, the paper most cut-out pictures were made for."""
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")
