"""What values filters hold, and how far they moved."""

from typing import Self

from pydantic import Field

from zoo.domain.filters import KernelStatistics, Match, Scaling
from zoo.operations.filters import FilterReport
from zoo.operations.kernels import Shows
from zoo.web.shapes.base import WITHOUT_NUL, Shape


class FiltersQuery(Shape):
    """What to compare with."""

    against: str | None = Field(
        default=None,
        pattern=WITHOUT_NUL,
        description="a model, by name, ref or revision, or the word parent",
    )


class PictureQuery(Shape):
    """How filters are drawn."""

    scaling: Scaling = Field(
        default=Scaling.SHARED,
        description="shared: colours mean the same in all filters; own: each has all colours",
    )
    legend: bool = Field(default=True, description="whether a strip below tells what is shown")
    kernel: int | None = Field(default=None, ge=0, le=2**31, description="one filter, enlarged")
    shows: Shows = Field(
        default=Shows.PLANES, description="of one filter: its channels, or its gain for waves"
    )


class KernelAnswer(Shape):
    """The numbers of one filter; null where there is no finite number to say."""

    layer: str
    index: int
    filters: int = Field(description="of the layer")
    shape: list[int] = Field(description="channels first")
    min: float | None
    max: float | None
    mean: float | None
    std: float | None
    norm: float | None = Field(description="root of the sum of squares")
    planes: list[list[list[float | None]]] = Field(description="channels, rows, columns")
    is_whole: bool = Field(description="false where so many numbers are not told one by one")

    @classmethod
    def of(cls, kernel: KernelStatistics) -> Self:
        """Show a filter."""
        return cls.model_validate(kernel.as_json())


class FilterAnswer(Shape):
    """The numbers of a layer's filters; null where there is no finite number to say."""

    name: str = Field(description="of the tensor")
    layer: str
    kind: str = Field(description="of number, as stored")
    shape: list[int] = Field(description="filters first, then what each reads")
    count: int
    fan_in: int = Field(description="numbers of one filter")
    min: float | None
    max: float | None
    mean: float | None
    std: float | None
    kurtosis: float | None = Field(description="3 for a normal distribution")
    zeros: int = Field(description="numbers that are exactly 0")
    zero_share: float
    nans: int = Field(description="left out of all the rest, as infinities are")
    infinities: int
    dead: int = Field(description="filters of 0, or below a millionth of the median norm")
    first_dead: list[int] = Field(description="places of the first of them")
    histogram: list[int] = Field(description="64 even bins from min to max")
    inverse_bound: float | None = Field(description="1 / fan_in")
    inverse_root_bound: float | None = Field(description="1 / sqrt(fan_in)")
    he_std: float | None = Field(description="sqrt(2 / fan_in)")
    bound_ratio: float | None = Field(description="the largest magnitude over 1 / fan_in")
    he_ratio: float | None = Field(description="std over He's")


class OtherTensorAnswer(Shape):
    """A tensor that is no filters: a bias, a statistic."""

    name: str
    kind: str
    shape: list[int]


class MovedFilterAnswer(Shape):
    """How far one filter moved."""

    index: int
    change: float | None = Field(description="over its norm before; null where it was 0")


class DriftAnswer(Shape):
    """How far a tensor moved from that of the same name."""

    name: str
    layer: str
    shape: list[int]
    match: Match = Field(description="what it is in the other model")
    is_unchanged: bool = Field(description="to the bit")
    change: float | None = Field(description="norm of the difference over the norm before")
    cosine: float | None
    changed_share: float | None = Field(description="of the numbers")
    moved: list[MovedFilterAnswer] = Field(description="the filters that moved most")
    least_shift: float | None = Field(description="of the differences, number by number")
    largest_shift: float | None
    shifts: list[int] = Field(description="64 even bins from the least to the largest difference")


class FiltersAnswer(Shape):
    """What the filters of a revision hold, in the order of its network."""

    model: str
    digest: str = Field(description="sha256 of its model.safetensors")
    first: str | None = Field(description="the layer that reads the picture")
    layers: list[FilterAnswer]
    others: list[OtherTensorAnswer]
    against: str | None
    drift: list[DriftAnswer] | None = Field(description="of every tensor; null without against")

    @classmethod
    def of(cls, report: FilterReport) -> Self:
        """Show a report."""
        return cls.model_validate(report.as_json())
