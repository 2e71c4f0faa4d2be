"""Known classes stand for new ones, by name first, then by what pictures look like."""

import numpy as np

from zoo.training.zeroshot import map_classes

KNOWN = ("tench, Tinca tinca", "bee", "ant, emmet", "crane", "crane")


def test_names_go_first_whatever_is_probable():
    scores = np.array([[9.0, 0, 0, 0, 0], [9.0, 0, 0, 0, 0]])
    assert map_classes(scores, np.array([0, 1]), ("Emmet", "BEE"), KNOWN) == [2, 1]


def test_of_equal_names_the_more_probable_stands():
    scores = np.array([[0, 0, 0, 1.0, 3.0]])
    assert map_classes(scores, np.array([0]), ("crane",), KNOWN) == [4]


def test_others_are_given_the_most_probable_one_each():
    scores = np.array([[0, 5.0, 4.0, 0, 0], [0, 6.0, 0.0, 0, 0]])
    assert map_classes(scores, np.array([0, 1]), ("wasp", "hornet"), KNOWN) == [2, 1]
