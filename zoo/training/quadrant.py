"""Which of the four scenarios of transfer learning a dataset is, by what was measured.

Small or large, similar to what the network knows or different (cs231n, Transfer Learning). The rule
is stated in full by ``Quadrant.because``, with every number it rests on.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from zoo.planning import LARGE, SMALL
from zoo.training.depth import DepthPoint
from zoo.training.metrics import Z_95

LEAST_KNOWN = 0.25  # of what a probe tells beyond chance, by the network's own classes
LEAST_GAIN = 0.05  # of accuracy that trained layers have over random ones on similar pictures
ROUNDING = 1e-9  # of a difference of two accuracies


class Size(StrEnum):
    """How many training pictures there are."""

    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quadrant:
    """The scenario, and why."""

    size: Size
    is_similar: bool
    tap: str  # where codes are best taken
    twin_gain: float  # of accuracy at the last tap over the same network with random weights
    known_share: float | None  # what its own classes tell, as a share of what a probe tells
    because: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name it: ``small + similar``."""
        return f"{self.size.value} + {'similar' if self.is_similar else 'different'}"

    def as_json(self) -> dict[str, Any]:
        """Write it down with plain JSON types."""
        return asdict(self) | {"size": self.size.value, "name": self.name}


def find_quadrant(
    pictures: int,
    points: Sequence[DepthPoint],
    twin: Sequence[DepthPoint],
    *,
    looked_at: int,
    known_share: float | None,
) -> Quadrant:
    """Find the scenario from the accuracy along the depth of a network and of its random twin.

    Pictures are similar if all of this holds: the last tap is the best within one standard error;
    there the network is at least five points better than its twin; and its own classes, each
    standing for a new one, tell the pictures apart at least a quarter as well as a probe does, both
    counted from chance (``known_share``; None where the network has too few classes).

    Where they are similar, codes are best taken at the last tap. Else at the earliest that cannot
    be told from the best at 95 %, on ``looked_at`` pictures: what is above serves little, and the
    network gets smaller by it.
    """
    last, best = points[-1], max(points, key=lambda point: point.accuracy)
    gain = last.accuracy - twin[-1].accuracy
    is_last_best = best.accuracy - last.accuracy <= best.standard_error
    is_known = known_share is None or known_share >= LEAST_KNOWN
    is_similar = is_last_best and gain >= LEAST_GAIN - ROUNDING and is_known
    floor = best.accuracy - Z_95 * _error(best, looked_at)
    tap = last if is_similar else next(point for point in points if point.accuracy >= floor)
    where = "within" if is_last_best else "more than"
    known = (
        "the network has fewer classes of its own, which tell nothing"
        if known_share is None
        else f"its own classes tell {known_share:.2f} of what a probe tells; similar pictures "
        f"{LEAST_KNOWN:g} and more"
    )
    gained = (
        f"random weights have {twin[-1].accuracy:.3f} at the last, so the trained ones gain "
        f"{gain * 100:+.1f} points; similar pictures gain {LEAST_GAIN * 100:g} and more"
    )
    return Quadrant(
        size=_size(pictures),
        is_similar=is_similar,
        tap=tap.layer,
        twin_gain=gain,
        known_share=known_share,
        because=(
            f"{pictures} training pictures: below {SMALL} is small, below {LARGE} medium",
            f"best are codes of {_tell(best)}; of the last, {_tell(last)}: {where} one error off",
            gained,
            known,
            f"similar: codes of the last layer, {_tell(tap)}"
            if is_similar
            else f"different: codes of the earliest layer of at least {floor:.3f}, {_tell(tap)}",
        ),
    )


def count_known(zero_shot: float, probe: float, classes: int) -> float:
    """Give what a network's own classes tell as a share of what a probe tells, beyond chance."""
    chance = 1 / classes
    return max(0.0, zero_shot - chance) / max(probe - chance, 1e-9)


def _error(point: DepthPoint, looked_at: int) -> float:
    """Give the standard error of an accuracy; five folds that happen to agree do not make it 0."""
    binomial = math.sqrt(point.accuracy * (1 - point.accuracy) / looked_at)
    return max(point.standard_error, binomial)


def _size(pictures: int) -> Size:
    if pictures < SMALL:
        return Size.SMALL
    return Size.MEDIUM if pictures < LARGE else Size.LARGE


def _tell(point: DepthPoint) -> str:
    return f"{point.layer} with {point.accuracy:.3f} +- {point.standard_error:.3f}"
