"""Plans are written down with what they were made from."""

import json

from zoo.domain.plan import Plan, Strategy


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
