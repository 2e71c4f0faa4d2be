"""What a network's own classes say of pictures that it does not know."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.domain.plan import Plan
from zoo.training.calibration import softmax
from zoo.training.folds import divide, is_held_out
from zoo.training.zeroshot import map_classes

MOST_LIT = 5  # known classes told for each new one


@dataclass(frozen=True, slots=True, kw_only=True)
class Similarity:
    """How a network's own classifier answers to pictures of other classes."""

    entropy: float  # nats; mean over pictures. ln(classes) is knowing nothing
    most_entropy: float
    distinct: int  # known classes that are the most probable of some picture
    lit: dict[str, list[tuple[str, float]]]  # class to the known ones that light up, with shares
    stands_for: tuple[str, ...]  # the known class that stands for each
    zero_shot: float  # accuracy, by cross-validation
    zero_shot_balanced: float | None = None  # mean of each class's, where classes are weighed

    @property
    def judged(self) -> float:
        """The accuracy that choices are made by."""
        return self.zero_shot if self.zero_shot_balanced is None else self.zero_shot_balanced

    def as_json(self) -> dict[str, Any]:
        """Write it down with plain JSON types."""
        told = asdict(self)
        if self.zero_shot_balanced is None:
            del told["zero_shot_balanced"]
        return told


def measure_similarity(
    scores: NDArray[np.float64],
    labels: NDArray[np.int64],
    classes: Sequence[str],
    known: Sequence[str],
    plan: Plan,
) -> Similarity | None:
    """Measure N x M scores over the known classes; None where these are fewer than the new ones.

    ``zero_shot`` is measured by the plan's folds: which class stands for which is chosen without
    the pictures that are counted.
    """
    if len(known) < len(classes):
        return None
    probabilities = softmax(scores)
    logs = np.log(np.maximum(probabilities, np.finfo(float).tiny))
    rows = map_classes(scores, labels, classes, known)
    right = np.zeros(len(labels), dtype=bool)
    for fitted, out in divide(labels, plan.folds, plan.seed):
        chosen = map_classes(scores[fitted], labels[fitted], classes, known)
        right[out] = scores[out][:, chosen].argmax(axis=1) == labels[out]
    told = is_held_out(labels, plan.folds)
    of_classes = [right[labels == one].mean() for one in np.unique(labels[told])]
    lit = {}
    for index, label in enumerate(classes):
        means = probabilities[labels == index].mean(axis=0)
        best = np.argsort(-means, kind="stable")[:MOST_LIT]
        lit[label] = [(known[at], float(means[at])) for at in best]
    return Similarity(
        entropy=float(-(probabilities * logs).sum(axis=1).mean()),
        most_entropy=float(np.log(len(known))),
        distinct=len(set(probabilities.argmax(axis=1).tolist())),
        lit=lit,
        stands_for=tuple(known[row] for row in rows),
        zero_shot=int(right.sum()) / int(told.sum()),
        zero_shot_balanced=float(np.mean(of_classes)) if plan.balanced else None,
    )
