"""Numbers of the command line are finite."""

import click
import pytest

from zoo.commands.numbers import Finite


@pytest.mark.parametrize("text", ["nan", "NaN", "inf", "-1", "1e400", "many"])
def test_what_is_no_finite_number_within_bounds_is_refused(text):
    with pytest.raises(click.BadParameter):
        Finite(0).convert(text, None, None)


def test_a_number_within_bounds_is_taken():
    assert Finite(0, 1).convert("0.25", None, None) == 0.25
