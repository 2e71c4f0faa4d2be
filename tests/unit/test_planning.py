"""Plans follow from how many pictures there are and how they are spread."""

import math

import pytest

from zoo.domain.dataset import Dataset, Picture, Split
from zoo.domain.plan import ALL, BEST, Classifier, Strategy
from zoo.domain.training import Beginning, Overrides
from zoo.errors import ClassesDiffer, Invalid, OneClass, TooFewPictures
from zoo.planning import (
    C_GRID,
    SVM_GRID,
    Facts,
    check_dataset,
    check_overrides,
    choose_folds,
    choose_strategy,
    plan_finetune,
    plan_training,
)


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


@pytest.mark.parametrize(
    ("counts", "folds"),
    [
        ((1, 120, 120, 120), 5),  # one rare class does not decide for all
        ((1, 3, 20, 4), 4),  # half of the classes have as many
        ((4, 4, 4, 4, 10, 20), 4),  # most would be left out of five folds
        ((150, 3), 3),  # two classes at least have to be told apart
        ((150, 1), 0),
        ((150, 1, 1), 0),
        ((1, 4, 4), 0),  # all are too small: as the smallest allows
        ((2, 4, 4), 2),
        ((4, 6, 6), 4),  # of like size
        ((1, 1, 1, 120, 120), 0),
        ((1, 2, 2, 3, 60, 60), 3),
        ((1, 1, 2, 2, 60, 60), 0),  # two folds of hardly anything would say less than nothing
        ((2, 2, 2, 2, 60, 60), 2),
        ((5, 5, 5), 5),
    ],
)
def test_a_few_rare_classes_do_not_decide_how_all_are_divided(counts, folds):
    assert choose_folds(counts) == folds
    dataset = make_dataset({f"class{number}": count for number, count in enumerate(counts)})
    plan = plan_finetune(dataset, seed=0)
    assert plan.folds == folds
    rare = [f"'class{number}' ({count})" for number, count in enumerate(counts) if count < folds]
    told = [why for why in plan.because if "too few training pictures to be held out" in why]
    assert len(told) == bool(rare)
    assert all(name in told[0] for name in rare)


def test_of_many_rare_classes_a_few_are_named():
    counts = {f"rare{number}": 1 for number in range(7)} | {f"often{n}": 30 for n in range(9)}
    told = " ".join(plan_finetune(make_dataset(counts), seed=0).because)
    assert "'rare4' (1) and 2 more; each fold learns from them" in told


def test_without_folds_there_is_nothing_to_choose():
    plan = plan_finetune(make_dataset({"ant": 1, "bee": 9}), seed=0)
    assert plan.c_grid == (0.1,)
    assert "one training picture" in plan.because[1]


@pytest.mark.parametrize("strategy", [Strategy.PROBE, Strategy.ZERO_SHOT])
def test_a_plan_tells_of_choices_only_where_there_are_some(strategy):
    plan = plan_finetune(make_dataset({"ant": 5, "bee": 90}), seed=0, strategy=strategy)
    told = " ".join(plan.because)
    assert ("cross-validation" in told) == ("choices go by" in told)
    assert ("choices go by" in told) == (strategy is Strategy.PROBE)
    alone = plan_finetune(make_dataset({"ant": 1, "bee": 90}), seed=0, strategy=strategy)
    assert "choices go by" not in " ".join(alone.because)


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


def test_a_class_that_another_split_has_by_another_name_is_told():
    with pytest.raises(ClassesDiffer, match="'ants' may be 'Ant' by another name") as caught:
        check_dataset(make_dataset({"ants": 5, "bee": 5}, {"Ant": 2, "bee": 2}))
    assert caught.value.detail["renamed"] == {"Ant": "ants"}
    with pytest.raises(ClassesDiffer) as caught:
        check_dataset(make_dataset({"ants": 5, "bee": 5}, {"wasp": 2, "bee": 2}))
    assert "by another name" not in str(caught.value)


def test_test_pictures_may_be_of_some_classes_only():
    check_dataset(make_dataset({"ant": 5, "bee": 5}, test={"ant": 1}))


def make_facts(**changed):
    given = {
        "codes": 500,
        "norm": 400.0,
        "crop_px": (227, 227),
        "can_flip": True,
        "boundary": "",
        "views": 0,
        "has_batch_norm": True,
    }
    return Facts(**given | changed)


def training_of(strategy=Strategy.LP_FT, pictures=300, overrides=None, **facts):
    return plan_training(strategy, pictures, make_facts(**facts), overrides or Overrides())[0]


