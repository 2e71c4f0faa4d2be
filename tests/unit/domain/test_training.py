"""What an epoch says of itself is understood again."""

import pytest

from zoo.domain.training import Measured, Overrides, Rates
from zoo.errors import Invalid


@pytest.mark.parametrize("training_loss", [None, 0.0, 1.25e-7, 479.25, 3.5e12])
def test_what_an_epoch_says_is_read_again(training_loss):
    one = Measured(
        epoch=12,
        rate=0.528,
        training_loss=training_loss,
        held_out_loss=0.125,
        held_out_accuracy=0.9375,
    )
    assert Measured.read(str(one)) == one


@pytest.mark.parametrize("text", ["", "steps", "epoch 3: held-out loss nan", "epoch x: held-out"])
def test_anything_else_is_no_epoch(text):
    assert Measured.read(text) is None


@pytest.mark.parametrize("layer", ["", "pool1", "features.3", "a; frozen up to b", "two\nlines"])
def test_the_sentence_of_rates_is_read_again(layer):
    one = Rates(epochs=12, head=0.0078125, body=4e-5, layer_decay=0.75, frozen_up_to=layer)
    assert Rates.read(str(one)) == one


@pytest.mark.parametrize("text", ["", "12 epochs at most", "no layer is frozen"])
def test_another_sentence_tells_no_rates(text):
    assert Rates.read(text) is None


@pytest.mark.parametrize(
    "given",
    [
        {"epochs": 1, "batch": 1, "lr": 0.0, "head_lr": 0.0, "mixup": 0.0, "devices": 1},
        {"epochs": 10_000, "batch": 4096, "lr": 100, "head_lr": 100.0, "mixup": 10, "devices": 64},
        {"freeze": "a" * 256, "init": "he"},
        {},
    ],
)
def test_decisions_within_their_ranges_are_taken(given):
    Overrides(**given).check()


@pytest.mark.parametrize(
    "given",
    [
        {"epochs": 0},
        {"epochs": 10_001},
        {"epochs": 1.5},
        {"batch": 0},
        {"batch": True},
        {"batch": "8"},
        {"lr": -1e-9},
        {"lr": 100.1},
        {"head_lr": float("inf")},
        {"mixup": float("nan")},
        {"devices": 65},
        {"freeze": ""},
        {"init": "a" * 257},
        {"init": "a\0"},
    ],
)
def test_a_decision_out_of_its_range_is_refused_by_its_name(given):
    with pytest.raises(Invalid, match=f"'{next(iter(given))}' has to be"):
        Overrides(lr=0.1, **given).check() if "lr" not in given else Overrides(**given).check()
