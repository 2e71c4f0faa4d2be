"""A validation part that is stratified, repeatable, and shares no picture with training."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.domain.dataset import Split
from zoo.images.split import draw_split


def make_pictures(**counts):
    return [(label, f"{label}{i}") for label, count in counts.items() for i in range(count)]


def counted(pictures, sides):
    return Counter((label, side) for (label, _), side in zip(pictures, sides, strict=True))


def test_each_class_sends_a_fifth_to_validation():
    pictures = make_pictures(ants=100, bees=35)
    counts = counted(pictures, draw_split(pictures))
    assert counts == {
        ("ants", Split.TRAIN): 80,
        ("ants", Split.VAL): 20,
        ("bees", Split.TRAIN): 28,
        ("bees", Split.VAL): 7,
    }


def test_another_share_may_be_asked_for():
    pictures = make_pictures(ants=10)
    assert draw_split(pictures, val_share=0.5).count(Split.VAL) == 5


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_no_share_takes_all_of_a_class(share):
    sides = draw_split(make_pictures(ants=5), val_share=share)
    assert {Split.TRAIN, Split.VAL} == set(sides)


def test_a_class_of_one_picture_is_for_training():
    assert draw_split([("ants", "a")]) == (Split.TRAIN,)


def test_no_pictures_give_no_sides():
    assert draw_split([]) == ()


def test_another_seed_draws_others():
    pictures = make_pictures(ants=50)
    assert draw_split(pictures, seed=1) != draw_split(pictures, seed=2)


def test_one_more_picture_moves_at_most_one_other():
    pictures = make_pictures(ants=101)
    before, after = draw_split(pictures[:100]), draw_split(pictures)
    assert sum(a is not b for a, b in zip(before, after, strict=False)) <= 1


LABELLED = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 40).map(str)), min_size=1, max_size=60
)


@given(pictures=LABELLED, seed=st.integers(0, 5))
def test_equal_pictures_come_to_the_same_side_whatever_their_labels(pictures, seed):
    sides = {}
    for (_, digest), side in zip(pictures, draw_split(pictures, seed=seed), strict=True):
        assert sides.setdefault(digest, side) is side


@given(pictures=LABELLED, data=st.data())
def test_the_order_of_pictures_does_not_matter(pictures, data):
    shuffled = data.draw(st.permutations(pictures))
    drawn = dict(zip(pictures, draw_split(pictures), strict=True))
    assert dict(zip(shuffled, draw_split(shuffled), strict=True)) == drawn


@given(counts=st.lists(st.integers(2, 30), min_size=1, max_size=4))
def test_every_class_of_two_or_more_has_pictures_on_both_sides(counts):
    pictures = make_pictures(**{f"c{i}": count for i, count in enumerate(counts)})
    counted_sides = counted(pictures, draw_split(pictures))
    for i in range(len(counts)):
        assert counted_sides[f"c{i}", Split.VAL] >= 1
        assert counted_sides[f"c{i}", Split.TRAIN] >= 1


def test_a_small_class_has_both_sides_even_if_its_pictures_are_in_a_larger_one_too():
    pictures = [*make_pictures(ants=20), ("bees", "ants0"), ("bees", "ants1")]
    sides = draw_split(pictures)
    assert set(sides[-2:]) == {Split.TRAIN, Split.VAL}
