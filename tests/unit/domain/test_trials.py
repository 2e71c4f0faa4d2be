"""What is tried, and what falls behind."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.domain.training import Measured
from zoo.domain.trials import Choice, Halving, best_of, draw_trials
from zoo.errors import Invalid


def curve(*losses):
    return [
        Measured(epoch=epoch, rate=1, training_loss=None, held_out_loss=loss, held_out_accuracy=0)
        for epoch, loss in enumerate(losses)
    ]


def test_every_combination_is_tried_in_the_order_it_is_named():
    choices = [Choice.read("lr=0.1,0.01"), Choice.read("batch=16,32,16")]
    told = [one.as_json() for one in draw_trials(choices, count=None, seed=0)]
    assert told == [
        {"lr": 0.1, "batch": 16},
        {"lr": 0.1, "batch": 32},
        {"lr": 0.01, "batch": 16},
        {"lr": 0.01, "batch": 32},
    ]


def test_layers_and_schemes_are_words_and_names_may_be_written_as_options_are():
    assert Choice.read("freeze=conv1, conv2").values == ("conv1", "conv2")
    assert Choice.read("head-lr=1").name == "head_lr"


@given(st.integers(0, 2**32 - 1))
def test_what_is_drawn_lies_in_its_range_and_follows_from_the_seed(seed):
    choices = [Choice.read("lr=1e-4..0.1"), Choice.read("epochs=2..4"), Choice.read("mixup=0..1")]
    drawn = draw_trials(choices, count=5, seed=seed)
    assert drawn == draw_trials(choices, count=5, seed=seed)
    for one in drawn:
        assert 1e-4 <= one.lr <= 0.1
        assert one.epochs in {2, 3, 4}
        assert 0 <= one.mixup <= 1


def test_rates_are_drawn_by_their_magnitude():
    drawn = draw_trials([Choice.read("lr=1e-4..1")], count=400, seed=1)
    assert 60 < sum(one.lr < 1e-3 for one in drawn) < 140  # a fourth of them


def test_the_same_trial_is_not_drawn_twice():
    assert len(draw_trials([Choice.read("batch=8,16")], count=50, seed=0)) == 2


@pytest.mark.parametrize(
    "text",
    [
        "lr",
        "lr=",
        "devices=2",
        "name=a,b",
        "lr=fast",
        "batch=1.5",
        "lr=0..1",
        "lr=2..1",
        "mixup=1..1",
        "epochs=a..b",
        "batch=16,0",
        "epochs=100000",
        "epochs=1..100000",
        "lr=1000",
        "lr=0.1,nan",
        "lr=0.1..inf",
        "mixup=-1",
        "mixup=-1..1",
        f"freeze={'a' * 257}",
    ],
)
def test_what_is_no_choice_is_refused(text):
    with pytest.raises(Invalid):
        Choice.read(text)


@pytest.mark.parametrize(
    ("texts", "count"),
    [
        (["lr=0.1..1"], None),
        (["lr=1", "lr=2"], None),
        ([], 3),
        (["batch=1,2", f"lr={','.join(str(one) for one in range(1, 502))}"], None),
    ],
)
def test_what_has_no_end_or_no_meaning_is_refused(texts, count):
    with pytest.raises(Invalid):
        draw_trials([Choice.read(text) for text in texts], count=count, seed=0)


def test_trials_fall_behind_at_rungs_alone():
    halving = Halving(least=1, factor=3)
    assert not halving.is_behind(1, curve(3, 2.0, 1.9, 1.0))  # the first at its rungs
    assert halving.is_behind(2, curve(3, 2.5))
    assert not halving.is_behind(3, curve(3, 1.5, 9.0))  # 2 epochs are no rung
    assert halving.is_behind(3, curve(3, 1.5, 9.0, 9.0))
    assert not halving.is_behind(4, curve(3, 0.5))
    assert not halving.is_behind(4, curve(3, 0.5))  # told again


def test_a_third_of_those_that_came_to_a_rung_go_on():
    halving = Halving(least=2, factor=3)
    behind = [halving.is_behind(n, curve(9, 9, loss)) for n, loss in enumerate([6, 5, 4, 3, 2, 1])]
    assert behind == [False] * 6  # each was the best so far
    behind = [halving.is_behind(9 + n, curve(9, 9, one)) for n, one in enumerate([1.5, 5.5, 1.9])]
    assert behind == [False, True, False]  # second of seven, seventh of eight, third of nine


def test_the_best_epoch_is_that_of_the_lowest_loss():
    assert best_of(curve(3, 1, 2)).epoch == 1
    assert best_of([]) is None
