"""Pictures divided into folds, each with its share of every class."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]
Places = NDArray[np.intp]


def divide(labels: Labels, folds: int, seed: int) -> Iterator[tuple[Places, Places]]:
    """Give the places of those to fit on and of those held out, for each fold in turn.

    Numbers a class differ by one between folds at most, and the folds' own numbers too. The same
    folds as scikit-learn's ``StratifiedKFold`` with ``shuffle`` and that seed, which takes a second
    to import.

    Classes with fewer pictures than folds are never held out: all of theirs are fitted on each
    time, and what is measured does not tell of them.
    """
    places = np.flatnonzero(is_held_out(labels, folds))
    held_in = np.full(len(labels), -1)
    held_in[places] = _draw(labels[places], folds, seed)
    for fold in range(folds):
        yield np.flatnonzero(held_in != fold), np.flatnonzero(held_in == fold)


def is_held_out(labels: Labels, folds: int) -> NDArray[np.bool_]:
    """Tell which pictures are held out in one of the folds, N booleans."""
    held: NDArray[np.bool_] = np.bincount(labels)[labels] >= folds
    return held


def _draw(labels: Labels, folds: int, seed: int) -> Places:
    """Draw the fold that each picture is held out in."""
    drawing = np.random.RandomState(seed)
    _, first_places, inverse = np.unique(labels, return_index=True, return_inverse=True)
    ranks = np.argsort(np.argsort(first_places))[inverse]  # classes in order of their appearance
    in_order = np.sort(ranks)
    classes = len(first_places)
    shares = np.array([np.bincount(in_order[at::folds], minlength=classes) for at in range(folds)])
    held_in = np.empty(len(labels), dtype=int)
    for rank in range(classes):
        drawn = np.arange(folds).repeat(shares[:, rank])
        drawing.shuffle(drawn)
        held_in[ranks == rank] = drawn
    return held_in
