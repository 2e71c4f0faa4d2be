"""How Pillow keeps an image in memory, held against what cykooz-resizer reads of it.

Pillow promises nothing about that, and changed it in release 12. Elsewhere the resizer would read
and write through pointers that are none. So the first images of a process are looked at: only sizes
and addresses that lie side by side, and pixels after those are found to be right.
"""

import ctypes
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image

from zoo.errors import ZooError

SIZE, COLOUR = (5, 3), (1, 2, 3)
FIRST_NUMBERED = 12  # the release of Pillow that began to keep modes as numbers, no longer as text
TEXT_BYTES = 7
CAPSULE = b"Pillow Imaging"

_get_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)


class Lent:
    """An array as the resizer reads and writes it: all that it asks of an image, and no more.

    An image of Pillow's over an array takes forty calls to be made, which beside a small network
    cost as much as resizing it.
    """

    __slots__ = ("_image", "pixels", "size")
    mode = "RGBA"

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        """Take pixels of H x W x 4, one behind the other."""
        height, width, _ = pixels.shape
        self.pixels, self.size = pixels, (width, height)
        made: Any = Image.core.map_buffer(  # type: ignore[attr-defined]  # not meant for others
            pixels, self.size, "raw", 0, ("RGBA", 0, 1)
        )
        self._image = made

    def load(self) -> None:
        """Do nothing: the pixels are here."""

    def getim(self) -> object:
        """Give the pointer to what Pillow knows of an image."""
        return self._image.ptr


@cache
def check_memory() -> None:
    """Make sure that images lie in memory as the resizer takes them to; once in each process.

    Raises:
        ZooError: they do not.
    """
    if not (_is_known(Image.new("RGB", SIZE, COLOUR)) and _is_lent()):
        raise ZooError(
            f"Pillow {PIL.__version__} keeps pixels in a way that cykooz-resizer"
            f" {version('cykooz-resizer')} does not know.",
            hint="Install releases that zoo was tried with: pip install --upgrade zoo",
        )


def _is_lent() -> bool:
    width, height = SIZE
    try:
        lent = Lent(np.full((height, width, 4), (*COLOUR, 255), np.uint8))
    except (AttributeError, TypeError, ValueError):
        return False
    return _is_known(lent)


def _is_known(image: Image.Image | Lent) -> bool:
    head = _head().from_address(_get_pointer(image.getim(), CAPSULE))
    sizes = head.bands, head.width, head.height
    if sizes != (len(image.mode), *SIZE) or head.rows_of_8 is not None:
        return False
    if head.rows_of_32 is None or head.rows_of_32 != head.rows:
        return False
    row = ctypes.c_void_p.from_address(head.rows_of_32).value
    return row is not None and tuple((ctypes.c_uint8 * 3).from_address(row)) == COLOUR


def _head() -> type[ctypes.Structure]:
    """Give the beginning of Pillow's ``ImagingMemoryInstance``, as the resizer takes it to be."""
    release = int(PIL.__version__.partition(".")[0])
    mode = ctypes.c_int if release >= FIRST_NUMBERED else ctypes.c_char * TEXT_BYTES

    class Head(ctypes.Structure):
        _fields_ = (
            ("mode", mode),
            ("type", ctypes.c_int),
            ("depth", ctypes.c_int),
            ("bands", ctypes.c_int),
            ("width", ctypes.c_int),
            ("height", ctypes.c_int),
            ("palette", ctypes.c_void_p),
            ("rows_of_8", ctypes.c_void_p),
            ("rows_of_32", ctypes.c_void_p),
            ("rows", ctypes.c_void_p),
        )

    return Head
