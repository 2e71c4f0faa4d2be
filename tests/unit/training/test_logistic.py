"""Logistic regression ends where scikit-learn's does when that is asked to be exact."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from zoo.training.logistic import fit_logistic

PATH = (1e-4, 1e-2, 1.0, 100.0)


def make_codes(counts, *, width, apart=0.5, seed=0):
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    centres = generator.normal(size=(len(counts), width)) * apart
    codes = centres[labels] + generator.normal(size=(len(labels), width))
    return (codes - codes.mean(axis=0)) / codes.std(axis=0), labels


def fit_reference(codes, labels, c, shares):
    model = LogisticRegression(C=c, tol=1e-10, max_iter=100_000)
    return model.fit(codes, labels, sample_weight=shares)


@pytest.mark.parametrize("counts", [(30, 30), (40, 9), (25, 20, 15), (12, 11, 10, 9)])
@pytest.mark.parametrize("width", [5, 200])
@pytest.mark.parametrize("is_weighed", [False, True])
def test_each_c_of_a_path_ends_at_the_optimum(counts, width, is_weighed):
    codes, labels = make_codes(counts, width=width)
    by_class = len(labels) / (len(counts) * np.array(counts))
    shares = by_class[labels] if is_weighed else np.ones(len(labels))
    for c, head in zip(PATH, fit_logistic(codes, labels, PATH, shares), strict=True):
        model = fit_reference(codes, labels, c, shares)
        weight, bias = model.coef_, model.intercept_
        if len(counts) == 2:
            weight, bias = np.vstack([-weight, weight]) / 2, np.hstack([-bias, bias]) / 2
        assert head.weight == pytest.approx(weight, abs=2e-3 * np.abs(weight).max())
        assert head.bias == pytest.approx(bias - bias.mean(), abs=2e-3 * np.abs(weight).max())


@pytest.mark.parametrize("width", [5, 200])
def test_a_fit_on_the_way_is_the_fit_alone(width):
    codes, labels = make_codes((20, 15, 10), width=width)
    shares = np.ones(len(labels))
    *_, last = fit_logistic(codes, labels, PATH, shares)
    (alone,) = fit_logistic(codes, labels, PATH[-1:], shares)
    assert alone.weight == pytest.approx(last.weight, abs=1e-3 * np.abs(last.weight).max())


def test_codes_of_more_axes_than_are_turned_end_at_the_same_place(monkeypatch):
    codes, labels = make_codes((20, 15, 10), width=60)
    shares = np.ones(len(labels))
    turned = list(fit_logistic(codes, labels, PATH, shares))
    monkeypatch.setattr("zoo.training.logistic.TURNED", 10)
    plain = list(fit_logistic(codes, labels, PATH, shares))
    for one, other in zip(turned, plain, strict=True):
        assert one.weight == pytest.approx(other.weight, abs=1e-3 * np.abs(other.weight).max())
        assert one.bias == pytest.approx(other.bias, abs=1e-3 * np.abs(other.weight).max())


@pytest.mark.parametrize("counts", [(10, 10), (10, 12, 14)])
@pytest.mark.parametrize("width", [7, 70])
def test_pictures_that_are_all_alike_are_told_by_how_many_each_class_has(counts, width):
    labels = np.repeat(np.arange(len(counts)), counts)
    (head,) = fit_logistic(np.zeros((len(labels), width)), labels, [1.0], np.ones(len(labels)))
    assert np.array_equal(head.weight, np.zeros((len(counts), width)))
    powers = np.exp(head.bias)
    assert powers / powers.sum() == pytest.approx(np.array(counts) / sum(counts), abs=1e-6)


def test_classes_that_a_line_divides_end_too():
    codes, labels = make_codes((30, 30, 30), width=40, apart=20.0)
    *_, head = fit_logistic(codes, labels, [1e-3, 1e6], np.ones(len(labels)))
    assert np.isfinite(head.weight).all()
    assert (head.scores(codes).argmax(axis=1) == labels).all()
