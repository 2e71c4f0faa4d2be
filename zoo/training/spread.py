"""How far codes spread: what they are divided by before a head reads them."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Kind = TypeVar("Kind", np.float32, np.float64)
FEWEST_AWAKE, LEAST_SHARE_AWAKE = 3, 0.01  # pictures, of all pictures


def spread_of(codes: NDArray[Kind]) -> NDArray[Kind]:
    """Give what each of N x D codes is divided by: its standard deviation, on whatever scale it is.

    A unit that hardly any picture woke (fewer than 3, or 1 in 100) does not tell how far it moves.
    Divided by next to nothing, the first picture that does wake it would outweigh all else; so it
    is divided by no less than the median deviation of the others. A code that never changes and
    has no others is left as it is.
    """
    deviation: NDArray[Kind] = codes.std(axis=0)
    awake = np.count_nonzero(codes != codes.min(axis=0), axis=0)
    is_known = awake >= max(FEWEST_AWAKE, LEAST_SHARE_AWAKE * len(codes))
    usual = np.median(deviation[is_known]) if is_known.any() else np.ones((), deviation.dtype)
    spread: NDArray[Kind] = np.where(is_known, deviation, np.maximum(deviation, usual))
    return spread
