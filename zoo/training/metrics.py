"""How good a classifier is, and how sure that figure is."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.domain.unequal import Unequal
from zoo.planning import is_unequal

BINS = 15  # of confidence
Z_95 = 1.959963984540054  # the normal quantile that leaves 2.5 % on either side


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """A share of right answers with its 95 % interval."""

    value: float
    low: float
    high: float
    right: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """What was measured on one split."""

    accuracy: Accuracy
    per_class: dict[str, Accuracy]  # recall; a class without pictures has none
    confusion: tuple[tuple[int, ...], ...]  # rows are the true classes, columns the predicted
    log_loss: float
    calibration_error: float  # see ``calibration_error``

    def as_json(self) -> dict[str, Any]:
        """Write the figures down as training.json holds them."""
        return asdict(self) | {"confusion": [list(row) for row in self.confusion]}


def wilson(right: int, total: int) -> Accuracy:
    """Give a share with its 95 % Wilson score interval (Wilson 1927, eq. 3)."""
    if total == 0:
        return Accuracy(value=math.nan, low=0.0, high=1.0, right=0, total=0)
    share = right / total
    low, high = wilson_bounds(share, total)
    return Accuracy(value=share, low=low, high=high, right=right, total=total)


def wilson_bounds(share: float, total: float) -> tuple[float, float]:
    """Give the bounds of that interval; ``total`` need not be whole."""
    z2 = Z_95**2 / total
    centre = (share + z2 / 2) / (1 + z2)
    half = Z_95 / (1 + z2) * math.sqrt(share * (1 - share) / total + z2 / (4 * total))
    # Rounding must not put the share outside.
    return max(0.0, min(centre - half, share)), min(1.0, max(centre + half, share))


def share_error(share: float, total: float) -> float:
    """Give the standard error of a share; ``total`` need not be whole.

    The plain formula has 0 for all and for none, however few they are. Of these 1.96 errors end at
    the bound of Wilson's interval.
    """
    if 0 < share < 1:
        return math.sqrt(share * (1 - share) / total)
    return (1 - wilson_bounds(1.0, total)[0]) / Z_95


def no_surer(share: float, error: float, total: float) -> float:
    """Give a measured error of a share; of all or none, no less than so many pictures leave."""
    return error if 0 < share < 1 else max(error, share_error(share, total))


def measure(
    probabilities: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]], classes: list[str]
) -> Metrics:
    """Measure N x K probabilities against N class indices."""
    predicted = probabilities.argmax(axis=1)
    confusion = np.zeros((len(classes), len(classes)), dtype=int)
    np.add.at(confusion, (labels, predicted), 1)
    rows = confusion.sum(axis=1)
    picked = probabilities[np.arange(len(labels)), labels]
    return Metrics(
        accuracy=wilson(int(confusion.trace()), len(labels)),
        per_class={
            label: wilson(int(confusion[index, index]), int(rows[index]))
            for index, label in enumerate(classes)
            if rows[index]
        },
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        log_loss=float(-np.log(np.clip(picked, 1e-12, None)).mean()),
        calibration_error=calibration_error(probabilities, labels),
    )


def find_unequal(metrics: Metrics, *, is_weighed: bool = False) -> Unequal | None:
    """Give what the accuracy is to be read beside; None where classes are of like size.

    They are not where ``is_unequal`` says so of the pictures that were measured, or where the
    classes were weighed in the fit and differ in these at all.
    """
    totals = {label: one.total for label, one in metrics.per_class.items()}
    label = max(totals, key=lambda one: totals[one])
    differ = is_weighed and totals[label] > min(totals.values())
    if not (differ or is_unequal(totals.values())):
        return None
    recalls = [one.value for one in metrics.per_class.values()]
    return Unequal(
        label=label,
        share=totals[label] / sum(totals.values()),
        balanced_accuracy=sum(recalls) / len(recalls),
    )


def calibration_error(
    probabilities: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]]
) -> float:
    """Give how far confidence and accuracy lie apart, 0 to 1, for N x K probabilities.

    The expected calibration error over 15 bins of equal width (Guo et al. 2017, eq. 3): the mean
    over all pictures of the difference, in their bin, between the share that is right and the mean
    of the largest probability.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    places = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    gaps = np.bincount(places, weights=right - confidence, minlength=BINS)
    return float(np.abs(gaps).sum() / len(labels))


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two classifiers on the same pictures."""

    both: int  # pictures that both have right
    only_first: int
    only_second: int
    neither: int
    p: float  # of a difference as large as this one between classifiers that are equally good


def compare(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> Comparison:
    """Compare two classifiers by which pictures each has right, N booleans each.

    McNemar's test in its exact form: of the pictures that one alone has right, either is as likely
    to be the one (McNemar 1947); two-sided.
    """
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    return Comparison(
        both=int((first & second).sum()),
        only_first=only_first,
        only_second=only_second,
        neither=int((~first & ~second).sum()),
        p=_two_sided(min(only_first, only_second), only_first + only_second),
    )


def fall_interval(found: Comparison) -> tuple[float, float]:
    """Give the 95 % interval of how far the second's accuracy lies below the first's.

    Agresti and Min 2005, "Simple improved confidence intervals for comparing matched proportions":
    Wald's interval with half a picture added to each of the four counts.
    """
    lost, won = found.only_first + 0.5, found.only_second + 0.5
    total = found.both + found.neither + lost + won + 1
    fall = (lost - won) / total
    half = Z_95 * math.sqrt((lost + won) / total - fall**2) / math.sqrt(total)
    return max(-1.0, fall - half), min(1.0, fall + half)


def _two_sided(fewer: int, total: int) -> float:
    """Give the chance that of ``total`` tosses one side comes up ``fewer`` times or less."""
    logs = [
        math.lgamma(total + 1) - math.lgamma(k + 1) - math.lgamma(total - k + 1)
        for k in range(fewer + 1)
    ]
    return min(1.0, 2 * sum(math.exp(log - total * math.log(2)) for log in logs))
