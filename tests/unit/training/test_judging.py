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


def of_classes(*classes):
    """Give what each has right, and the classes: (only probe, only trained, both, neither) each."""
    parts = [right(*counts) for counts in classes]
    labels = np.repeat(range(len(parts)), [part.shape[1] for part in parts])
    return (*np.concatenate(parts, axis=1), labels)


@pytest.mark.parametrize(
    ("classes", "is_better"),
    [
        ([(0, 0, 40, 0), (0, 0, 2, 2)], False),
        ([(0, 0, 40, 0), (0, 1, 1, 2)], False),  # one picture is no proof
        ([(3, 0, 40, 0), (0, 3, 0, 1)], True),  # as many right, but a rare class is found
        ([(4, 0, 196, 0), (0, 6, 10, 4)], True),
        ([(0, 5, 40, 0), (2, 0, 2, 0)], False),  # more right, but a rare class is lost
        ([(0, 10, 186, 4), (0, 0, 10, 10)], True),
        ([(20, 0, 180, 0), (0, 2, 0, 2)], False),  # significantly fewer right
        ([(0, 2, 20, 4), (0, 2, 20, 4), (0, 0, 1, 0)], True),  # of which one tells nothing
    ],
)
def test_where_classes_are_weighed_each_counts_the_same(classes, is_better):
    probe, trained, labels = of_classes(*classes)
    verdict = judge(probe, trained, labels)
    assert verdict.is_better is is_better
    gains = [
        (only_trained - only_probe) / (only_probe + only_trained + both + neither)
        for only_probe, only_trained, both, neither in classes
    ]
    assert verdict.balanced_gain == pytest.approx(np.mean(gains))
    assert ("of balanced accuracy" in str(verdict)) == (probe != trained).any()
    assert {"balanced_gain", "balanced_error"} <= verdict.as_json().keys()


def test_without_weights_a_verdict_tells_of_no_balance():
    verdict = judge(*right(0, 4))
    assert "balanced" not in str(verdict)
    assert "balanced_gain" not in verdict.as_json()
