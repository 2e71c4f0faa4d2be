"""How accuracy grows with the number of pictures, and what more of them would buy."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.domain.plan import Plan
from zoo.training.level import Level
from zoo.training.logistic import Labels
from zoo.training.probe import cross_validate
from zoo.training.quadrant import lowest

SHARES = (0.25, 0.5, 0.75, 1.0)
DRAWS = 1000  # of the points, within their standard errors
BOUNDS = (0.025, 0.5, 0.975)  # of what they come to: 95 % lie between the outer ones
WITHIN = 1.96  # standard errors on each side, of as many
LEAST_ERROR = 0.5  # of a picture: what none wrong is taken for


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint(Level):
    """Accuracy with so many pictures."""

    pictures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """What more pictures would buy."""

    more: int
    points: float  # of accuracy, as it is judged, -100 to 100; below 0 where the curve falls
    low: float  # bounds of it at 95 %, on both sides of 0 where the sign cannot be told
    high: float
    standard_error: float  # as such bounds would have it
    all_right: int = 0  # pictures of the last point, where none is wrong and so no gain can be seen

    def as_json(self) -> dict[str, Any]:
        """Write it down with plain JSON types."""
        return {key: value for key, value in asdict(self).items() if value or key != "all_right"}


def measure_curve(codes: NDArray[np.float32], labels: Labels, plan: Plan) -> list[CurvePoint]:
    """Cross-validate a head on a quarter, half, three quarters and all of the pictures.

    Each part has every class's share, and holds the part before it. Parts where a class is too
    small for two folds are left out. Classes that are held out of none of the plan's folds are so
    of no part, where they have a picture at least: all points tell of the same classes.
    """
    rng = np.random.default_rng(plan.seed)
    order = [rng.permutation(np.flatnonzero(labels == one)) for one in range(labels.max() + 1)]
    is_rare = [len(places) < plan.folds for places in order]
    if all(is_rare):
        is_rare = [False for _ in order]
    points = []
    for share in SHARES:
        counts = [round(share * len(places)) for places in order]
        told = (n for n, rare in zip(counts, is_rare, strict=True) if not rare)
        folds = min(plan.folds, *told)
        if folds < 2:  # noqa: PLR2004  # a fold needs two sides
            continue
        counts = [
            min(max(n, 1), folds - 1) if rare else n
            for n, rare in zip(counts, is_rare, strict=True)
        ]
        chosen = np.concatenate([places[:n] for places, n in zip(order, counts, strict=True)])
        found = cross_validate(codes[chosen], labels[chosen], replace(plan, folds=folds))
        points.append(
            CurvePoint(
                pictures=len(chosen),
                accuracy=found.accuracy,
                standard_error=found.standard_error,
                balanced_accuracy=found.balanced_accuracy,
                balanced_error=found.balanced_error,
            )
        )
    return points


def predict_gain(
    points: Sequence[CurvePoint], more: int, *, told: float | None = None
) -> Gain | None:
    """Predict what so many more pictures would buy; None where there are too few points to tell.

    Errors fall as a power of the number of pictures (Hestness et al. 2017, section 2), which is a
    line between the logarithms. Its slope is fitted anew for points drawn within their standard
    errors; median and bounds of what follows are given. Slopes may rise too: more pictures of one
    kind do no harm, but a curve that does not tell so must not seem to, and with slopes held at 0
    or below, noise alone would always buy something. They lead no further than to the largest error
    of the curve: with more pictures it is not expected to be worse than with the fewest. Where all
    pictures of the last point are right, nothing is left that a gain could be measured by; the
    bound is what so many leave open. Where classes are weighed, they tell as much as ``told`` of
    equal classes would.
    """
    if len(points) < 3:  # noqa: PLR2004  # a line needs two, its error a third
        return None
    counts = np.array([point.pictures for point in points], float)
    errors = np.array([1 - point.judged for point in points])
    floor = LEAST_ERROR / counts
    spread = np.maximum([point.judged_error for point in points], floor)
    drawn = np.random.default_rng(0).normal(errors, spread, (DRAWS, len(points)))
    logs = np.log(np.maximum(drawn, floor))
    across = np.log(counts) - np.log(counts).mean()
    slopes = (logs * across).sum(axis=1) / (across**2).sum()
    level = logs.mean(axis=1)
    now, then = (
        np.minimum(np.exp(level + slopes * (np.log(n) - np.log(counts).mean())), 1.0)
        for n in (counts[-1], counts[-1] + more)
    )
    then = np.minimum(then, np.maximum(now, drawn.max(axis=1)))
    # No more than what is missing by the accuracy that is told beside it.
    gains = np.minimum(now - then, 1 - points[-1].judged) * 100
    low, middle, high = (float(one) for one in np.quantile(gains, BOUNDS))
    is_all_right = points[-1].judged >= 1
    if is_all_right:
        high = 100 * (1 - lowest(points[-1], told or points[-1].pictures))
    return Gain(
        more=more,
        points=middle,
        low=low,
        high=high,
        standard_error=(high - low) / (2 * WITHIN),
        all_right=points[-1].pictures if is_all_right else 0,
    )