def test_pictures_are_blended_where_they_are_many_or_it_is_asked_for():
    assert training_of(pictures=19_999).mixup == 0
    assert training_of(pictures=20_000).mixup == 0.1
    assert training_of(pictures=20_000, overrides=Overrides(mixup=0.0)).mixup == 0
    overrides = Overrides(mixup=0.2)
    training, reasons = plan_training(Strategy.FULL, 300, make_facts(), overrides)
    assert training.mixup == 0.2
    assert "pictures are blended in pairs, by shares of Beta(0.2, 0.2)" in reasons


@pytest.mark.parametrize(
    ("norm", "share"), [(400.0, 0.01), (10_000.0, 0.01), (80.0, 0.05), (1.0, 0.1), (0.0, 0.1)]
)
def test_the_rate_of_the_body_follows_the_length_of_the_codes(norm, share):
    assert training_of(norm=norm).body_lr == pytest.approx(1e-3 * share)


@pytest.mark.parametrize(("codes", "rate"), [(500, 1e-3), (10, 1e-2), (100_000, 1e-4)])
def test_the_rate_of_the_head_follows_the_number_of_codes(codes, rate):
    assert training_of(codes=codes).head_lr == pytest.approx(rate)


def test_rates_follow_the_batch_and_how_far_there_is_to_go():
    one, other = training_of(), training_of(overrides=Overrides(batch=64))
    assert other.head_lr == pytest.approx(2 * one.head_lr)
    assert other.body_lr == pytest.approx(2 * one.body_lr)
    full = training_of(Strategy.FULL)
    assert full.head_lr == pytest.approx(10 * one.head_lr)
    assert full.beginning is Beginning.ZERO
    assert one.beginning is Beginning.PROBE


def test_what_a_user_decides_is_not_planned():
    overrides = Overrides(epochs=3, batch=7, lr=0.5, head_lr=0.0)
    training = training_of(overrides=overrides)
    found = (training.epochs, training.batch, training.body_lr, training.head_lr)
    assert found == (3, 7, 0.5, 0.0)


@pytest.mark.parametrize(
    ("pictures", "batch", "strategy", "expected"),
    [
        (300, 32, Strategy.LP_FT, False),
        (1000, 32, Strategy.LP_FT, True),
        (1000, 8, Strategy.LP_FT, False),
        (300, 8, Strategy.SCRATCH, True),
    ],
)
def test_batch_normalisation_counts_where_batches_tell_enough(pictures, batch, strategy, expected):
    overrides = Overrides(batch=batch)
    assert training_of(strategy, pictures, overrides).has_statistics is expected
    assert not training_of(strategy, pictures, overrides, has_batch_norm=False).has_statistics


def test_small_pictures_are_cropped_less_and_dropout_is_for_what_begins_anew():
    assert training_of(crop_px=(32, 32)).crop_least > training_of().crop_least
    assert not training_of().has_dropout
    assert training_of(Strategy.SCRATCH).has_dropout


@pytest.mark.parametrize(
    ("strategy", "given", "more", "named"),
    [
        (Strategy.FULL, {"lr": math.nan}, {}, "'lr' has to be a finite number"),
        (Strategy.FULL, {"batch": 0}, {}, "'batch' has to be a whole number of 1 to 4096, not 0"),
        (Strategy.AUTO, {"epochs": 3}, {}, "'epochs' .* auto, which decides that by itself"),
        (Strategy.PROBE, {"epochs": 3}, {}, "'epochs' .* probe, which plans no training"),
        (Strategy.ZERO_SHOT, {}, {"classifier": Classifier.SVM}, "fits no classifier"),
        (Strategy.ZERO_SHOT, {}, {"layer": "best"}, "no codes of 'best'"),
    ],
)
def test_a_decision_without_a_meaning_is_refused_by_its_name(strategy, given, more, named):
    overrides = Overrides(**given)
    with pytest.raises(Invalid, match=named):
        check_overrides(strategy, overrides, **{"layer": "codes"} | more)


def test_every_decision_has_its_reason():
    _, reasons = plan_training(Strategy.PARTIAL, 300, make_facts(boundary="fire7"), Overrides())
    told = " ".join(reasons)
    for word in ("500 codes", "400 long", "'fire7' are frozen", "mirrored", "keeps its statistics"):
        assert word in told


@pytest.mark.parametrize(
    ("pictures", "strategy"),
    [
        (999, Strategy.PROBE),
        (1000, Strategy.PARTIAL),
        (19_999, Strategy.PARTIAL),
        (20_000, Strategy.LP_FT),
    ],
)
def test_auto_follows_the_number_of_pictures(pictures, strategy):
    found, reason = choose_strategy(pictures)
    assert found is strategy
    assert str(pictures) in reason
