"""Searching models: what they are found by, which are wanted, and how many there are of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from zoo.domain.revision import Model

LONGEST_VALUE = 200  # letters
MOST_VALUES = 100  # of one facet of one revision


class Runs(StrEnum):
    """What can be done with a revision."""

    CLASSIFIER = "classifier"  # reads one picture, gives one row of scores
    DENSE = "dense"  # reads a picture of any size, gives a map of scores
    NETWORK = "network"  # runs, but reads or gives something else
    STORED = "stored"  # kept, shown and downloaded; nothing here runs it


class Facet(StrEnum):
    """What models are counted and filtered by."""

    OWNER = "owner"
    ARCHITECTURE = "architecture"
    SOURCE = "source"  # what it came from: caffe, torchvision, onnx-graph ...
    RUNS = "runs"
    LICENCE = "licence"
    DATASET = "dataset"  # the name of one it was trained on
    STRATEGY = "strategy"  # of the fine-tune that made it
    TAG = "tag"  # of its card, with the card's task and library


class Size(StrEnum):
    """Numbers that models are filtered by from and to, and counted by in steps of ten."""

    CLASSES = "classes"
    PARAMETERS = "parameters"


ALL_OF = {Facet.TAG}  # Several values of these are all wanted; of the others any is.


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What a revision is found by; its owner is in the model's name."""

    values: Mapping[Facet, tuple[str, ...]] = field(default_factory=dict)
    sizes: Mapping[Size, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Write them down with plain JSON types."""
        values = {facet.value: list(found) for facet, found in self.values.items() if found}
        return values | {size.value: number for size, number in self.sizes.items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what ``as_json`` wrote."""
        return cls(
            values={facet: tuple(data[facet.value]) for facet in Facet if facet.value in data},
            sizes={size: data[size.value] for size in Size if size.value in data},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelWish:
    """Which models are wanted: those that all of this is true of."""

    search: str = ""  # in the name, in small letters or capital
    owner: str | None = None
    values: Mapping[Facet, tuple[str, ...]] = field(default_factory=dict)
    least: Mapping[Size, int] = field(default_factory=dict)
    most: Mapping[Size, int] = field(default_factory=dict)

    @property
    def is_any(self) -> bool:
        """Tell whether every model is wanted."""
        return not self.search and self.owner is None and not self.is_by_traits

    @property
    def is_by_traits(self) -> bool:
        """Tell whether more is asked for than the name tells."""
        return any(self.values.values()) or bool(self.least) or bool(self.most)


ANY = ModelWish()


@dataclass(frozen=True, slots=True, kw_only=True)
class FacetCount:
    """How many of the models that were found have a value."""

    value: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FacetCounts:
    """The values of one facet among the models that were found."""

    facet: str
    values: tuple[FacetCount, ...]  # the most frequent first, sizes from small to large
    different: int  # how many values there are, those that are left out too


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A page of the models that were found, and what all of them have."""

    models: tuple[Model, ...]
    next: str | None  # what the next page begins after
    total: int
    facets: tuple[FacetCounts, ...] = ()
