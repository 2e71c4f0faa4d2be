"""What a fine-tune decided beside what its repetition did, and what a difference tells."""

import pytest

from zoo.operations.decisions import Decisions, compare_decisions


def read(*, judged=(0.8, 0.9), c=1.0, taps=("codes",), training=None, candidate=None, **plan):
    candidates = [{"c": 10.0**at, "accuracy": one} for at, one in enumerate(judged)]
    told = {
        "plan": {"folds": 5, "balanced": True, "because": ["so"], "training": training, **plan},
        "codes": {"taps": list(taps), "depth": []},
    }
    head = {"c": c, "candidates": [one | (candidate or {}) for one in candidates]}
    return Decisions.read(told, head)


def test_the_same_decisions_are_no_difference_whatever_the_reasons_say():
    assert compare_decisions(read(), read(because=["otherwise told"])) == ({}, False)


@pytest.mark.parametrize(
    ("now", "plan"),
    [
        ({"folds": 3, "judged": (0.7, 0.8)}, {"folds": ("5", "3")}),
        ({"balanced": False}, {"balanced": ("true", "false")}),
        (
            {"candidate": {"balanced_accuracy": 0.7}},
            {"judged_by": ("accuracy", "balanced_accuracy")},
        ),
        ({"c": 10.0}, {"c": ("1.0", "10.0")}),  # of the same figures
        ({"taps": ["pool2"]}, {"taps": ('["codes"]', '["pool2"]')}),
    ],
)
def test_what_no_measurement_explains_was_planned_by_other_rules(now, plan):
    assert compare_decisions(read(), read(**now)) == (plan, True)


def test_what_is_chosen_of_other_figures_is_not_laid_to_the_rules():
    plan = {"c": ("1.0", "10.0")}
    assert compare_decisions(read(), read(c=10.0, judged=(0.8, 0.95))) == (plan, False)
    first, now = ({"candidate": {"balanced_accuracy": one}} for one in (0.7, 0.75))
    assert compare_decisions(read(**first), read(c=10.0, **now)) == (plan, False)


def test_rates_rest_on_measurements_and_rounding_is_no_decision():
    first = read(training={"body_lr": 1e-4, "epochs": 8})
    assert compare_decisions(first, read(training={"body_lr": 1.00001e-4, "epochs": 8}))[0] == {}
    found = compare_decisions(first, read(training={"body_lr": 2e-4, "epochs": 8}))
    assert found == ({"body_lr": ("0.0001", "0.0002")}, False)


def test_what_an_older_zoo_does_not_tell_is_no_difference():
    older = Decisions.read({"plan": {"folds": 5}}, {})
    assert compare_decisions(older, read(training={"mixup": 0.1})) == ({}, False)
