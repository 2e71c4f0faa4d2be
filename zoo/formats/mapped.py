"""Files as memory: mapped, read from disk where they are touched, never copied whole."""

import math
import mmap
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zoo.domain.weights import Array
from zoo.errors import MalformedCheckpoint, UnknownFormat

LFS_POINTER = b"version https://git-lfs"
TEXT = frozenset(b"\t\n\r" + bytes(range(32, 127)))  # ASCII
HEAD_BYTES = 256
MOST_AXES = 32  # numpy takes 64, no network has ten
LARGEST = 2**63 - 1  # what numpy can count


def map_file(path: Path, *, name: str = "") -> memoryview:
    """Map a file into memory; the map closes itself with the last array that views it.

    ``name`` is what errors call the file, where it lies under another one.

    Raises:
        MalformedCheckpoint: the file is empty.
        UnknownFormat: the file is a git-LFS pointer, or text.
    """
    name = name or path.name
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        if not head:
            raise MalformedCheckpoint(
                f"{name} is empty: byte 0: the file ends.", file=name, offset=0
            )
        refuse_text(head, name=name)
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def refuse_text(head: bytes, *, name: str) -> None:
    """Refuse a file that begins as text does: a pointer to the weights, or a web page.

    Raises:
        UnknownFormat: it is a git-LFS pointer, or text.
    """
    if head.startswith(LFS_POINTER):
        raise UnknownFormat(
            f"{name} is a git-LFS pointer, not the weights themselves.",
            hint="Run `git lfs pull` where the file comes from, or download it from its page.",
            file=name,
            offset=0,
        )
    if TEXT.issuperset(head) and head.strip():
        start = head.decode("ascii").split("\n", 1)[0][:40]
        raise UnknownFormat(
            f"{name} is text, not weights; it begins {start!r}.",
            hint="A page that asks for a login is often saved in place of a file; fetch it again.",
            file=name,
        )


def can_be_shape(shape: Sequence[object], itemsize: int) -> bool:
    """Tell whether these are sizes of axes, few and small enough for numpy to count."""
    if len(shape) > MOST_AXES:
        return False
    dims = [dim for dim in shape if type(dim) is int and 0 <= dim <= LARGEST]
    return len(dims) == len(shape) and math.prod(map(max, dims, [1] * len(dims))) <= (
        LARGEST // itemsize
    )


def view_array(
    octets: memoryview,
    *,
    dtype: np.dtype[np.generic],
    start: int,
    shape: Sequence[int],
    strides: Sequence[int] | None = None,
) -> Array:
    """View numbers in the file; ``strides`` are bytes. The caller has checked that all lie within.

    Arrays without a number are empty ones of their own: their place may be behind the end.
    """
    if 0 in shape:
        return np.empty(tuple(shape), dtype)
    return np.ndarray(tuple(shape), dtype, octets, offset=start, strides=strides)
