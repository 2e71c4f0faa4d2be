"""What codes are divided by before a head reads them."""

import numpy as np
import pytest
import torch

from zoo.domain.plan import Plan, Strategy
from zoo.training.learner import Learner
from zoo.training.probe import fit_probe
from zoo.training.spread import spread_of

LABELS = np.repeat([0, 1], 20)


@pytest.fixture
def codes():
    """40 codes of two classes, which the first of three units tells; the last one hardly woke."""
    draw = np.random.default_rng(0)
    found = draw.normal(size=(40, 3)).astype(np.float32)
    found[:, 0] += 6 * LABELS - 3
    found[:, 2] = 0
    found[7, 2] = 1e-5
    return found


@pytest.mark.parametrize("scale", [1e-4, 1, 1e5])
def test_codes_that_move_are_divided_by_their_deviation_on_every_scale(codes, scale):
    codes[:, 1] *= scale
    spread = spread_of(codes)
    assert spread[:2] == pytest.approx(codes[:, :2].std(axis=0))
    assert spread.dtype == codes.dtype


@pytest.mark.parametrize("awake", [0, 1, 2])
def test_a_unit_that_hardly_woke_counts_as_one_that_moves_as_others_do(codes, awake):
    codes[:, 2] = 0
    codes[:awake, 2] = 1e-5
    assert spread_of(codes)[2] == pytest.approx(np.median(codes[:, :2].std(axis=0)))


def test_a_unit_that_seldom_woke_but_went_far_keeps_its_deviation(codes):
    codes[7, 2] = 1000
    assert spread_of(codes)[2] == pytest.approx(codes[:, 2].std())


def test_codes_that_never_move_are_left_as_they_are():
    assert spread_of(np.full((5, 2), 3.0)).tolist() == [1, 1]


def test_a_unit_that_wakes_later_does_not_outweigh_what_tells_the_classes(codes):
    plan = Plan(strategy=Strategy.PROBE, c_grid=(1.0,), folds=0, balanced=False, seed=0, because=())
    probe = fit_probe(codes, LABELS, plan)
    awake = np.array([[-3, 0, 1], [3, 0, 1]], np.float32)
    scores = awake @ probe.weight.T + probe.bias
    assert scores.argmax(axis=1).tolist() == [0, 1]
    assert abs(scores).max() < 20
    learner = Learner(torch.nn.Identity(), codes, 2).begin_with(probe.weight, probe.bias)
    assert learner(torch.from_numpy(awake)).detach().numpy() == pytest.approx(scores, abs=1e-4)
