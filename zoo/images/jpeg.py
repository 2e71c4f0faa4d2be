"""Plain JPEGs, decoded without what Pillow makes of every part of a file.

Most photographs are plain: one scan of three components in 8 bits. simplejpeg, which is
libjpeg-turbo as Pillow's reader is, decodes them to the same pixels in one call; beside a small
network the others cost a third of the decoding. What is not plain, or not sound, is left to Pillow,
and so is every refusal.
"""

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

START_OF_IMAGE = b"\xff\xd8"
MARKER, START_OF_FRAME, START_OF_SCAN = 0xFF, 0xC0, 0xDA
EXIF = 0xE1  # where it may be told how the camera was held
SIMPLE = frozenset({0xC4, 0xDB, 0xDD, 0xFE, *range(0xE0, 0xF0)}) - {EXIF}  # tables, or less
COMPONENTS, BITS = 3, 8
PART = 4  # bytes of a marker and of the length behind it
FRAME_PART = struct.Struct(">BHHB")  # of a frame: bits, height, width, components
FRAME = PART + FRAME_PART.size
MOST_PARTS = 64  # before the scan; usual are ten, and each runs Python


def find_plain(data: bytes) -> tuple[int, int] | None:
    """Give width and height of a plain JPEG; None for any other file.

    It has no EXIF, so it is upright.
    """
    if not data.startswith(START_OF_IMAGE):
        return None
    place, size, end = len(START_OF_IMAGE), None, len(data) - FRAME
    for _ in range(MOST_PARTS):
        if place > end or data[place] != MARKER:
            return None
        code = data[place + 1]
        if code == START_OF_SCAN:
            return size if data[place + PART] == COMPONENTS else None
        if code == START_OF_FRAME:
            bits, height, width, components = FRAME_PART.unpack_from(data, place + PART)
            if bits != BITS or components != COMPONENTS:
                return None
            size = width, height
        elif code not in SIMPLE:
            return None
        place += 2 + (data[place + 2] << 8 | data[place + 3])  # its length, the high byte first
    return None


def decode_plain(data: bytes, size: tuple[int, int]) -> "NDArray[np.uint8] | None":
    """Decode a plain JPEG of a width and height to RGBA, H x W x 4; None where it is not sound.

    A is 255 throughout. Memory is taken for the pixels alone, and nothing is written to it before.
    """
    # Commands that only look at pictures' names and sizes do without NumPy.
    import numpy as np  # noqa: PLC0415
    import simplejpeg  # noqa: PLC0415

    width, height = size
    pixels = np.empty((height, width, 4), np.uint8)
    try:
        decoded = simplejpeg.decode_jpeg(data, colorspace="RGBA", buffer=pixels, strict=True)
    except ValueError:
        return None
    return pixels if decoded.shape == pixels.shape else None  # Else it tells two sizes.
