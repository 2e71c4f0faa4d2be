"""A trained network takes the probe's place only if it is better."""

import numpy as np
import pytest
import torch

from zoo.training.judging import choose_mix, judge


def right(only_probe, only_trained, both=50, neither=10):
    parts = ((True, False, only_probe), (False, True, only_trained), (True, True, both))
    rows = [row for *row, count in (*parts, (False, False, neither)) for _ in range(count)]
    return np.array(rows, bool).T


@pytest.mark.parametrize(
    ("only_probe", "only_trained", "is_better"),
    [(0, 0, False), (0, 1, False), (1, 1, False), (9, 2, False), (0, 4, True), (3, 20, True)],
)
def test_a_gain_counts_from_one_standard_error_on(only_probe, only_trained, is_better):
    verdict = judge(*right(only_probe, only_trained))
    assert verdict.is_better is is_better
    assert verdict.gain == pytest.approx((only_trained - only_probe) / verdict.pictures)
    assert ("takes its place" in str(verdict)) is is_better
    assert ("the probe stays" in str(verdict)) is not is_better


def test_a_small_gain_on_many_pictures_counts_by_mcnemar():
    verdict = judge(*right(200, 260, both=99_000))
    assert verdict.p < 0.05
    assert verdict.is_better


def test_the_mix_is_the_one_with_the_least_loss():
    before, after = {"w": torch.zeros(1)}, {"w": torch.ones(1), "n": torch.tensor(3)}
    before["n"] = torch.tensor(0)
    labels = np.array([0, 1])

    def score(state):
        closeness = 4 - abs(float(state["w"]) - 0.75) * 4
        assert int(state["n"]) == 3
        return np.array([[closeness, 0.0], [0.0, closeness]])

    state, tried, chosen = choose_mix(before, after, score, labels)
    assert chosen.share == 0.75
    assert float(state["w"]) == pytest.approx(0.75)
    assert [mix.share for mix in tried] == [0, 0.25, 0.5, 0.75, 1]
    assert chosen.loss == min(mix.loss for mix in tried)
