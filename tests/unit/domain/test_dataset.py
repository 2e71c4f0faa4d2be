"""Datasets: their id, their parts, their counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.domain.dataset import (
    MOST_TOLD,
    Dataset,
    Picture,
    Skipped,
    Split,
    find_renamed,
    tell_renamed,
)

PICTURES = st.lists(
    st.builds(
        Picture,
        path=st.text(max_size=4),
        label=st.sampled_from(["ant", "bee"]),
        split=st.sampled_from(Split),
        digest=st.text("01", min_size=4, max_size=4),
        size_bytes=st.integers(0, 9),
    ),
    max_size=6,
)


def make_picture(label="ant", split=Split.TRAIN, path="p", digest="0" * 64):
    return Picture(path=path, label=label, split=split, digest=digest, size_bytes=1)


def make_dataset(*pictures, name="insects", classes=("ant", "bee"), **more):
    return Dataset(name=name, classes=classes, pictures=pictures, **more)


@given(pictures=PICTURES, data=st.data())
def test_the_order_of_pictures_does_not_change_the_id(pictures, data):
    shuffled = data.draw(st.permutations(pictures))
    assert make_dataset(*shuffled).id == make_dataset(*pictures).id


def test_neither_name_nor_skipped_files_change_the_id():
    skipped = (Skipped(path="notes.txt", reason="not a picture"),)
    other = make_dataset(make_picture(), name="other", skipped=skipped)
    assert other.id == make_dataset(make_picture()).id


@pytest.mark.parametrize(
    "change", [{"label": "bee"}, {"split": Split.VAL}, {"path": "q"}, {"digest": "1" * 64}]
)
def test_any_change_of_a_picture_changes_the_id(change):
    assert make_dataset(make_picture(**change)).id != make_dataset(make_picture()).id


def test_the_order_of_classes_changes_the_id():
    assert make_dataset(classes=("bee", "ant")).id != make_dataset(classes=("ant", "bee")).id


def test_an_address_is_name_and_id():
    dataset = make_dataset(make_picture())
    assert dataset.address == f"insects@{dataset.id}"
    assert len(dataset.id) == 40


def test_pictures_are_counted_by_split_and_class_and_every_class_is_named():
    dataset = make_dataset(
        make_picture(), make_picture(path="q"), make_picture(label="bee", split=Split.VAL)
    )
    assert dataset.counts() == {"train": {"ant": 2, "bee": 0}, "val": {"ant": 0, "bee": 1}}


def test_the_pictures_of_a_split_keep_their_order():
    pictures = [make_picture(path="b"), make_picture(split=Split.VAL), make_picture(path="a")]
    assert [p.path for p in make_dataset(*pictures).of_split(Split.TRAIN)] == ["b", "a"]


@pytest.mark.parametrize(
    ("missing", "extra", "renamed"),
    [
        (["ants"], ["Ants"], {"ants": "Ants"}),
        (["ants"], ["ant"], {"ants": "ant"}),
        (["water lily"], ["water_lilly"], {"water lily": "water_lilly"}),
        (["class 1", "class 2"], ["class_2", "class_3"], {"class 2": "class_2"}),
        (["ant", "ants"], ["Ant"], {"ant": "Ant"}),
        (["bee"], ["wasp"], {}),
        (["cat"], ["bat"], {}),
        (["1"], ["2"], {}),
        (["ants"], [], {}),
    ],
)
def test_names_that_may_be_the_same_class_are_found(missing, extra, renamed):
    assert find_renamed(missing, extra) == renamed


def test_of_no_names_nothing_is_told():
    assert tell_renamed({}) == ("", None)
    told, hint = tell_renamed({f"ant {number}": f"Ant {number}" for number in range(9)})
    assert told.count("another name") == hint.count(" to ") == MOST_TOLD
