"""How good a classifier is, and how sure that figure is."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    per_class: dict[str, Accuracy]  # recall
    confusion: tuple[tuple[int, ...], ...]  # rows are the true classes, columns the predicted
    log_loss: float

    def as_json(self) -> dict[str, Any]:
        """Write the figures down as training.json holds them."""
        return asdict(self) | {"confusion": [list(row) for row in self.confusion]}


def wilson(right: int, total: int) -> Accuracy:
    """Give a share with its 95 % Wilson score interval (Wilson 1927, eq. 3)."""
    if total == 0:
        return Accuracy(value=math.nan, low=0.0, high=1.0, right=0, total=0)
    share = right / total
    z2 = Z_95**2 / total
    centre = (share + z2 / 2) / (1 + z2)
    half = Z_95 / (1 + z2) * math.sqrt(share * (1 - share) / total + z2 / (4 * total))
    return Accuracy(
        value=share,
        low=max(0.0, min(centre - half, share)),  # Rounding must not put the share outside.
        high=min(1.0, max(centre + half, share)),
        right=right,
        total=total,
    )


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
        },
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        log_loss=float(-np.log(np.clip(picked, 1e-12, None)).mean()),
    )
