"""Folds hold each class's share, and are those of scikit-learn."""

import numpy as np
import pytest
from sklearn.model_selection import StratifiedKFold

from zoo.training.folds import divide, is_held_out


@pytest.mark.parametrize("folds", [2, 3, 5])
@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize("counts", [(10, 10), (5, 23), (7, 6, 31)])
def test_the_folds_are_those_of_the_library(folds, seed, counts):
    labels = np.repeat(np.arange(len(counts)), counts)
    np.random.default_rng(seed).shuffle(labels)
    expected = StratifiedKFold(folds, shuffle=True, random_state=seed).split(labels, labels)
    for (train, held_out), theirs in zip(divide(labels, folds, seed), expected, strict=True):
        assert np.array_equal(train, theirs[0])
        assert np.array_equal(held_out, theirs[1])


def test_each_picture_is_held_out_once_and_each_class_divided_evenly():
    labels = np.repeat([0, 1, 2], [11, 17, 30])
    held = [places for _, places in divide(labels, 4, 0)]
    assert sorted(np.concatenate(held)) == list(range(len(labels)))
    counts = np.array([np.bincount(labels[places], minlength=3) for places in held])
    assert (np.ptp(counts, axis=0) <= 1).all()


def test_classes_with_fewer_pictures_than_folds_are_never_held_out():
    labels = np.repeat([0, 1, 2, 3], [12, 1, 9, 4])
    np.random.default_rng(1).shuffle(labels)
    held = [places for _, places in divide(labels, 5, 0)]
    assert set(labels[np.concatenate(held)]) == {0, 2}
    assert np.array_equal(np.sort(np.concatenate(held)), np.flatnonzero(is_held_out(labels, 5)))
    for train, out in divide(labels, 5, 0):
        assert sorted([*train, *out]) == list(range(len(labels)))
        assert {1, 3} <= set(labels[train])


def test_rare_classes_do_not_change_the_folds_of_the_others():
    labels = np.repeat([0, 1], [12, 9])
    for one, other in zip(divide(labels, 5, 3), divide(np.append(labels, 2), 5, 3), strict=True):
        assert np.array_equal(one[1], other[1])
        assert np.array_equal(np.append(one[0], 21), other[0])
