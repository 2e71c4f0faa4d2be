"""Which layer's codes to take."""

import numpy as np
import pytest

from zoo.domain.plan import Classifier, Plan, Strategy
from zoo.training.depth import DepthPoint, choose_tap, measure_depth


def make_plan(**given):
    return Plan(
        **{
            "strategy": Strategy.PROBE,
            "c_grid": (0.01, 0.1),
            "folds": 4,
            "balanced": False,
            "seed": 0,
            "because": (),
        }
        | given
    )


def point(layer, accuracy, error=0.01):
    return DepthPoint(layer=layer, codes=4, accuracy=accuracy, standard_error=error)


@pytest.mark.parametrize(
    ("accuracies", "chosen"),
    [
        ((0.7, 0.8, 0.9), "c"),
        ((0.7, 0.92, 0.9), "b"),
        ((0.7, 0.905, 0.9), "c"),  # within one standard error
        ((0.93, 0.92, 0.9), "a"),
        ((0.9, 0.9, 0.9), "c"),
    ],
)
def test_an_earlier_layer_has_to_be_better_by_more_than_one_standard_error(accuracies, chosen):
    points = tuple(map(point, "abc", accuracies))
    assert choose_tap(points).layer == chosen


def test_where_classes_are_weighed_the_balanced_accuracy_chooses():
    points = tuple(
        DepthPoint(
            layer=layer,
            codes=4,
            accuracy=accuracy,
            standard_error=0.01,
            balanced_accuracy=balanced,
            balanced_error=0.02,
        )
        for layer, accuracy, balanced in (("a", 0.8, 0.75), ("b", 0.95, 0.5), ("c", 0.9, 0.7))
    )
    assert choose_tap(points).layer == "a"
    assert choose_tap(points[1:]).layer == "c"
    assert points[0].as_json()["balanced_error"] == 0.02


@pytest.mark.parametrize("classifier", list(Classifier))
def test_codes_that_tell_the_classes_apart_are_found(classifier):
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    noise = rng.normal(size=(60, 5)).astype(np.float32)
    telling = (noise + 3 * np.eye(3, 5)[labels]).astype(np.float32)
    plan = make_plan(classifier=classifier)
    points = measure_depth({"early": telling, "late": noise}, labels, plan)
    assert [one.layer for one in points] == ["early", "late"]
    assert points[0].accuracy > 0.9
    assert points[1].accuracy < 0.6
    assert choose_tap(points).layer == "early"
    assert points[0].as_json()["codes"] == 5
