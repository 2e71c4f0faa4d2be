"""Pixels of any kind become 8-bit RGB: grey, 16 bit, palette, CMYK, transparency."""

from PIL import Image, ImageOps
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile

BITS_PER_SAMPLE = 258
PHOTOMETRIC = 262
WHITE_IS_ZERO = 0


def as_rgb(image: Image.Image) -> Image.Image:
    """Give the picture as 8-bit RGB.

    Transparency is laid on white. 16-bit levels keep their upper 8 bits, as Pillow does with 16-bit
    colour. Colour profiles are not applied, as in the pipelines the networks were trained with.

    Raises:
        ValueError: the pixels are of a kind whose range is not known.
    """
    if image.mode.startswith("I;16"):
        return _from_deep_grey(image)
    if image.mode == "I" and isinstance(image, PpmImageFile):  # Pillow has scaled it to 0..65535
        return _shifted(image, 8).convert("RGB")
    if image.mode in {"I", "F"}:
        raise ValueError("32-bit pixels have no stated range; save it with 8 or 16 bits")
    if image.has_transparency_data:
        return _on_white(image.convert("RGBA"))
    return image if image.mode == "RGB" else image.convert("RGB")  # which would copy it


def _from_deep_grey(image: Image.Image) -> Image.Image:
    """Keep the upper 8 bits of 16-bit (or, in a TIFF, 12-bit) grey."""
    bits, photometric = 16, None
    if isinstance(image, TiffImageFile):
        bits = image.tag_v2.get(BITS_PER_SAMPLE, (16,))[0]
        photometric = image.tag_v2.get(PHOTOMETRIC)
    levels = _shifted(image, bits - 8)
    return (ImageOps.invert(levels) if photometric == WHITE_IS_ZERO else levels).convert("RGB")


def _shifted(image: Image.Image, bits: int) -> Image.Image:
    """Give levels without so many of their lower bits, as 8-bit grey."""
    # Pictures of 8 bits, which most are, are read without NumPy.
    import numpy as np  # noqa: PLC0415

    return Image.fromarray((np.asarray(image) >> bits).astype(np.uint8))


def _on_white(image: Image.Image) -> Image.Image:
    """Lay a picture with alpha on white, the paper most cut-out pictures were made for."""
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")
