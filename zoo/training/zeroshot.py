"""A classifier without training: classes that a network knows stand for the new ones."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zoo.training.calibration import softmax

Scores = NDArray[np.float64]


def map_classes(
    scores: Scores, labels: NDArray[np.int64], classes: Sequence[str], known: Sequence[str]
) -> list[int]:
    """Give the known class that stands for each class, all of them different.

    ``scores`` are N x M, of training pictures over the known classes. Equal names go first; a known
    name may list several, divided by commas. Then, pair by pair, the known class that is most
    probable on average over the pictures of a class not yet given one.
    """
    probabilities = softmax(scores)
    means = np.stack([probabilities[labels == index].mean(0) for index in range(len(classes))])
    names = [{part.strip().casefold() for part in name.split(",")} for name in known]
    found: dict[int, int] = {}
    for index, label in enumerate(classes):
        same = [at for at, each in enumerate(names) if label.strip().casefold() in each]
        free = [at for at in same if at not in found.values()]
        if free:
            found[index] = max(free, key=lambda at: means[index, at])
    while len(found) < len(classes):
        open_ = means.copy()
        open_[list(found)] = -1
        open_[:, list(found.values())] = -1
        best = divmod(int(open_.argmax()), open_.shape[1])
        found[best[0]] = best[1]
    return [found[index] for index in range(len(classes))]
