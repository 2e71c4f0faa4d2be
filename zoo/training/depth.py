"""How good codes are along the depth of a network, and which layer's to take."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoo.domain.plan import Plan
from zoo.training.level import Level
from zoo.training.logistic import Labels
from zoo.training.probe import cross_validate


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthPoint(Level):
    """A head on the codes at one tap, measured by cross-validation, with the best C."""

    layer: str
    codes: int


def measure_depth(
    codes: Mapping[str, NDArray[np.float32]], labels: Labels, plan: Plan
) -> tuple[DepthPoint, ...]:
    """Measure a head on the codes of each tap, N x D, by cross-validation on the same folds."""
    found = {tap: cross_validate(matrix, labels, plan) for tap, matrix in codes.items()}
    return tuple(
        DepthPoint(
            layer=tap,
            codes=codes[tap].shape[1],
            accuracy=one.accuracy,
            standard_error=one.standard_error,
            balanced_accuracy=one.balanced_accuracy,
            balanced_error=one.balanced_error,
        )
        for tap, one in found.items()
    )


def choose_tap(points: tuple[DepthPoint, ...]) -> DepthPoint:
    """Choose the last tap, unless an earlier one is better by more than one standard error.

    The last one is what the network was trained to separate its own classes by; where pictures are
    different, earlier layers can be better, and have to show it.
    """
    best = max(points, key=lambda point: point.judged)
    last = points[-1]
    return best if best.judged - last.judged > best.judged_error else last
