"""Datasets: what is added is found again, under its name and under its id."""

import pytest

from zoo.catalog.datasets import (
    add_dataset,
    find_picture,
    get_dataset,
    get_dataset_pk,
    get_description,
    list_datasets,
    list_pictures,
)
from zoo.domain.dataset import Dataset, Picture, PictureWish, Skipped, Split
from zoo.errors import BadName, DatasetNotFound


def make_dataset(name="insects", count=3):
    return Dataset(
        name=name,
        classes=("bee", "ant"),
        pictures=tuple(
            Picture(
                path=f"{split}/{9 - number}.png",
                label=label,
                split=split,
                digest=f"{number % 2:064}",  # some are the same picture
                size_bytes=number % 2,
            )
            for split in (Split.TRAIN, Split.VAL)
            for label in ("bee", "ant")
            for number in range(count)
        ),
        skipped=(Skipped(path="notes.txt", reason="its content is not a picture"),),
        split_source="drawn",
    )


@pytest.fixture
def add(db, clock):
    def add(**given):
        clock.forward(1)
        return add_dataset(db, make_dataset(**given), now=clock())

    return add


def test_what_is_added_is_found_again(db, add, clock):
    added = add()
    found = get_dataset(db, "insects")
    assert found == added
    assert found.pictures == make_dataset().pictures
    assert found.classes == ("bee", "ant")
    assert found.skipped == make_dataset().skipped
    assert (found.split_source, found.created_at) == ("drawn", clock())


def test_the_same_pictures_again_are_the_same_dataset(db, add):
    assert add() == add()
    assert len(list_datasets(db)) == 1


def test_a_name_means_its_newest_dataset_and_the_others_keep_their_address(db, add):
    first, second = add(count=3), add(count=4)
    assert get_dataset(db, "insects") == second
    assert get_dataset(db, first.address) == first
    assert get_dataset_pk(db, first.address) != get_dataset_pk(db, "insects")


def test_datasets_are_listed_by_name_the_newest_first(db, add):
    added = [add(name="b", count=1), add(name="a", count=1), add(name="b", count=2)]
    assert [summary.id for summary in list_datasets(db)] == [
        dataset.id for dataset in (added[1], added[2], added[0])
    ]


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_datasets_are_listed_a_page_at_a_time(db, add, limit):
    for name, count in (("b", 1), ("a", 1), ("b", 2), ("c", 3), ("b", 4)):
        add(name=name, count=count)
    every, pages, after = list_datasets(db), [], ""
    while page := list_datasets(db, after=after, limit=limit):
        pages += page
        after = f"{page[-1].name}@{page[-1].id}"
    assert pages == every
    assert [one.name for one in list_datasets(db, after="a")] == ["b", "b", "b", "c"]
    assert list_datasets(db, after="zzz") == []
    with pytest.raises(DatasetNotFound):
        list_datasets(db, after="b@" + "0" * 40)


def test_a_summary_counts(db, add):
    added = add()
    (summary,) = list_datasets(db)
    assert summary.counts == added.counts()
    assert summary.skipped == 1
    assert summary.classes == added.classes
    assert summary.created_at == added.created_at


@pytest.mark.parametrize(
    "address", ["other", f"insects@{'0' * 40}", "insects@1234", "insects@\x00", "insects@\udcff"]
)
def test_what_is_not_there_is_not_found(db, add, address):
    add()
    with pytest.raises(DatasetNotFound):
        get_dataset(db, address)


@pytest.mark.parametrize("name", ["", "a--b", "a\x00", "a\udcff"])
def test_a_bad_name_is_refused(db, clock, name):
    with pytest.raises(BadName):
        add_dataset(db, make_dataset(name), now=clock())
    with pytest.raises(BadName):
        get_dataset(db, name)


def test_a_dataset_is_told_without_its_pictures(db, add):
    added = add()
    assert get_description(db, "insects") == added.describe()


def test_pictures_are_listed_by_class_and_split_in_their_order(db, add):
    every = add().pictures
    assert list_pictures(db, "insects", PictureWish(), limit=100) == list(every)
    wish = PictureWish(label="ant", split=Split.VAL)
    wanted = [one for one in every if one.label == "ant" and one.split is Split.VAL]
    assert list_pictures(db, "insects", wish, limit=100) == wanted
    assert list_pictures(db, "insects", wish, limit=2) == wanted[:2]
    assert list_pictures(db, "insects", PictureWish(first=4), limit=3) == list(every[4:7])


def test_a_picture_is_found_by_its_bytes_in_its_own_dataset_alone(db, add):
    add()
    add(name="others", count=1)
    found = find_picture(db, "insects", f"{1:064}")
    assert found is not None
    assert found.digest == f"{1:064}"
    assert find_picture(db, "others", f"{1:064}") is None
