"""Resizing: the one place where pixels between pixels are found for networks.

cykooz-resizer does it, the Python side of the Rust crate fast_image_resize: the same antialiased
convolution as Pillow's, in less than half of its time, on memory as Pillow lays it out and beside
other threads.

Both sides are resized one after the other, in two calls. That is as Pillow does it, and it has to
be: one call for both reads memory that is not its own (as of release 4.0.1) where a cubic filter
enlarges and the first or the last pixel of the result lies on one of the picture.

Over 60 photographs at three sizes the result was 0.006 levels of 255 from Pillow's on average (0.16
in the worst, where Pillow takes the height first; bicubic 0.002 and 0.19) and 1 at the most.
Without rounding the same convolution is 0.21 from either, most of it the last rounding. Of noise,
where Pillow takes the other side first, it is 2 at the most, and bicubic up to some 25: what lies
between is cut off at black and white there.
"""

from functools import cache
from hashlib import blake2b
from math import ceil, floor

import numpy as np
from cykooz_resizer import Algorithm, FilterType
from cykooz_resizer.rust_lib import PilImageWrapper, RustResizeOptions, RustResizer
from numpy.typing import NDArray
from PIL import Image

from zoo.domain.preprocessing import Interpolation
from zoo.images.memory import Lent, check_memory
from zoo.images.orientation import Box

FILTERS = {
    Interpolation.BILINEAR: FilterType.bilinear,
    Interpolation.BICUBIC: FilterType.catmull_rom,
}
# The library's classes around these look at every mode of an image, and are a tenth of the cost.
OPTIONS = {
    interpolation: RustResizeOptions()
    .set_resize_alg(Algorithm.convolution.value, filter_.value, 0)
    .set_use_alpha(False)
    for interpolation, filter_ in FILTERS.items()
}
REACH = {Interpolation.BILINEAR: 1, Interpolation.BICUBIC: 2}  # pixels, where nothing shrinks


Picture = Image.Image | NDArray[np.uint8]
"""An image in RGB, or in RGBA whose A is not looked at; or H x W x 4 pixels of the latter."""


def size_of(picture: Picture) -> tuple[int, int]:
    """Give the width and height of a picture."""
    if isinstance(picture, Image.Image):
        return picture.size
    height, width, _ = picture.shape
    return width, height


def resize(
    picture: Picture,
    size_px: tuple[int, int],
    interpolation: Interpolation,
    *,
    box: Box | None = None,
) -> NDArray[np.uint8]:
    """Resize a part of a picture to a height and width: H x W x 3, antialiased.

    Each side is a convolution with a triangle (bilinear) or with Keys' cubic of a = -1/2
    (bicubic), stretched where the side shrinks and rounded to whole levels. A part of the size
    asked for that begins on whole pixels comes through bit-identical. Memory beside the picture is
    four bytes for each of its pixels, or of the result's where those are more.

    Args:
        picture: what is resized.
        size_px: height and width of the result.
        interpolation: how pixels between pixels are found.
        box: the part; all of the picture, unless told. What lies beyond its right and lower edge is
            left out: floating point may have rounded up.

    Raises:
        ValueError: the box begins outside the picture, or holds nothing of it.
        ZooError: this release of Pillow is not known to the resizer.
    """
    whole_width, whole_height = size_of(picture)
    left, top, right, bottom = box or (0.0, 0.0, float(whole_width), float(whole_height))
    right, bottom = min(right, whole_width), min(bottom, whole_height)
    if not (0 <= left < right and 0 <= top < bottom):
        raise ValueError(
            f"The box {box} holds nothing of the picture of {whole_width} x {whole_height}."
        )
    height, width = size_px
    first_column, end_column = _needed(left, right, whole_width, width, interpolation)
    first_row, end_row = _needed(top, bottom, whole_height, height, interpolation)
    check_memory()
    given: Lent | Image.Image = picture if isinstance(picture, Image.Image) else Lent(picture)
    if width > right - left and height < bottom - top:
        # The width first would stretch rows that are then joined: of a picture of one column
        # hundreds of times its memory.
        given = _run(
            given,
            (height, end_column - first_column),
            interpolation,
            (first_column, top, end_column, bottom),
        )
        left, top, right, bottom = left - first_column, 0.0, right - first_column, float(height)
    else:
        given = _run(
            given, (end_row - first_row, width), interpolation, (left, first_row, right, end_row)
        )
        left, top, right, bottom = 0.0, top - first_row, float(width), bottom - first_row
    return _without_a(_run(given, size_px, interpolation, (left, top, right, bottom)).pixels)


@cache
def pixels_key() -> str:
    """Name the pixels that networks are shown here, for what is kept of them.

    It is a digest of one picture, resized in every way: another release of the resizer that gives
    other pixels has another name.
    """
    numbers = np.arange(40 * 56 * 3, dtype=np.uint64) * np.uint64(2654435761) >> np.uint64(16)
    image = Image.fromarray((numbers % np.uint64(256)).astype(np.uint8).reshape(40, 56, 3))
    digest = blake2b(digest_size=8)
    for interpolation in Interpolation:
        for size_px in ((17, 23), (61, 90), (17, 90), (61, 23)):
            shown = resize(image, size_px, interpolation, box=(1.3, 2.6, 55.0, 39.5))
            digest.update(shown.tobytes())
    return digest.hexdigest()


def _needed(
    begin: float, end: float, side: int, resized: int, interpolation: Interpolation
) -> tuple[int, int]:
    """Give the whole pixels of a side that a part of it is computed from."""
    reach = REACH[interpolation] * max((end - begin) / resized, 1)
    return max(floor(begin - reach), 0), min(ceil(end + reach), side)


def _run(
    given: Lent | Image.Image, size_px: tuple[int, int], interpolation: Interpolation, box: Box
) -> Lent:
    """Resize one side of a part of a picture; the other is whole and stays as it is."""
    left, top, right, bottom = box
    resized = Lent(np.empty((*size_px, 4), np.uint8))  # A new image would be zeros first.
    options = OPTIONS[interpolation].set_crop_box(left, top, right - left, bottom - top)
    # A resizer is for one thread and holds memory while it lives; making one costs nothing.
    RustResizer().resize_pil(PilImageWrapper(given), PilImageWrapper(resized), options)
    return resized


def _without_a(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Give H x W x 3 of H x W x 4, from the first to the last.

    Pixels are written as the words of four bytes that they are, three bytes apart, so that each
    begins on the A of the one before; what that spoils, in whatever order they are written, is R.
    It takes a tenth of the time that copying three bytes of each does.
    """
    height, width, _ = pixels.shape
    words = pixels.view(np.uint32).reshape(-1)
    written = np.empty(3 * len(words) + 1, np.uint8)
    np.ndarray(words.shape, np.uint32, written, strides=(3,))[...] = words
    written[:-1:3] = pixels[:, :, 0].reshape(-1)
    return written[:-1].reshape(height, width, 3)
