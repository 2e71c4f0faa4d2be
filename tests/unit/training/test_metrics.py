"""Accuracies with intervals that can be looked up."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.domain.unequal import tell_unequal
from zoo.training.metrics import calibration_error, compare, find_unequal, measure, wilson


@pytest.mark.parametrize(
    ("right", "total", "low", "high"),
    [
        (143, 153, 0.884, 0.964),
        (0, 10, 0.000, 0.278),
        (10, 10, 0.722, 1.000),
        (5, 10, 0.237, 0.763),
        (81, 263, 0.255, 0.366),  # Newcombe 1998, table I, method 3
        (15, 148, 0.062, 0.161),
        (1, 29, 0.006, 0.172),
    ],
)
def test_an_interval_is_wilsons(right, total, low, high):
    found = wilson(right, total)
    assert found.value == right / total
    assert (found.low, found.high) == (pytest.approx(low, abs=6e-4), pytest.approx(high, abs=6e-4))


@given(total=st.integers(1, 10**6), data=st.data())
def test_an_interval_holds_its_share_and_stays_in_0_to_1(total, data):
    found = wilson(data.draw(st.integers(0, total)), total)
    assert 0 <= found.low <= found.value <= found.high <= 1


@given(total=st.integers(1, 1000), data=st.data())
def test_more_pictures_of_the_same_share_are_surer(total, data):
    right = data.draw(st.integers(0, total))
    few, many = wilson(right, total), wilson(10 * right, 10 * total)
    assert many.high - many.low < few.high - few.low


def test_of_no_pictures_nothing_is_known():
    found = wilson(0, 0)
    assert math.isnan(found.value)
    assert (found.low, found.high, found.total) == (0.0, 1.0, 0)


PROBABILITIES = np.array(
    [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.6, 0.3, 0.1], [0.2, 0.2, 0.6]], np.float32
)
LABELS = np.array([0, 1, 1, 2])


@pytest.fixture
def metrics():
    return measure(PROBABILITIES, LABELS, ["ant", "bee", "fly"])


def test_rows_of_the_confusion_are_the_true_classes(metrics):
    assert metrics.confusion == ((1, 0, 0), (1, 1, 0), (0, 0, 1))


def test_the_right_ones_are_counted_in_all_and_by_class(metrics):
    assert (metrics.accuracy.right, metrics.accuracy.total) == (3, 4)
    found = {label: (one.right, one.total) for label, one in metrics.per_class.items()}
    assert found == {"ant": (1, 1), "bee": (1, 2), "fly": (1, 1)}


def test_the_log_loss_is_the_mean_surprise(metrics):
    surprises = [-math.log(p) for p in (0.7, 0.8, 0.3, 0.6)]
    assert metrics.log_loss == pytest.approx(sum(surprises) / 4, rel=1e-6)


def test_a_class_held_impossible_costs_much_but_not_everything():
    found = measure(np.array([[1.0, 0.0]]), np.array([1]), ["ant", "bee"])
    assert 20 < found.log_loss < 40


def test_what_is_measured_can_be_written_as_json(metrics):
    data = json.loads(json.dumps(metrics.as_json(), allow_nan=False))
    assert data["confusion"] == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
    assert data["accuracy"]["right"] == 3


def test_confidence_that_is_earned_is_no_calibration_error():
    probabilities = np.tile([0.8, 0.2], (10, 1))
    labels = np.array([0] * 8 + [1] * 2)
    assert calibration_error(probabilities, labels) == pytest.approx(0)


def test_a_calibration_error_is_the_mean_gap_over_the_bins():
    # Four pictures at .9, one of them wrong; two at .6, both right.
    probabilities = np.array([[0.9, 0.1]] * 4 + [[0.6, 0.4]] * 2)
    labels = np.array([0, 0, 0, 1, 0, 0])
    assert calibration_error(probabilities, labels) == pytest.approx((4 * 0.15 + 2 * 0.4) / 6)


@given(st.integers(1, 60), st.integers(2, 6), st.integers(0, 2**32 - 1))
def test_a_calibration_error_lies_between_0_and_1(count, classes, seed):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(classes), count)
    found = calibration_error(probabilities, rng.integers(0, classes, count))
    assert 0 <= found <= 1


@pytest.mark.parametrize(
    ("only_first", "only_second", "p"),
    [
        (0, 0, 1.0),
        (5, 5, 1.0),
        (0, 5, 2 / 2**5),
        (1, 9, 2 * (1 + 10) / 2**10),
        (10, 2, 2 * (1 + 12 + 66) / 2**12),
    ],
)
def test_mcnemars_test_is_a_toss_for_each_picture_that_one_alone_has_right(
    only_first, only_second, p
):
    first = np.array([True] * only_first + [False] * only_second + [True, False, True])
    second = np.array([False] * only_first + [True] * only_second + [True, False, True])
    found = compare(first, second)
    assert (found.only_first, found.only_second) == (only_first, only_second)
    assert (found.both, found.neither) == (2, 1)
    assert found.p == pytest.approx(p)


def test_mcnemars_test_takes_many_pictures():
    first = np.arange(100_000) % 2 == 0
    assert compare(first, ~first).p == pytest.approx(1, abs=0.01)


def test_a_class_without_pictures_has_no_accuracy():
    found = measure(
        np.array([[0.9, 0.05, 0.05], [0.2, 0.7, 0.1]]), np.array([0, 1]), ["a", "b", "c"]
    )
    assert found.per_class.keys() == {"a", "b"}
    json.dumps(found.as_json(), allow_nan=False)


def measured(*rows):
    """Measure pictures of which so many of each class are right and wrong: (right, wrong)."""
    labels = np.repeat(range(len(rows)), [right + wrong for right, wrong in rows])
    said = np.concatenate(
        [[at] * right + [(at + 1) % len(rows)] * wrong for at, (right, wrong) in enumerate(rows)]
    )
    return measure(np.eye(len(rows))[said], labels, ["ok", "defect", "dust"][: len(rows)])


def test_what_always_the_largest_class_has_is_told_where_classes_are_unequal():
    found = find_unequal(measured((57, 3), (1, 5)))
    assert (found.label, found.share) == ("ok", 60 / 66)
    assert found.balanced_accuracy == pytest.approx((57 / 60 + 1 / 6) / 2)
    told = tell_unequal(found.as_json())
    assert told == (
        "always 'ok' would have 0.909; balanced accuracy, the mean of each class's own, 0.558"
    )


def test_classes_of_like_size_need_no_more_than_their_accuracy():
    assert find_unequal(measured((28, 2), (9, 1))) is None
    assert find_unequal(measured((28, 2), (9, 1)), is_weighed=True) is not None
    assert find_unequal(measured((9, 1), (9, 1)), is_weighed=True) is None
    assert tell_unequal(None) == ""
