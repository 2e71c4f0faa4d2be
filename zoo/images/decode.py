"""A picture file becomes upright 8-bit RGB pixels, or one clear reason why it cannot."""

import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import SEEK_END, BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from PIL.Image import DecompressionBombError, Image
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from zoo.errors import UnreadablePicture
from zoo.images.colour import UnknownRange, as_rgb
from zoo.images.expense import Expense
from zoo.images.file import open_picture
from zoo.images.jpeg import decode_plain, find_plain
from zoo.images.orientation import EXIF_TAG, Box, turn_upright
from zoo.images.table import HEAD_BYTES, Format, describe_foreign, find_format
from zoo.images.turns import Take, take_any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

OVERSAMPLING = 2
"""A reduced JPEG keeps at least so many times the pixels that are needed."""

BYTES_PER_PIXEL = 8  # at the most: as it was read and as RGB, or turned; Pillow's RGB takes four
LARGE_FORMS = (TiffImageFile, WebPImageFile)
LARGE_BYTES_PER_PIXEL = 16  # their libraries hold the whole picture once or twice more
COEFFICIENT_BYTES = 2  # of a channel of a JPEG with several scans, which are kept until the last

MOST_EXIF_BYTES = 4 * 2**20  # a maker's notes and a thumbnail take a tenth of it
ENDS_EARLY = re.compile(r"truncated|unpack_from|unpack requires", re.IGNORECASE)  # of errors
NOT_BEGUN = {"not identified by this driver", "not a WEBP file"}
UNKNOWN_KIND = "unknown pixel mode"  # Pillow, of a TIFF
FEWER_PIXELS = "Make the picture smaller, or raise ZOO_MAX_PICTURE_PIXELS."

# What Pillow only warns of, beside the picture, is no matter of whoever gave it.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")

# What Pillow's readers raise on damaged files; found by reading them and by damaging files.
BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """Pixels, and where among them the picture lies.

    The extent differs from the image's size only for a reduced JPEG, whose last column and row may
    be covered by the picture in part: 3002 pixels reduced by 8 are 375.25 pixels of 376.
    """

    image: "Image | NDArray[np.uint8]"  # 8 bit, RGB; or H x W x 4, RGBA, of a plain JPEG
    extent: Box


def decode(picture: bytes | Path, *, name: str, max_pixels: int, take: Take = take_any) -> Image:
    """Decode a picture file of a known format into upright 8-bit RGB pixels, all of them.

    The format (JPEG, PNG, WebP, BMP, TIFF, PPM) is told by content. Of an animation or a file of
    several pages, the first picture counts. See `zoo.images.colour` for how colours are treated.
    ``take`` is told how many bytes of memory the pixels will need, and may wait or raise.

    Raises:
        UnreadablePicture: not such a file, damaged, cut short, of more than ``max_pixels``, or one
            that costs far more than its pixels.
        PathNotFound: there is no file at that path.
    """
    image, _ = _decode_by_pillow(
        picture, name=name, max_pixels=max_pixels, at_least_px=None, take=take
    )
    return image


def decode_reduced(
    picture: bytes | Path,
    *,
    name: str,
    max_pixels: int,
    at_least_px: int,
    take: Take = take_any,
) -> Decoded:
    """Decode like `decode`, but a large JPEG only as finely as a smaller copy of it needs.

    ``at_least_px`` is the side the copy will have. The JPEG decoder then skips work (to 1/2, 1/4 or
    1/8 of the size) as long as the shorter side keeps twice that many pixels. A 12-megapixel
    picture takes a third of the time. A crop of 224 from 256 then differs by 0.24 levels of 255 on
    average, by 0.52 in the worst of 24 pictures, and by 6 in the worst pixel. (Without the factor
    of two it would be 0.70, 2.3 and 28.)

    Raises:
        UnreadablePicture: as `decode`.
        PathNotFound: as `decode`.
    """
    if isinstance(picture, bytes) and (size := _plain_size(picture, max_pixels, at_least_px)):
        taken_bytes = BYTES_PER_PIXEL * size[0] * size[1]
        take(taken_bytes)
        if (plain := decode_plain(picture, size)) is not None:
            return Decoded(image=plain, extent=(0.0, 0.0, *size))
        take = partial(_check_taken, taken_bytes)  # Pillow tells what is wrong with it.
    image, extent = _decode_by_pillow(
        picture, name=name, max_pixels=max_pixels, at_least_px=at_least_px, take=take
    )
    return Decoded(image=image, extent=extent)


