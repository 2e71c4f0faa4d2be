"""A class is found by its name, then by its index; what is none is answered with near names."""

import pytest

from zoo.errors import Invalid
from zoo.operations.classes import get_class

ANIMALS = ("tabby cat", "tiger cat", "crane", "crane", "tiger", "Beetle")


@pytest.mark.parametrize(
    ("asked", "index"), [("tiger", 4), ("tabby cat", 0), ("Beetle", 5), ("0", 0), ("3", 3)]
)
def test_a_class_is_found_by_name_or_index(asked, index):
    assert get_class(ANIMALS, asked) == index


def test_a_name_wins_over_an_index():
    assert get_class(("5", "6", "0"), "0") == 2
    assert get_class(("5", "6", "0"), "1") == 1


@pytest.mark.parametrize(
    ("asked", "near"),
    [
        ("tigger", ["tiger", "tiger cat"]),
        ("cat", ["tabby cat", "tiger cat"]),
        ("beetle", ["Beetle"]),
        ("xyzzy", []),
        ("", []),
    ],
)
def test_an_unknown_class_is_answered_with_near_names(asked, near):
    with pytest.raises(Invalid, match="There is no class") as caught:
        get_class(ANIMALS, asked)
    assert set(near) <= set(caught.value.detail["near"])
    assert bool(near) == bool(caught.value.detail["near"])
    assert all(repr(name) in caught.value.hint for name in near)
    assert "from 0 to 5" in caught.value.hint


@pytest.mark.parametrize("asked", ["6", "-1", "00", "3.0", "1e3", "9" * 5000, "٣"])
def test_an_index_beyond_the_classes_is_unknown(asked):
    with pytest.raises(Invalid, match="There is no class"):
        get_class(ANIMALS, asked)


def test_a_name_of_several_classes_is_refused_with_their_indices():
    with pytest.raises(Invalid, match="2 classes are called 'crane': 2, 3") as caught:
        get_class(ANIMALS, "crane")
    assert "index" in caught.value.hint
