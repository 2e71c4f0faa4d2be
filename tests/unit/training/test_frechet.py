"""Fréchet distances of codes, and what is told of them."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from zoo.training.frechet import LEAST, frechet, measure_distance

WIDTH = 96


def draw(count, seed, *, shift=0.0, scale=1.0):
    """Codes of a kind: some directions vary much, most hardly do."""
    rng = np.random.default_rng(seed)
    spread = scale * 30 / np.arange(1, WIDTH + 1)
    mix = np.linalg.qr(np.random.default_rng(0).normal(size=(WIDTH, WIDTH)))[0]
    return (shift + rng.normal(size=(count, WIDTH)) * spread) @ mix


def test_the_distance_is_that_of_the_formula():
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=(40, 6)), 2 + rng.normal(size=(50, 6)) @ rng.normal(size=(6, 6))
    a, b = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    m, n = first.mean(axis=0), second.mean(axis=0)
    formula = ((m - n) ** 2).sum() + np.trace(a + b - 2 * sqrtm(a @ b).real)
    assert frechet(m, a, n, b) == pytest.approx(formula)
    assert frechet(m, a, m, a) == pytest.approx(0, abs=1e-9)


def test_in_one_dimension_it_is_that_of_means_and_deviations():
    one = np.ones((1, 1))
    assert frechet(np.zeros(1), 4 * one, 3 * np.ones(1), 25 * one) == pytest.approx(9 + 9)


@pytest.mark.parametrize("count", [50, 120, 500])
def test_pictures_of_the_same_kind_are_at_a_distance_of_about_one(count):
    reference = draw(400, 1).astype(np.float32)
    found = measure_distance(reference, draw(count, 2))
    assert found.ratio == pytest.approx(1, abs=0.5)
    assert found.pictures == min(count, 200)
    assert found.reference == 400


def test_the_farther_they_are_the_larger_it_is():
    reference = draw(300, 1)
    ratios = [
        measure_distance(reference, draw(200, 2, shift=shift)).ratio for shift in (0, 1, 3, 9)
    ]
    assert ratios == sorted(ratios)
    assert ratios[-1] > 10 * ratios[0]
    assert measure_distance(reference, draw(200, 2, scale=2)).ratio > 2


def test_the_same_codes_give_the_same_numbers():
    first, second = (measure_distance(draw(200, 1), draw(100, 2, shift=1)) for _ in range(2))
    assert first == second


def test_too_few_pictures_have_no_distance():
    reference = draw(100, 1)
    assert measure_distance(reference, draw(LEAST - 1, 2)) is None
    assert measure_distance(reference, draw(LEAST, 2)).pictures == LEAST


def test_the_reference_itself_is_no_farther_than_its_own_kind():
    codes = draw(200, 1)
    assert 0.4 < measure_distance(codes, codes).ratio <= 1


def test_codes_that_never_change_are_no_axes():
    codes = draw(100, 1)
    codes[:, 3:] = 7
    other = draw(100, 2)
    other[:, 3:] = 7
    assert measure_distance(codes, other).ratio == pytest.approx(1, abs=0.7)
    flat = np.full((60, 5), 2.0)
    assert measure_distance(flat, flat).ratio == 1
    assert measure_distance(flat, flat + 1).ratio > 1


def test_pictures_of_the_same_kind_are_as_far_where_codes_are_more_than_pictures():
    rng = np.random.default_rng(3)
    ratios = [
        measure_distance(rng.normal(size=(60, 500)), rng.normal(size=(60, 500))).ratio
        for _ in range(3)
    ]
    assert ratios == pytest.approx([1, 1, 1], abs=0.1)