def _decode_by_pillow(
    picture: bytes | Path, *, name: str, max_pixels: int, at_least_px: int | None, take: Take
) -> tuple[Image, Box]:
    with _opened(picture, name=name) as file:
        head = file.read(HEAD_BYTES)
        file.seek(0)
        known = find_format(head)
        if known is None:
            raise UnreadablePicture(f"{name}: {describe_foreign(head)}.", name=name)
        expense = _check_expense(known, file, name=name)
        with _named(name, file) as begun, known.reader(file) as image:
            _check_pixels(image, name=name, max_pixels=max_pixels)
            whole_pixels = image.width * image.height
            extent = _drafted(image, at_least_px)
            take(_needed_bytes(image, whole_pixels if expense.is_whole else 0))
            begun.append("pixels")
            image.load()
            orientation = _orientation(image)
            rgb = as_rgb(image)
            if rgb is not image:
                image.close()  # It would be held while the other is turned.
            return turn_upright(rgb, extent, orientation)


def _check_taken(taken_bytes: int, size_bytes: int) -> None:
    """Refuse to decode what takes more memory than was asked for when its size was first read."""
    if size_bytes > taken_bytes:
        raise ValueError("it tells two sizes")


def _plain_size(data: bytes, max_pixels: int, at_least_px: int) -> tuple[int, int] | None:
    """Give width and height of a plain JPEG that is decoded whole; None for anything else."""
    size = find_plain(data)
    if size is None or not 0 < size[0] * size[1] <= max_pixels:
        return None
    return size if min(size) < 2 * OVERSAMPLING * at_least_px else None


@contextmanager
def _opened(picture: bytes | Path, *, name: str) -> Iterator[BinaryIO]:
    """Open the file, or the bytes like a file."""
    if isinstance(picture, bytes):
        yield BytesIO(picture)
        return
    with open_picture(picture, name=name) as file:
        yield file


@contextmanager
def _named(name: str, file: BinaryIO) -> Iterator[list[str]]:
    """Turn what Pillow raises on a damaged file into an error that names it.

    What is given is told what of the picture has begun to be read.
    """
    begun: list[str] = []
    try:
        yield begun
    except DecompressionBombError as error:  # only from WebP, whose reader asks Pillow's own limit
        raise UnreadablePicture(f"{name}: {error}", hint=FEWER_PIXELS, name=name) from error
    except UnknownRange as error:
        raise UnreadablePicture(
            f"{name}: {error} are black and white.",
            hint="Scale them to 0..255, and save it as grey or RGB of 8 bits.",
            name=name,
        ) from error
    except BROKEN as error:
        if str(error) == UNKNOWN_KIND:
            raise UnreadablePicture(
                f"{name}: its pixels are of a kind that is not read.",
                hint="Save it as grey or RGB of 8 bits, or as a PNG.",
                name=name,
            ) from error
        reason = str(error).strip() or type(error).__name__
        if reason in NOT_BEGUN:
            reason = "its header is not whole"
        if ENDS_EARLY.search(reason):
            size_bytes = file.seek(0, SEEK_END)
            where = "all its pixels are there" if begun else "its pixels begin"
            reason = f"it ends after {size_bytes} bytes, before {where}"
        raise UnreadablePicture(
            f"{name}: damaged or cut short ({reason}).",
            hint="Copy the file again from where it came, or leave it out.",
            name=name,
        ) from error


def _check_pixels(image: ImageFile, *, name: str, max_pixels: int) -> None:
    """Refuse a picture by its announced size, before memory is taken for it."""
    if not 0 < image.width * image.height <= max_pixels:
        raise UnreadablePicture(
            f"{name}: {image.width} x {image.height} pixels; 1 to {max_pixels} are taken.",
            hint=FEWER_PIXELS,
            name=name,
        )


def _check_expense(known: Format, file: BinaryIO, *, name: str) -> Expense:
    """Refuse a file that costs far more than its pixels, before anything reads it."""
    expense = known.estimate(file)
    file.seek(0)
    if expense.refusal:
        raise UnreadablePicture(
            f"{name}: {expense.refusal}.",
            hint="Open it in a program for pictures, and save it again.",
            name=name,
        )
    return expense


def _needed_bytes(image: ImageFile, whole_pixels: int) -> int:
    """Tell how much memory decoding takes at the most, at the size that was drafted."""
    per_pixel = LARGE_BYTES_PER_PIXEL if isinstance(image, LARGE_FORMS) else BYTES_PER_PIXEL
    kept = COEFFICIENT_BYTES * len(image.getbands()) * whole_pixels
    return per_pixel * image.width * image.height + kept


def _drafted(image: ImageFile, at_least_px: int | None) -> Box:
    """Choose how finely to decode, and tell where among the pixels the picture will lie."""
    drafted = None
    if at_least_px is not None and isinstance(image, JpegImageFile):
        least = OVERSAMPLING * at_least_px
        drafted = image.draft(None, (least, least))
    return (0.0, 0.0, *image.size) if drafted is None else drafted[1]


def _orientation(image: Image) -> object:
    """Read the EXIF orientation; a picture with damaged EXIF is still a picture."""
    if len(image.info.get("exif", b"")) > MOST_EXIF_BYTES:  # Pillow makes numbers of all of it.
        return None
    try:
        return image.getexif().get(EXIF_TAG)
    except BROKEN:
        return None
