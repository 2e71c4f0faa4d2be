"""What values the filters of a tensor hold, read a stretch at a time however large it is."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo.domain.filters import BINS, FilterStatistics, Numbers, Tensor

NEARLY_DEAD = 1e-6  # of the median filter's norm
DEAD_SHOWN = 16  # places of dead filters that are told


def describe_tensor(tensor: Tensor) -> FilterStatistics:
    """Describe a tensor whose first axis counts filters: O x I/groups x h x w, or out x in.

    The moments are central ones about the mean, taken in a second pass in float64: std is the root
    of m2, kurtosis m4 / m2^2 (Pearson's, 3 for a normal distribution; no correction for the size of
    the sample). A filter is dead where all its numbers are 0, or where its norm is below a
    millionth of the median norm of those that are not all 0: no picture makes its output vary.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is told as None
        tally = _count(tensor)
        moments = _measure(tensor, tally)
        dead = _find_dead(tally.squares) if tensor.count else []
    return FilterStatistics(
        name=tensor.name,
        layer=tensor.layer,
        kind=tensor.kind,
        shape=tensor.shape,
        count=tensor.count,
        fan_in=tensor.fan_in,
        least=tally.least if tally.finite else None,
        largest=tally.largest if tally.finite else None,
        mean=tally.mean,
        std=moments.std,
        kurtosis=moments.kurtosis,
        zeros=tally.zeros,
        nans=tally.nans,
        infinities=tally.infinities,
        dead=len(dead),
        first_dead=tuple(dead[:DEAD_SHOWN]),
        histogram=tuple(moments.histogram.tolist()) if moments.histogram.any() else (),
    )


@dataclass(slots=True, kw_only=True)
class _Tally:
    """What the first pass counts."""

    squares: Numbers  # of each filter, summed
    least: float = math.inf
    largest: float = -math.inf
    total: float = 0.0
    finite: int = 0
    zeros: int = 0
    nans: int = 0
    infinities: int = 0

    @property
    def mean(self) -> float | None:
        if not self.finite:
            return None
        # A sum of equal numbers may be rounded; their mean is not.
        return self.least if self.least == self.largest else _finite(self.total / self.finite)


@dataclass(slots=True, kw_only=True)
class _Moments:
    """What the second pass measures."""

    histogram: np.ndarray[Any, np.dtype[np.int64]]
    std: float | None = None
    kurtosis: float | None = None


def _count(tensor: Tensor) -> _Tally:
    tally = _Tally(squares=np.zeros(tensor.shape[0] if tensor.shape else 1))
    for filters, stretch in tensor.list_stretches():
        numbers = tensor.read(stretch)
        by_filter = numbers.reshape(filters.stop - filters.start, -1)
        tally.squares[filters] += np.einsum("ij,ij->i", by_filter, by_filter)
        tally.zeros += numbers.size - int(np.count_nonzero(numbers))
        finite = _only_finite(numbers)
        if finite.size < numbers.size:
            nans = int(np.isnan(numbers).sum())
            tally.nans += nans
            tally.infinities += numbers.size - finite.size - nans
        if finite.size:
            tally.finite += finite.size
            tally.least = min(tally.least, float(finite.min()))
            tally.largest = max(tally.largest, float(finite.max()))
            tally.total += float(finite.sum())
    return tally


def _measure(tensor: Tensor, tally: _Tally) -> _Moments:
    moments = _Moments(histogram=np.zeros(BINS, np.int64))
    mean, extent = tally.mean, tally.largest - tally.least
    if mean is None or not math.isfinite(extent):
        return moments
    if extent == 0:
        moments.std = 0.0
        return moments
    second = fourth = 0.0
    for _, stretch in tensor.list_stretches():
        numbers = _only_finite(tensor.read(stretch))
        bins = ((numbers - tally.least) / extent * BINS).astype(np.int64)
        moments.histogram += np.bincount(np.minimum(bins, BINS - 1, out=bins), minlength=BINS)
        numbers -= mean
        numbers *= numbers
        second += float(numbers.sum())
        fourth += float(numbers @ numbers)
    variance = second / tally.finite
    moments.std = _finite(math.sqrt(variance))
    if variance:
        moments.kurtosis = _finite(fourth / tally.finite / variance**2)
    return moments


def _only_finite(numbers: Numbers) -> Numbers:
    """Give the finite ones; the same array where all are."""
    is_finite = np.isfinite(numbers)
    return numbers if is_finite.all() else numbers[is_finite]


def _find_dead(squares: Numbers) -> list[int]:
    """List the dead filters by the sums of their squares."""
    alive = squares[np.isfinite(squares) & (squares > 0)]
    least = np.median(np.sqrt(alive)) * NEARLY_DEAD if alive.size else 0.0
    found: list[int] = np.flatnonzero((squares == 0) | (np.sqrt(squares) < least)).tolist()
    return found


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
