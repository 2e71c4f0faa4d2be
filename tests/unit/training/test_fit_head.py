"""Fitting a head on codes: what it says in torch is what was measured."""

import numpy as np
import pytest
import torch

from zoo.domain.dataset import Dataset, Picture, Split
from zoo.planning import plan_finetune
from zoo.training.codes import apply_head
from zoo.training.finetune import fit_head, labels_of, predict_codes


@pytest.fixture
def dataset():
    """Two classes, in an order that is not the alphabet's; test pictures have no codes."""
    counts = {Split.TRAIN: 20, Split.VAL: 5, Split.TEST: 1}
    return Dataset(
        name="insects",
        classes=("bee", "ant"),
        pictures=tuple(
            Picture(
                path=f"{split}/{label}/{number}",
                label=label,
                split=split,
                digest=f"{split}{label}{number}",
                size_bytes=1,
            )
            for split, count in counts.items()
            for label in ("ant", "bee")
            for number in range(count)
        ),
    )


@pytest.fixture
def codes(dataset):
    generator = np.random.default_rng(0)
    centres = {"ant": 1.0, "bee": -1.0}
    return {
        picture.digest: (centres[picture.label] + generator.normal(size=4)).astype(np.float32)
        for picture in dataset.pictures
        if picture.split is not Split.TEST
    }


def test_a_class_has_the_index_of_its_place(dataset):
    assert labels_of(dataset, Split.VAL).tolist() == [1] * 5 + [0] * 5


def test_a_head_is_measured_on_both_splits(dataset, codes):
    fit = fit_head(codes, dataset, plan_finetune(dataset, seed=0))
    assert set(fit.metrics) == {Split.TRAIN, Split.VAL}
    assert fit.metrics[Split.VAL].accuracy.total == 10
    assert fit.metrics[Split.VAL].accuracy.value > 0.8
    assert list(fit.metrics[Split.VAL].per_class) == ["bee", "ant"]


def test_the_probabilities_are_those_of_the_head_in_torch(dataset, codes):
    fit = fit_head(codes, dataset, plan_finetune(dataset, seed=0))
    stacked = np.stack([codes[picture.digest] for picture in dataset.of_split(Split.VAL)])
    head = torch.nn.Linear(4, 2)
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(fit.probe.weight))
        head.bias.copy_(torch.from_numpy(fit.probe.bias))
        expected = head(torch.from_numpy(stacked)).softmax(dim=1).numpy()
    assert fit.val_probabilities.dtype == np.float32
    assert fit.val_probabilities == pytest.approx(expected, abs=1e-6)
    assert np.array_equal(predict_codes(fit.probe, stacked), fit.val_probabilities)
    assert np.array_equal(apply_head(stacked, fit.probe.weight, fit.probe.bias), expected)


def test_validation_pictures_take_no_part_in_any_choice(dataset, codes):
    plan = plan_finetune(dataset, seed=0)
    others = codes | {
        picture.digest: -codes[picture.digest] for picture in dataset.of_split(Split.VAL)
    }
    assert np.array_equal(
        fit_head(codes, dataset, plan).probe.weight, fit_head(others, dataset, plan).probe.weight
    )
