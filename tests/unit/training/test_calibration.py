"""The temperature of scores."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.training.calibration import FLATTEST, fit_temperature, softmax


def draw(temperature, *, count=20_000, seed=0):
    """Scores, and labels that are drawn with the probabilities of the scores at a temperature."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, 3, (count, 4))
    shares = softmax(scores / temperature).cumsum(axis=1)
    return scores, (rng.random((count, 1)) > shares[:, :-1]).sum(axis=1)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_the_temperature_that_labels_were_drawn_at_is_found(temperature):
    assert fit_temperature(*draw(temperature)) == pytest.approx(temperature, rel=0.05)


@given(seed=st.integers(0, 1000))
def test_no_other_temperature_has_less_log_loss(seed):
    scores, labels = draw(2.0, count=40, seed=seed)
    targets = np.full((40, 4), 1 / 42 / 3)
    targets[np.arange(40), labels] = 41 / 42

    def loss(temperature):
        return -(targets * np.log(softmax(scores / temperature) + 1e-300)).sum(axis=1).mean()

    best = fit_temperature(scores, labels)
    assert all(loss(best) <= loss(best * factor) + 1e-9 for factor in (0.9, 0.99, 1.01, 1.1))


@pytest.mark.parametrize("count", [10, 1000])
def test_being_always_right_makes_as_sure_as_there_are_pictures(count):
    labels = np.arange(count) % 2
    scores = np.eye(2)[labels]
    sure = softmax(scores / fit_temperature(scores, labels)).max(axis=1)
    assert sure == pytest.approx((count + 1) / (count + 2))


def test_scores_that_are_always_wrong_end_flat():
    scores = np.eye(3)
    assert fit_temperature(scores, np.roll(np.arange(3), 1)) == pytest.approx(1 / FLATTEST)
