"""What advice rests on: the scenario, the learning curve, the network's own classes."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from zoo.domain.plan import Plan, Strategy
from zoo.training.depth import DepthPoint
from zoo.training.learningcurve import CurvePoint, measure_curve, predict_gain
from zoo.training.metrics import Z_95, share_error, wilson
from zoo.training.quadrant import count_known, find_quadrant
from zoo.training.similarity import measure_similarity

PLAN = Plan(
    strategy=Strategy.PROBE, c_grid=(0.01, 1.0), folds=5, balanced=False, seed=0, because=()
)


def along(*accuracies, error=0.01):
    names = [f"layer{number}" for number in range(1, len(accuracies))] + ["codes"]
    return [
        DepthPoint(layer=name, codes=8, accuracy=accuracy, standard_error=error)
        for name, accuracy in zip(names, accuracies, strict=True)
    ]


def scenario(*accuracies, twin=0.5, known=1.0, pictures=300, looked_at=1000, error=0.01, **given):
    return find_quadrant(
        pictures,
        along(*accuracies, error=error),
        along(*([twin] * len(accuracies))),
        looked_at=looked_at,
        known_share=known,
        **given,
    )


def test_a_layer_at_chance_is_never_advised():
    given = {"known": 0.0, "looked_at": 30, "twin": 0.5}
    assert scenario(0.57, 0.6, 0.72, **given).tap == "layer1"  # it cannot be told from the best
    found = scenario(0.57, 0.6, 0.72, chance=0.5, **given)
    assert (found.name, found.tap) == ("small + different", "codes")
    assert "layer1 are not clearly above chance, 0.500" in found.because[-1]
    none = scenario(0.55, 0.6, 0.6, chance=0.5, **given)
    assert none.tap is None
    assert "none can be advised" in none.because[-1]
    assert none.as_json()["tap"] is None


def test_a_last_layer_at_chance_is_not_advised_either():
    found = scenario(0.5, 0.7, 0.66, twin=0.5, known=1.0, looked_at=40, chance=0.51)
    assert not found.is_similar
    assert found.tap == "layer2"
    assert scenario(0.6, 0.62, twin=0.5, looked_at=20, chance=0.5).tap is None


def test_chance_changes_nothing_where_all_is_above_it():
    told = [scenario(0.7, 0.89, 0.9, known=0.2, chance=chance) for chance in (0.0, 0.5)]
    assert told[0] == told[1]


def test_where_classes_are_weighed_the_scenario_goes_by_balanced_accuracy():
    def level(layer, accuracy, balanced):
        given = {"balanced_accuracy": balanced, "balanced_error": 0.01, "standard_error": 0.01}
        return DepthPoint(layer=layer, codes=8, accuracy=accuracy, **given)

    points = [level("a", 0.95, 0.5), level("b", 0.92, 0.8), level("codes", 0.93, 0.7)]
    twin = [level("a", 0.9, 0.5)] * 3
    found = find_quadrant(300, points, twin, looked_at=200, known_share=None, chance=0.5)
    assert (found.tap, found.is_similar) == ("b", False)
    assert found.twin_gain == pytest.approx(0.2)


def test_the_last_layer_serves_pictures_that_are_similar():
    found = scenario(0.7, 0.8, 0.9)
    assert (found.name, found.tap) == ("small + similar", "codes")
    assert found.twin_gain == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("accuracies", "given"),
    [
        ((0.7, 0.93, 0.9), {}),  # an earlier layer is better
        ((0.7, 0.89, 0.9), {"twin": 0.86}),  # random weights do nearly as well
        ((0.7, 0.89, 0.9), {"known": 0.2}),  # its own classes do not tell them apart
    ],
)
def test_pictures_that_fail_one_condition_are_different(accuracies, given):
    found = scenario(*accuracies, **given)
    assert (found.name, found.tap) == ("small + different", "layer2")


def test_of_different_pictures_a_much_better_last_layer_is_kept():
    assert scenario(0.5, 0.7, 0.9, known=0.1).tap == "codes"


def test_folds_that_agree_do_not_make_few_pictures_certain():
    accuracies = {"known": 0.0, "looked_at": 100}
    assert scenario(0.7, 0.86, 0.9, **accuracies).tap == "layer2"
    assert scenario(0.7, 0.86, 0.9, known=0.0, looked_at=10_000).tap == "codes"


def test_all_right_is_no_certainty():
    # One of forty less is no more than chance may do.
    found = scenario(1.0, 0.975, twin=0.5, looked_at=40, error=0.0)
    assert found.is_similar
    assert "layer1 with 1.000 +- 0.045" in found.because[1]
    assert "within one error off" in found.because[1]
    # Nor is the earliest layer that has none wrong the only one that serves.
    given = {"known": 0.0, "error": 0.0}
    assert scenario(0.9, 0.975, 1.0, looked_at=40, **given).tap == "layer2"
    assert scenario(0.9, 0.975, 1.0, looked_at=4000, **given).tap == "codes"


@pytest.mark.parametrize(
    ("pictures", "size"), [(999, "small"), (1000, "medium"), (19_999, "medium"), (20_000, "large")]
)
def test_sizes_are_those_of_the_plans(pictures, size):
    assert scenario(0.7, 0.9, pictures=pictures).size.value == size


def test_every_number_of_the_rule_is_told():
    told = " ".join(scenario(0.712, 0.934, 0.945, twin=0.678, known=0.43).because)
    for number in ("300", "1000", "20000", "0.945", "0.678", "+26.7", "0.43", "0.25"):
        assert number in told


def test_a_bound_is_met_whatever_rounding_made_of_it():
    assert 0.1 + 0.2 - 0.25 - 0.05 != 0  # as such differences are
    for twin in (0.03, 0.07, 0.11, 0.13, 0.19, 0.41):
        assert scenario(0.02, 0.05 + twin, twin=twin).is_similar
    assert not scenario(0.02, 0.0499 + 0.13, twin=0.13).is_similar


def test_without_enough_classes_of_its_own_a_network_is_judged_by_the_rest():
    found = scenario(0.7, 0.9, known=None)
    assert found.is_similar
    assert "fewer classes" in " ".join(found.because)


@pytest.mark.parametrize(("zero_shot", "expected"), [(0.5, 0), (0.3, 0), (0.7, 0.5), (0.9, 1)])
def test_what_is_known_is_counted_from_chance(zero_shot, expected):
    assert count_known(zero_shot, 0.9, 0.5) == pytest.approx(expected)


def curve(*errors, first=100, error=0.004):
    return [
        CurvePoint(pictures=first * 2**place, accuracy=1 - wrong, standard_error=error)
        for place, wrong in enumerate(errors)
    ]


def test_a_power_law_is_gone_on_with():
    gain = predict_gain(curve(0.4, 0.2, 0.1, 0.05), 800)
    assert gain.points == pytest.approx(2.5, abs=0.3)
    assert 0 < gain.standard_error < 1
    assert 0 < gain.low < gain.points < gain.high <= 5


def test_a_flat_curve_may_buy_something_or_nothing_and_says_so():
    gain = predict_gain(curve(0.1, 0.1, 0.1, 0.1), 800)
    assert gain.points == pytest.approx(0, abs=0.1)
    assert gain.low < -0.1 < 0.1 < gain.high


def test_noise_alone_buys_nothing_in_the_mean():
    rng = np.random.default_rng(0)
    gains = [predict_gain(curve(*rng.normal(0.1, 0.01, 4), error=0.01), 800) for _ in range(200)]
    assert abs(np.mean([gain.points for gain in gains])) < 0.5
    # Of curves that tell nothing, one in forty at most is taken for one that rises.
    assert np.mean([gain.low > 0 for gain in gains]) < 0.06
    assert np.mean([gain.low <= 0 <= gain.high for gain in gains]) > 0.9


def test_a_curve_that_falls_is_not_said_to_rise():
    gain = predict_gain(curve(0.1, 0.12, 0.14, 0.2), 800)
    assert gain.high < 0
    assert gain.low >= -100


def test_a_curve_that_falls_ends_at_the_worst_that_was_seen():
    gain = predict_gain(curve(0.005, 0.01, 0.03, 0.04, error=0.005), 10_000)
    assert -3 < gain.low <= gain.points <= 0


def test_uncertain_points_make_an_uncertain_gain():
    sure, unsure = (predict_gain(curve(0.4, 0.3, 0.2, 0.15, error=e), 800) for e in (0.002, 0.04))
    assert unsure.standard_error > 3 * sure.standard_error


def test_two_points_tell_nothing():
    assert predict_gain(curve(0.4, 0.2), 100) is None


def test_a_curve_is_measured_on_growing_parts():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 40)
    codes = (rng.normal(size=(80, 3)) + labels[:, None] * 1.5).astype(np.float32)
    points = measure_curve(codes, labels, PLAN)
    assert [point.pictures for point in points] == [20, 40, 60, 80]
    assert all(0.6 < point.accuracy <= 1 for point in points)


def test_parts_with_a_single_picture_of_a_class_are_left_out():
    labels = np.repeat([0, 1], 4)
    codes = np.random.default_rng(0).normal(size=(8, 2)).astype(np.float32)
    assert [point.pictures for point in measure_curve(codes, labels, PLAN)] == [4, 6, 8]


def test_a_rare_class_does_not_end_the_curve():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [40, 40, 3])
    codes = (rng.normal(size=(83, 3)) + labels[:, None] * 1.5).astype(np.float32)
    points = measure_curve(codes, labels, replace(PLAN, balanced=True))
    assert [point.pictures for point in points] == [21, 42, 62, 83]
    assert all(0.6 < point.balanced_accuracy <= 1 for point in points)
    assert predict_gain(points, 100) is not None


def test_rare_classes_stand_for_something_and_are_not_counted():
    scores = np.repeat(np.eye(3, 4) * 9, [10, 5, 1], axis=0)
    scores[9] = scores[10]
    labels = np.repeat([0, 1, 2], [10, 5, 1])
    known = ("a", "b", "c", "d")
    found = measure_similarity(scores, labels, ("x", "y", "z"), known, replace(PLAN, balanced=True))
    assert found.stands_for == ("a", "b", "c")
    assert found.zero_shot == pytest.approx(14 / 15)
    assert found.judged == found.zero_shot_balanced == pytest.approx((0.9 + 1) / 2)
    plain = measure_similarity(scores, labels, ("x", "y", "z"), known, PLAN)
    assert plain.judged == plain.zero_shot
    assert "zero_shot_balanced" not in plain.as_json()


def test_similarity_tells_which_classes_light_up():
    scores = np.array([[8.0, 0, 0], [8, 0, 0], [0, 0, 8], [0, 8, 0]])
    labels = np.array([0, 0, 1, 1])
    plan = replace(PLAN, folds=2)
    found = measure_similarity(scores, labels, ("ant", "bee"), ("emmet", "fly", "wasp"), plan)
    assert found.stands_for == ("emmet", "fly")
    # Of the bees each is held out once, and the other one lights up another class.
    assert found.zero_shot == 0.5
    assert found.distinct == 3
    assert found.lit["ant"][0][0] == "emmet"
    assert found.entropy < 0.1 < found.most_entropy
    assert measure_similarity(scores[:, :1], labels, ("ant", "bee"), ("emmet",), plan) is None


def test_classes_that_stand_for_noise_tell_no_more_than_chance():
    drawing = np.random.default_rng(0)
    known, labels, told = [str(one) for one in range(300)], np.repeat([0, 1], 10), []
    for _ in range(20):
        found = measure_similarity(drawing.normal(size=(20, 300)), labels, ("a", "b"), known, PLAN)
        told.append(found.zero_shot)
    assert 0.4 < np.mean(told) < 0.6


def test_no_more_is_bought_than_is_missing():
    assert predict_gain(curve(0.2, 0.1, 0.0, error=0.05), 1000).points == 0
    gain = predict_gain(curve(0.2, 0.1, 0.05, error=0.02), 10**6)
    assert gain.points <= 5
    assert "all_right" not in gain.as_json()


def test_where_all_are_right_a_gain_is_bounded_by_what_so_many_leave_open():
    told = [predict_gain(curve(0.1, 0, 0, first=n, error=0), 200).as_json() for n in (10, 1000)]
    assert [one["all_right"] for one in told] == [40, 4000]
    assert [one["points"] for one in told] == [0, 0]
    assert [one["high"] for one in told] == [
        pytest.approx(100 * (1 - wilson(total, total).low)) for total in (40, 4000)
    ]


def test_what_is_weighed_leaves_open_what_so_few_of_equal_classes_would():
    points = curve(0.1, 0, 0, error=0)
    plain, few = (predict_gain(points, 200, told=told) for told in (None, 19.0))
    assert plain.all_right == few.all_right
    assert few.high == pytest.approx(100 * (1 - wilson(19, 19).low))
    assert few.high > plain.high


def test_the_table_of_layers_is_no_surer_than_its_pictures():
    from zoo.worker.depth import tell_depth  # noqa: PLC0415  # torch

    def point(accuracy, balanced=None):
        return DepthPoint(
            layer="codes",
            codes=2,
            accuracy=accuracy,
            standard_error=0.01,
            balanced_accuracy=balanced,
            balanced_error=None if balanced is None else 0.0,
        )

    sample = SimpleNamespace(counts={"a": 30, "b": 3}, told=10.9)
    sure, weighed, usual = (point(1.0), point(1.0, 1.0), point(0.9, 0.8))
    rows = tell_depth((sure, weighed, usual), (usual, usual, usual), None, sample)
    assert [row["standard_error"] for row in rows] == [share_error(1.0, 33)] * 2 + [0.01]
    assert [row.get("balanced_error") for row in rows] == [None, share_error(1.0, 10.9), 0.0]


def test_a_share_of_all_or_none_has_an_error_and_any_other_its_plain_one():
    for total in (3, 40, 1000):
        error = share_error(1.0, total)
        assert error == share_error(0.0, total)
        assert 1 - Z_95 * error == pytest.approx(wilson(total, total).low)
        for wrong in (1, total // 2):
            share = 1 - wrong / total
            assert share_error(share, total) == (share * (1 - share) / total) ** 0.5


def test_own_classes_that_are_all_right_are_no_certainty():
    from zoo.worker.advise import _level_of  # noqa: PLC0415  # torch

    similarity = SimpleNamespace(zero_shot=1.0, zero_shot_balanced=1.0)
    sample = SimpleNamespace(counts={"a": 30, "b": 3}, told=10.9)
    found = _level_of(similarity, sample)
    assert found.standard_error == share_error(1.0, 33) > 0
    assert found.balanced_error == share_error(1.0, 10.9) > found.standard_error


@pytest.mark.parametrize(("accuracy", "error"), [(1.0, 0.0), (0.95, 0.0), (0.5, 0.2)])
def test_a_prediction_is_no_surer_than_its_pictures(accuracy, error):
    from zoo.worker.advise import _interval  # noqa: PLC0415  # torch

    point = DepthPoint(layer="codes", codes=2, accuracy=accuracy, standard_error=error)
    told, least = _interval(point, 20), wilson(round(20 * accuracy), 20)
    assert told["low"] <= least.low
    assert told["high"] >= least.high
    assert told["low"] <= max(0, accuracy - 1.9 * error)
