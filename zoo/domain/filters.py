"""What filters hold: their numbers, read a stretch at a time, and what is said of them."""

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from zoo.domain.reading import read_list, read_number, read_object, read_text
from zoo.domain.weights import Array

BINS = 64
STRETCH = 2**18  # numbers read at once: their squares stay in a processor's cache
FILTER_AXES = {2, 4, 5}  # fully connected; convolutions over a plane or a volume
LINE = 3  # axes of a convolution over a line
MOST = 2**63 - 1  # of what is counted

Numbers = NDArray[np.float64]


class Scaling(StrEnum):
    """Which numbers have the strongest colours of a picture."""

    SHARED = "shared"  # the largest of all that are shown, so that filters can be compared
    OWN = "own"  # the largest of each filter, so that weak ones are seen too


class Match(StrEnum):
    """What a tensor is in the model that it is compared with."""

    SAME = "same"  # of the same shape
    RESHAPED = "reshaped"  # as many numbers in another shape; compared in their order
    RESIZED = "resized"  # of another size, so not compared
    NEW = "new"  # not there
    GONE = "gone"  # there, but not here


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """A tensor whose numbers are read a stretch at a time, however large it is."""

    name: str
    kind: str  # of number, as it lies in the file: float32, bfloat16
    shape: tuple[int, ...]
    stored: Array  # flat, row by row
    convert: Callable[[Array], Array] | None = None  # where numpy lacks the kind
    is_float: bool = True

    @property
    def layer(self) -> str:
        """The layer the tensor belongs to, where it is the layer's weight."""
        return self.name.removesuffix(".weight")

    @property
    def owner(self) -> str:
        """The layer whose tensor it is: its weight, its bias, its statistics."""
        return self.name.rpartition(".")[0] or self.name

    @property
    def has_filters(self) -> bool:
        """Whether it is a layer's filters: no bias, no statistics, no table of places.

        Three axes have the weights of convolutions along a line, and tokens, tables and mean
        pictures, which are not called a weight.
        """
        axes = len(self.shape)
        return self.is_float and (axes in FILTER_AXES or (axes == LINE and self.layer != self.name))

    @property
    def count(self) -> int:
        """How many numbers there are."""
        return math.prod(self.shape)

    @property
    def fan_in(self) -> int:
        """How many numbers one filter has."""
        return math.prod(self.shape[1:])

    def read(self, stretch: slice) -> Numbers:
        """Give the numbers of a stretch, row by row, exactly."""
        part = self.stored[stretch]
        return (self.convert(part) if self.convert else part).astype(np.float64)

    def read_bits(self, stretch: slice) -> Array:
        """Give the same numbers as they are stored: unsigned integers of their bits."""
        part = self.stored[stretch]
        return part.view(f"u{part.dtype.itemsize}")

    def list_stretches(self) -> Iterator[tuple[slice, slice]]:
        """Cut the tensor into stretches: whole filters, or parts of one that is longer.

        Of each, the filters and the numbers that it holds are given: as many of each filter.
        """
        filters = self.shape[0] if self.shape else 1
        length = self.fan_in
        if not filters or not length:
            return
        several, part = max(STRETCH // length, 1), min(STRETCH, length)
        for first in range(0, filters, several):
            last = min(first + several, filters)
            for start in range(first * length, last * length, several * part):
                stop = min(start + several * part, last * length)
                yield slice(first, last), slice(start, stop)


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherTensor:
    """A tensor that is no filters, without its numbers: a bias, a statistic."""

    name: str
    kind: str  # of number, as it lies in the file
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterStatistics:
    """The numbers of a layer's filters, a filter being all that one output reads with.

    What cannot be said is None: of a tensor without a finite number nearly all, of a constant one
    the kurtosis. NaN and infinities are counted, and left out of everything else.
    """

    name: str  # of the tensor: ``conv1.weight``
    layer: str  # ``conv1``
    kind: str  # of number: float32, bfloat16
    shape: tuple[int, ...]  # filters first, then what each reads
    count: int
    fan_in: int  # numbers of one filter
    least: float | None
    largest: float | None
    mean: float | None
    std: float | None  # of all numbers, divided by their count
    kurtosis: float | None  # Pearson's: 3 for a normal distribution, more for heavy tails
    zeros: int  # numbers that are exactly 0
    nans: int
    infinities: int
    dead: int  # filters that are 0, or nearly against the layer's median filter
    first_dead: tuple[int, ...]  # of them the first ones' places
    histogram: tuple[int, ...]  # 64 even bins from least to largest; none where these are one

    @property
    def extent(self) -> float | None:
        """The largest magnitude."""
        if self.least is None or self.largest is None:
            return None
        return max(-self.least, self.largest)

    @property
    def zero_share(self) -> float:
        """How much of the tensor is exactly 0."""
        return self.zeros / self.count if self.count else 0.0

    @property
    def inverse_bound(self) -> float | None:
        """1 / fan_in: the bound of a uniform beginning as tutorials of LeNet tell it."""
        return 1 / self.fan_in if self.fan_in else None

    @property
    def inverse_root_bound(self) -> float | None:
        """1 / sqrt(fan_in): the bound of torch's uniform beginning."""
        return 1 / math.sqrt(self.fan_in) if self.fan_in else None

    @property
    def he_std(self) -> float | None:
        """sqrt(2 / fan_in): what keeps activations alike through ReLU (He 2015, equation 10)."""
        return math.sqrt(2 / self.fan_in) if self.fan_in else None

    @property
    def bound_ratio(self) -> float | None:
        """The largest magnitude in 1 / fan_in; some 100 in the first layer of a trained network."""
        return None if self.extent is None else self.extent * self.fan_in

    @property
    def he_ratio(self) -> float | None:
        """The spread in that of a beginning by He."""
        return None if self.std is None or not self.he_std else self.std / self.he_std

    def as_json(self) -> dict[str, Any]:
        """Write it down, with what follows from it for those who read it."""
        return {
            "name": self.name,
            "layer": self.layer,
            "kind": self.kind,
            "shape": list(self.shape),
            "count": self.count,
            "fan_in": self.fan_in,
            "min": self.least,
            "max": self.largest,
            "mean": self.mean,
            "std": self.std,
            "kurtosis": self.kurtosis,
            "zeros": self.zeros,
            "zero_share": self.zero_share,
            "nans": self.nans,
            "infinities": self.infinities,
            "dead": self.dead,
            "first_dead": list(self.first_dead),
            "histogram": list(self.histogram),
            "inverse_bound": self.inverse_bound,
            "inverse_root_bound": self.inverse_root_bound,
            "he_std": self.he_std,
            "bound_ratio": self.bound_ratio,
            "he_ratio": self.he_ratio,
        }

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read what ``as_json`` wrote.

        Raises:
            ValueError: a value is of another kind, or out of range.
            KeyError: one is missing.
        """
        data = read_object(value, "statistics")
        counts = {
            name: _read_count(data[name], name)
            for name in ("count", "fan_in", "zeros", "nans", "infinities", "dead")
        }
        return cls(
            **counts,
            name=read_text(data["name"], "name"),
            layer=read_text(data["layer"], "layer"),
            kind=read_text(data["kind"], "kind"),
            shape=_read_counts(data["shape"], "shape"),
            least=_read_finite(data["min"], "min"),
            largest=_read_finite(data["max"], "max"),
            mean=_read_finite(data["mean"], "mean"),
            std=_read_finite(data["std"], "std"),
            kurtosis=_read_finite(data["kurtosis"], "kurtosis"),
            first_dead=_read_counts(data["first_dead"], "first_dead"),
            histogram=_read_counts(data["histogram"], "histogram"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedFilter:
    """How far one filter has moved."""

    index: int
    change: float | None  # relative to its norm before; None: it was 0, or is not finite


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How far a layer's tensor has moved from that of the same name in another model.

    ``change`` is ||w - p|| / ||p||, ``cosine`` that of the angle between w and p: 0 and 1 where not
    a bit has changed; None where a norm is 0, a number is not finite, or nothing is compared.
    """

    name: str
    layer: str
    shape: tuple[int, ...]
    match: Match
    is_unchanged: bool = False  # to the bit: -0 is not 0 here
    change: float | None = None
    cosine: float | None = None
    changed_share: float | None = None  # of the numbers, whose bits are others
    moved: tuple[MovedFilter, ...] = ()  # the filters that moved most
    # Of w - p, number by number; what is not finite is left out.
    least_shift: float | None = None
    largest_shift: float | None = None
    shifts: tuple[int, ...] = ()  # 64 even bins from least to largest; none where these are one

    def as_json(self) -> dict[str, Any]:
        """Write it down."""
        return asdict(self) | {"shape": list(self.shape), "match": self.match.value}

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read what ``as_json`` wrote.

        Raises:
            ValueError: a value is of another kind, or out of range.
            KeyError: one is missing.
        """
        data = read_object(value, "drift")
        numbers = {
            name: _read_finite(data[name], name)
            for name in ("change", "cosine", "changed_share", "least_shift", "largest_shift")
        }
        moved = (read_object(one, "moved") for one in read_list(data["moved"], "moved"))
        return cls(
            **numbers,
            name=read_text(data["name"], "name"),
            layer=read_text(data["layer"], "layer"),
            shape=_read_counts(data["shape"], "shape"),
            match=Match(data["match"]),
            is_unchanged=data["is_unchanged"] is True,
            moved=tuple(
                MovedFilter(
                    index=_read_count(one["index"], "index"),
                    change=_read_finite(one["change"], "change"),
                )
                for one in moved
            ),
            shifts=_read_counts(data["shifts"], "shifts"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelStatistics:
    """The numbers of one filter; None where there is no finite one to say."""

    layer: str
    index: int
    filters: int  # of the layer
    shape: tuple[int, ...]  # channels first
    least: float | None
    largest: float | None
    mean: float | None
    std: float | None
    norm: float | None
    planes: tuple[tuple[tuple[float | None, ...], ...], ...]  # channels, rows, columns
    is_whole: bool  # False where so many numbers are not told one by one

    def as_json(self) -> dict[str, Any]:
        """Write it down."""
        return {
            "layer": self.layer,
            "index": self.index,
            "filters": self.filters,
            "shape": list(self.shape),
            "min": self.least,
            "max": self.largest,
            "mean": self.mean,
            "std": self.std,
            "norm": self.norm,
            "planes": self.planes,
            "is_whole": self.is_whole,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where the filters of a picture lie, in its pixels."""

    size_px: tuple[int, int]  # height, width
    tiles: tuple[tuple[int, int, int, int], ...]  # of each filter: left, top, width, height
    told: str  # what is shown, in words
    ends: str  # what the strongest colours stand for, in words
    is_coloured: bool = False  # in the colours of a picture, grey being 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Portrait:
    """A picture of filters, and what of them it shows."""

    pixels: NDArray[np.uint8]  # H x W x 3
    told: str  # in words


def _read_counts(value: object, name: str) -> tuple[int, ...]:
    return tuple(_read_count(one, name) for one in read_list(value, name))


def _read_count(value: object, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST:
        raise ValueError(f"{name} should count something, not be {str(value)[:60]}")
    return value


def _read_finite(value: object, name: str) -> float | None:
    return None if value is None else float(read_number(value, name))
