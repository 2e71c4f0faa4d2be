"""Plans are written down with what they were made from."""

import json
from dataclasses import replace

from zoo.domain.plan import BEST, Classifier, Plan, Strategy


def test_what_is_written_is_read_back():
    plan = Plan(
        strategy=Strategy.PROBE,
        c_grid=(0.1, 1.0),
        folds=5,
        balanced=True,
        seed=3,
        because=("few pictures", "classes of unequal size"),
    )
    assert Plan.from_json(json.loads(json.dumps(plan.as_json()))) == plan
    other = replace(plan, layer=BEST, classifier=Classifier.SVM)
    assert Plan.from_json(json.loads(json.dumps(other.as_json()))) == other


def test_a_plan_of_before_there_was_a_choice_is_one_of_codes_and_logistic_regression():
    plan = Plan(
        strategy=Strategy.PROBE, c_grid=(1.0,), folds=0, balanced=False, seed=3, because=("few",)
    )
    written = plan.as_json()
    del written["layer"], written["classifier"]
    assert Plan.from_json(written) == plan
