"""Pictures that look alike: copies at another size, quality or format."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zoo.images.prepare import Pixels

SIDE = 16  # pixels of the small picture that stands for one
CORRELATION = 0.995
LEVELS = 4.0  # of 255; mean difference
FLAT = 1.0  # deviation below which nothing is on a picture
ROWS = 512  # compared at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Alike:
    """Two pictures, by number, one of each list."""

    first: int
    second: int


def shrink(picture: Pixels) -> NDArray[np.float32]:
    """Give the small grey picture that stands for one."""
    small = Image.fromarray(picture).convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(small, np.float32).reshape(-1)


def find_alike(
    first: Sequence[NDArray[np.float32]], second: Sequence[NDArray[np.float32]]
) -> list[Alike]:
    """Find the pairs whose small pictures are nearly the same: correlated and equally bright.

    Pictures on which nothing is are like none.
    """
    if not first or not second:
        return []
    one, other = np.stack(first), np.stack(second)
    units, far = _unit(one), _unit(other)
    found = []
    for start in range(0, len(one), ROWS):
        near = units[start : start + ROWS] @ far.T > CORRELATION
        for row, column in zip(*near.nonzero(), strict=True):
            difference = np.abs(one[start + row] - other[column]).mean()
            if difference < LEVELS:
                found.append(Alike(first=int(start + row), second=int(column)))
    return found


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    centred = rows - rows.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    is_flat = lengths < FLAT * SIDE
    units: NDArray[np.float32] = np.where(is_flat, 0, centred / np.maximum(lengths, 1e-6))
    return units
