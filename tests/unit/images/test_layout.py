"""What folders mean: classes, splits, wrappers, litter."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.domain.dataset import Skipped, Split
from zoo.errors import ClassesDiffer, EmptyDataset, Invalid
from zoo.images.layout import Place, arrange, list_hidden, order_classes


def laid_out(*paths):
    return arrange(paths, name="pictures.zip")


def test_folders_are_classes():
    layout = laid_out("bees/1.jpg", "ants/1.jpg", "ants/2.jpg")
    assert layout.classes == ("ants", "bees")
    assert layout.wrapper == ""
    assert layout.places == {
        "ants/1.jpg": Place(label="ants", split=None),
        "ants/2.jpg": Place(label="ants", split=None),
        "bees/1.jpg": Place(label="bees", split=None),
    }
    assert not layout.has_splits


def test_folders_inside_a_class_folder_belong_to_the_class():
    layout = laid_out("ants/small/red/1.jpg", "bees/1.jpg")
    assert layout.places["ants/small/red/1.jpg"].label == "ants"


@pytest.mark.parametrize(
    ("folder", "split"),
    [
        ("train", Split.TRAIN), ("training", Split.TRAIN), ("Train", Split.TRAIN),
        ("val", Split.VAL), ("valid", Split.VAL), ("validation", Split.VAL), ("VAL", Split.VAL),
        ("test", Split.TEST), ("testing", Split.TEST), ("dev", Split.VAL), ("eval", Split.VAL),
        ("holdout", Split.VAL), ("train2017", Split.TRAIN), ("val_2", Split.VAL),
    ],
)  # fmt: skip
def test_split_folders_tell_the_split(folder, split):
    other = "val" if split is Split.TRAIN else "train"
    layout = laid_out(f"{folder}/ants/1.jpg", f"{other}/ants/2.jpg")
    assert layout.classes == ("ants",)
    assert layout.places[f"{folder}/ants/1.jpg"] == Place(label="ants", split=split)
    assert layout.has_splits


@pytest.mark.parametrize("wrapper", ["data", "a/b/c", "train", "ants"])
def test_folders_that_only_wrap_are_looked_through(wrapper):
    layout = laid_out(f"{wrapper}/ants/1.jpg", f"{wrapper}/bees/2.jpg", "readme.md")
    assert layout.classes == ("ants", "bees")
    assert layout.wrapper == f"{wrapper}/"
    assert not layout.has_splits
    assert layout.skipped == (Skipped(path="readme.md", reason="not in a class folder"),)


def test_split_folders_are_found_inside_a_wrapper():
    layout = laid_out("data/train/ants/1.jpg", "data/val/ants/2.jpg", "data/notes.txt")
    assert layout.places["data/val/ants/2.jpg"] == Place(label="ants", split=Split.VAL)
    assert [skipped.path for skipped in layout.skipped] == ["data/notes.txt"]


def test_one_class_folder_is_no_wrapper():
    assert laid_out("ants/1.jpg", "ants/2.jpg").classes == ("ants",)


def test_train_may_be_a_class_among_vehicles():
    layout = laid_out("bus/1.jpg", "car/1.jpg", "train/1.jpg")
    assert layout.classes == ("bus", "car", "train")
    assert not layout.has_splits


def test_train_may_be_a_class_with_folders_inside():
    layout = laid_out("bus/1.jpg", "train/steam/1.jpg")
    assert layout.classes == ("bus", "train")


@pytest.mark.parametrize("other", ["check", "Pruefung"])
def test_a_part_of_a_split_that_is_not_named_like_one_is_not_taken_for_a_class(other):
    paths = ["train/ants/1.jpg", "train/bees/2.jpg", f"{other}/ants/3.jpg", f"{other}/bees/4.jpg"]
    with pytest.raises(Invalid, match=f"'{other}' may be classes, or parts of a split"):
        laid_out(*paths)


def test_folders_beside_split_folders_are_skipped():
    layout = laid_out("train/ants/1.jpg", "val/ants/2.jpg", "docs/ants/3.jpg", "val/4.jpg")
    assert [skipped.path for skipped in layout.skipped] == ["docs/ants/3.jpg", "val/4.jpg"]


def test_a_test_folder_without_classes_is_skipped():
    layout = laid_out("train/ants/1.jpg", "train/bees/1.jpg", "test/1.jpg")
    assert layout.classes == ("ants", "bees")
    assert [skipped.path for skipped in layout.skipped] == ["test/1.jpg"]
    assert not layout.has_splits


def test_hidden_folders_with_pictures_are_listed():
    paths = [
        ".git/objects/ab",
        ".git/pics/1.JPG",
        ".git/pics/2.png",
        "ants/.ipynb_checkpoints/3.jpg",
        "ants/.4.jpg",
        "__MACOSX/.deep/._5.jpg",
        "bees/6.jpg",
    ]
    assert {one.path: one.reason for one in list_hidden(paths)} == {
        ".git": "a hidden folder, with 2 files called like pictures",
        "ants/.ipynb_checkpoints": "a hidden folder, with 1 file called like pictures",
    }


@pytest.mark.parametrize(
    "litter",
    [
        ".DS_Store", "ants/.DS_Store", "ants/._1.jpg", ".git/objects/ab/cd", "__MACOSX/ants/1.jpg",
        "ants/Thumbs.db", "bees/desktop.ini",
    ],
)  # fmt: skip
def test_litter_is_left_out_without_a_word(litter):
    layout = laid_out("ants/1.jpg", "bees/2.jpg", litter)
    assert layout == laid_out("ants/1.jpg", "bees/2.jpg")


def test_class_names_are_the_same_whichever_system_packed_them():
    composed = "Ameisenbär"
    apart = unicodedata.normalize("NFD", composed)
    layout = laid_out(f"train/{apart}/1.jpg", f"val/{composed}/1.jpg")
    assert layout.classes == (composed,)
    assert f"train/{apart}/1.jpg" in layout.places


def test_numbers_are_sorted_by_value_and_words_by_letter():
    assert order_classes(["10", "b", "2", "0", "a", "007", "1"]) == (
        "0", "1", "2", "007", "10", "a", "b",
    )  # fmt: skip


def test_a_number_longer_than_python_computes_is_sorted_too():
    long = "9" * 5000
    assert order_classes([long, "10", "a"]) == ("10", long, "a")


@pytest.mark.parametrize("paths", [(), ("1.jpg", "2.jpg"), (".hidden/ants/1.jpg",)])
def test_a_dataset_without_class_folders_is_empty(paths):
    with pytest.raises(EmptyDataset, match=r"pictures\.zip: no file lies in a class folder"):
        laid_out(*paths)


def test_splits_without_training_are_refused():
    with pytest.raises(EmptyDataset, match="no training folder beside 'test', 'val'") as caught:
        laid_out("val/ants/1.jpg", "test/ants/1.jpg")
    assert "train/" in caught.value.hint


def test_a_split_of_other_classes_is_refused_with_their_names():
    with pytest.raises(ClassesDiffer) as caught:
        laid_out("train/ants/1.jpg", "train/bees/1.jpg", "val/ants/1.jpg", "val/wasps/1.jpg")
    assert str(caught.value) == (
        "pictures.zip: the val folder lacks 'bees' and has 'wasps', which the train folder lacks."
    )
    assert caught.value.detail == {
        "name": "pictures.zip",
        "split": "val",
        "missing": ["bees"],
        "extra": ["wasps"],
    }


def test_capitals_make_another_class_which_the_refusal_takes_for_the_same_renamed():
    with pytest.raises(ClassesDiffer, match="lacks 'ants' and has 'Ants'") as caught:
        laid_out("train/ants/1.jpg", "val/Ants/1.jpg")
    assert str(caught.value).endswith("'Ants' may be 'ants' by another name.")
    assert caught.value.hint.endswith("rename 'Ants' to 'ants'.")
    assert caught.value.detail["renamed"] == {"ants": "Ants"}


def test_only_what_is_missing_is_named():
    with pytest.raises(ClassesDiffer, match=r"the test folder lacks 'bees'\.$"):
        laid_out("train/ants/1.jpg", "train/bees/1.jpg", "val/ants/1.jpg", "val/bees/1.jpg",
                 "test/ants/1.jpg")  # fmt: skip


def test_only_what_is_extra_is_named():
    with pytest.raises(ClassesDiffer, match=r"the val folder has 'bees', which"):
        laid_out("train/ants/1.jpg", "val/ants/1.jpg", "val/bees/1.jpg")


def test_a_long_list_of_classes_is_cut_in_the_sentence_and_whole_in_the_detail():
    train = [f"train/{number}/1.jpg" for number in range(30)]
    with pytest.raises(ClassesDiffer, match="'10' and 19 more") as caught:
        laid_out(*train, "val/0/1.jpg")
    assert len(caught.value.detail["missing"]) == 29


def test_a_file_of_an_archive_that_is_called_as_a_folder_of_it_is_skipped():
    layout = arrange(["train", "train/val/a/1.jpg", "train/train/a/1.jpg"], name="d")
    assert [one.path for one in layout.skipped] == ["train"]
    assert set(layout.places) == {"train/val/a/1.jpg", "train/train/a/1.jpg"}


PART = st.sampled_from(["train", "val", "ants", "bees", ".x", "1.jpg"])


@given(paths=st.sets(st.lists(PART, min_size=1, max_size=4).map("/".join), max_size=12))
def test_every_file_is_placed_or_skipped_or_litter(paths):
    try:
        layout = arrange(paths, name="d")
    except Invalid:
        return
    skipped = {found.path for found in layout.skipped}
    litter = {path for path in paths if ".x" in path.split("/")}
    assert skipped | set(layout.places) | litter == paths
    assert not skipped & set(layout.places)
    assert {place.label for place in layout.places.values()} == set(layout.classes)


@given(paths=st.permutations(["ants/1.jpg", "bees/1.jpg", "x.txt", "bees/2.jpg"]))
def test_the_order_of_paths_does_not_matter(paths):
    assert arrange(paths, name="d") == arrange(sorted(paths), name="d")
