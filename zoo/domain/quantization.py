"""A graph that computes with fewer bits: which, how it is tried, and what it may cost."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

GATE_POINTS = 0.5  # of accuracy, that fewer bits may cost
PICTURES = 128  # that ranges are measured on
MOST_PICTURES = 4096
PER_CENT = 100


class Precision(StrEnum):
    """What a graph computes with; its revision stands under this ref."""

    INT8 = "int8"  # for CPUs: values of 8 bits, weights of 7 that cannot overflow anywhere
    FP16 = "fp16"  # for GPUs: floating point of 16 bits


class Method(StrEnum):
    """How the range of a value that 8 bits are laid over follows from pictures."""

    MINMAX = "minmax"  # the smallest and the largest number of all pictures
    PERCENTILE = "percentile"  # all but the outermost of a picture, averaged over pictures


class Kept(StrEnum):
    """Which weighted layers go on computing with 32 bits."""

    NONE = "none"
    LAST = "last"  # a head on standardised codes has weights of very different sizes
    BOTH_ENDS = "first and last"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One way to lay 8 bits over a network."""

    method: Method
    kept: Kept

    def __str__(self) -> str:
        """Say it."""
        kept = "" if self.kept is Kept.NONE else f", {self.kept.value} layer as it was"
        return f"{self.method.value} ranges{kept}"

    def as_json(self) -> dict[str, Any]:
        """Write it down with plain JSON types."""
        return {key: value.value for key, value in asdict(self).items()}


# What is tried, in this order, until one stays within the gate: the cheapest to compute first.
SETTINGS = (
    Setting(method=Method.MINMAX, kept=Kept.NONE),
    Setting(method=Method.PERCENTILE, kept=Kept.NONE),
    Setting(method=Method.MINMAX, kept=Kept.LAST),
    Setting(method=Method.PERCENTILE, kept=Kept.LAST),
    Setting(method=Method.PERCENTILE, kept=Kept.BOTH_ENDS),
)
