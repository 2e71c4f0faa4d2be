"""Which of the four scenarios of transfer learning a dataset is, by what was measured.

Small or large, similar to what the network knows or different (cs231n, Transfer Learning). The rule
is stated in full by ``Quadrant.because``, with every number it rests on.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from zoo.planning import LARGE, SMALL
from zoo.training.depth import DepthPoint
from zoo.training.level import Level
from zoo.training.metrics import Z_95, no_surer, share_error, wilson_bounds

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
    tap: str | None  # where codes are best taken; None where none tell more than chance
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


def find_quadrant(  # noqa: PLR0913  # what was measured, and on how much
    pictures: int,
    points: Sequence[DepthPoint],
    twin: Sequence[DepthPoint],
    *,
    looked_at: float,
    known_share: float | None,
    chance: float = 0.0,
) -> Quadrant:
    """Find the scenario from the accuracy along the depth of a network and of its random twin.

    Pictures are similar if all of this holds: the last tap is the best within one standard error;
    there the network is at least five points better than its twin; and its own classes, each
    standing for a new one, tell the pictures apart at least a quarter as well as a probe does, both
    counted from chance (``known_share``; None where the network has too few classes).

    Where they are similar, codes are best taken at the last tap. Else at the earliest that cannot
    be told from the best at 95 %, on ``looked_at`` pictures: what is above serves little, and the
    network gets smaller by it. Never at one whose 95 % interval reaches down to ``chance``.

    All pictures right, or none, is no certainty: the error is then what so many leave open.

    Accuracies are the balanced ones where the points have them.
    """
    last, best = points[-1], max(points, key=lambda point: point.judged)
    gain = last.judged - twin[-1].judged
    own_error = no_surer(best.judged, best.judged_error, looked_at)
    is_last_best = best.judged - last.judged <= own_error
    is_known = known_share is None or known_share >= LEAST_KNOWN
    is_similar = is_last_best and gain >= LEAST_GAIN - ROUNDING and is_known
    floor = max(best.judged - Z_95 * _error(best, looked_at), chance)
    able = (point for point in points if point.judged >= floor)
    usual = last if is_similar else next(able, best)
    tap = _choose_tap(usual, points, floor, looked_at, chance)
    shown = [_tell(point, looked_at) for point in (best, last)]
    where = "within" if is_last_best else "more than"
    known = (
        "the network has fewer classes of its own, which tell nothing"
        if known_share is None
        else f"its own classes tell {known_share:.2f} of what a probe tells; similar pictures "
        f"{LEAST_KNOWN:g} and more"
    )
    gained = (
        f"random weights have {twin[-1].judged:.3f} at the last, so the trained ones gain "
        f"{gain * 100:+.1f} points; similar pictures gain {LEAST_GAIN * 100:g} and more"
    )
    return Quadrant(
        size=_size(pictures),
        is_similar=is_similar,
        tap=tap.layer if tap else None,
        twin_gain=gain,
        known_share=known_share,
        because=(
            f"{pictures} training pictures: below {SMALL} is small, below {LARGE} medium",
            f"best are codes of {shown[0]}; of the last, {shown[1]}: {where} one error off",
            gained,
            known,
            _tell_tap(
                tap,
                usual,
                "similar: codes of the last layer"
                if is_similar
                else f"different: codes of the earliest layer of at least {floor:.3f}",
                chance,
                looked_at,
            ),
        ),
    )


def _choose_tap(
    usual: DepthPoint, points: Sequence[DepthPoint], floor: float, looked_at: float, chance: float
) -> DepthPoint | None:
    """Choose the usual tap, or another where that is not clearly above chance; None for none."""
    able = [point for point in points if lowest(point, looked_at) > chance]
    if usual in able:
        return usual
    best = max(able, key=lambda point: point.judged, default=None)
    return next((point for point in able if point.judged >= floor), best)


def lowest(level: Level, looked_at: float) -> float:
    """Give the lower bound at 95 % of what is judged, on so many pictures.

    It is no higher than Wilson's: folds that happen to agree do not make it certain.
    """
    own = level.judged - Z_95 * level.judged_error
    return min(own, wilson_bounds(level.judged, looked_at)[0])


def highest(level: Level, looked_at: float) -> float:
    """Give the upper bound of that, likewise."""
    own = level.judged + Z_95 * level.judged_error
    return max(own, wilson_bounds(level.judged, looked_at)[1])


def count_known(zero_shot: float, probe: float, chance: float) -> float:
    """Give what a network's own classes tell as a share of what a probe tells, beyond chance."""
    return max(0.0, zero_shot - chance) / max(probe - chance, 1e-9)


def _error(point: DepthPoint, looked_at: float) -> float:
    """Give the standard error of an accuracy; five folds that happen to agree do not make it 0."""
    return max(point.judged_error, share_error(point.judged, looked_at))


def _size(pictures: int) -> Size:
    if pictures < SMALL:
        return Size.SMALL
    return Size.MEDIUM if pictures < LARGE else Size.LARGE


def _tell_tap(
    tap: DepthPoint | None, usual: DepthPoint, why: str, chance: float, looked_at: float
) -> str:
    if tap is None:
        return f"no layer's codes are clearly above chance, {chance:.3f}: none can be advised"
    if tap is usual:
        return f"{why}, {_tell(tap, looked_at)}"
    told = f"codes of {usual.layer} are not clearly above chance, {chance:.3f}"
    return f"{told}; those of {_tell(tap, looked_at)}"


def _tell(point: DepthPoint, looked_at: float) -> str:
    error = no_surer(point.judged, point.judged_error, looked_at)
    return f"{point.layer} with {point.judged:.3f} +- {error:.3f}"
