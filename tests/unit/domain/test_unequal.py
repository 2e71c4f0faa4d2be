"""What is told beside an accuracy on classes of unequal size."""

import pytest

from zoo.domain.unequal import is_weighed


@pytest.mark.parametrize(
    ("summary", "weighed"),
    [
        ({"balanced": False, "unequal": {}}, False),
        ({"balanced": True}, True),
        ({"unequal": {}}, True),  # of before
        ({}, False),
    ],
)
def test_a_summary_tells_whether_classes_were_weighed(summary, weighed):
    assert is_weighed(summary) is weighed
