"""Plans follow from how many pictures there are and how they are spread."""

import pytest

from zoo.domain.dataset import Dataset, Picture, Split
from zoo.domain.plan import ALL, BEST, Classifier, Strategy
from zoo.errors import ClassesDiffer, OneClass, TooFewPictures
from zoo.planning import C_GRID, SVM_GRID, check_dataset, plan_finetune


def make_dataset(train, val=None, test=None):
    """Make a dataset with so many pictures per class: ``{"ant": 3}``."""
    val = dict.fromkeys(train, 1) if val is None else val
    pictures = tuple(
        Picture(
            path=f"{split}/{label}/{number}",
            label=label,
            split=split,
            digest=f"{split}{label}{number}",
            size_bytes=1,
        )
        for split, counts in ((Split.TRAIN, train), (Split.VAL, val), (Split.TEST, test or {}))
        for label, count in counts.items()
        for number in range(count)
    )
    classes = tuple(sorted({*train, *val}))
    return Dataset(name="insects", classes=classes, pictures=pictures)


@pytest.mark.parametrize(
    ("ants", "bees", "folds"), [(1, 9, 0), (2, 9, 2), (3, 3, 3), (5, 9, 5), (70, 80, 5)]
)
def test_there_are_as_many_folds_as_the_smallest_class_allows_up_to_five(ants, bees, folds):
    assert plan_finetune(make_dataset({"ant": ants, "bee": bees}), seed=0).folds == folds


def test_without_folds_there_is_nothing_to_choose():
    plan = plan_finetune(make_dataset({"ant": 1, "bee": 9}), seed=0)
    assert plan.c_grid == (0.1,)
    assert "one training picture" in plan.because[1]


def test_with_folds_the_whole_grid_is_tried():
    plan = plan_finetune(make_dataset({"ant": 5, "bee": 9}), seed=0)
    assert plan.c_grid == C_GRID
    assert "5-fold" in plan.because[1]


@pytest.mark.parametrize(("ants", "bees", "balanced"), [(5, 15, False), (5, 16, True)])
def test_classes_are_weighed_when_the_largest_is_over_three_times_the_smallest(
    ants, bees, balanced
):
    plan = plan_finetune(make_dataset({"ant": ants, "bee": bees}), seed=0)
    assert plan.balanced is balanced
    assert f"{bees} training pictures, the smallest {ants}" in plan.because[2]


def test_a_plan_is_a_probe_with_the_seed_given():
    plan = plan_finetune(make_dataset({"ant": 5, "bee": 9}), seed=7)
    assert (plan.strategy, plan.seed) == (Strategy.PROBE, 7)
    assert "14 training pictures" in plan.because[0]


@pytest.mark.parametrize(
    ("layer", "reason"),
    [(BEST, "cross-validation finds better"), (ALL, "whole depth"), ("fc7", "'fc7', as asked")],
)
def test_where_codes_are_taken_is_told(layer, reason):
    plan = plan_finetune(make_dataset({"ant": 5, "bee": 9}), seed=0, layer=layer)
    assert plan.layer == layer
    assert any(reason in why for why in plan.because)


def test_no_layer_can_be_chosen_where_nothing_can_be_held_out():
    plan = plan_finetune(make_dataset({"ant": 1, "bee": 9}), seed=0, layer=BEST)
    assert any("no layer can be chosen" in why for why in plan.because)


def test_an_svm_has_its_own_grid():
    plan = plan_finetune(make_dataset({"ant": 5, "bee": 9}), seed=0, classifier=Classifier.SVM)
    assert plan.c_grid == SVM_GRID


def test_one_class_is_refused():
    with pytest.raises(OneClass, match="'ant'"):
        check_dataset(make_dataset({"ant": 5}))


@pytest.mark.parametrize(("train", "val"), [(1, 0), (0, 1), (0, 0)])
def test_a_class_that_cannot_be_divided_is_refused_by_name(train, val):
    dataset = make_dataset({"ant": 5, "bee": train}, {"ant": 5, "bee": val})
    with pytest.raises(TooFewPictures, match="'bee'") as caught:
        check_dataset(dataset)
    assert caught.value.detail == {"dataset": "insects", "label": "bee", "pictures": train + val}


def test_copies_of_one_picture_are_one_picture():
    dataset = make_dataset({"ant": 5, "bee": 1})
    copies = tuple(
        Picture(path=f"copy{n}", label="bee", split=split, digest="same", size_bytes=1)
        for n, split in enumerate([Split.TRAIN, Split.TRAIN, Split.VAL])
    )
    kept = tuple(picture for picture in dataset.pictures if picture.label != "bee")
    with pytest.raises(TooFewPictures, match="copies not counted"):
        check_dataset(Dataset(name="x", classes=dataset.classes, pictures=(*kept, *copies)))


@pytest.mark.parametrize(
    ("train", "val", "split"),
    [({"ant": 5, "bee": 5}, {"ant": 2}, "val"), ({"ant": 5}, {"ant": 2, "bee": 2}, "train")],
)
def test_a_class_that_one_split_lacks_is_refused_by_name(train, val, split):
    with pytest.raises(ClassesDiffer, match=f"The {split} pictures .* 'bee'"):
        check_dataset(make_dataset(train, val))


def test_test_pictures_may_be_of_some_classes_only():
    check_dataset(make_dataset({"ant": 5, "bee": 5}, test={"ant": 1}))
