"""Schemes by their text."""

import pytest

from zoo.errors import Invalid
from zoo.filters.scheme import EVERY, parse_scheme, tell_schemes


@pytest.mark.parametrize(
    "text",
    [
        "he",
        "he+lsuv",
        "2dpca+lsuv",
        "library",
        "prototxt+lsuv",
        "gaussian:std=0.01,sparse=15",
        "msra:variance_norm=average",
        "uniform:min=-0.5,max=0.5+lsuv",
    ],
)
def test_a_scheme_is_written_as_it_is_read(text):
    assert str(parse_scheme(text)) == text


def test_options_are_read_in_any_order_and_with_spaces():
    assert parse_scheme(" gaussian:sparse=15, std=0.010 ") == parse_scheme(
        "gaussian:std=0.01,sparse=15"
    )


def test_lsuv_alone_is_that_of_its_authors():
    assert str(parse_scheme("lsuv")) == "orthogonal+lsuv"


def test_pca_alone_needs_pictures():
    needing = {name for name in EVERY if parse_scheme(name).needs_pictures}
    assert needing == {"pca", "2dpca"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("heh", r"no scheme 'heh'.*near it: he"),
        ("HE", r"no scheme 'HE'.*near it: he"),
        ("orthagonal+lsuv", r"near it: orthogonal"),
        ("", r"no scheme ''"),
        ("he+pca", r"'pca' that can follow"),
        ("he+lsuv+lsuv", r"'lsuv\+lsuv' that can follow"),
        ("he:std=1", r"'he' has no option 'std'; it has distribution, slope"),
        ("pca:size=5", r"'pca' has no option 'size'; it has none"),
        ("lsuv:tries=3", r"no scheme 'lsuv'"),
        ("gaussian:std", r"given std without a value"),
        ("gaussian:std=1,std=2", r"given std twice"),
        ("gaussian:std=-1", r"std=-1; it should be 0 or more"),
        ("gaussian:std=much", r"std=much; it should be a number"),
        ("gaussian:std=nan", r"std=nan; it should be a number"),
        ("constant:value=1e30", r"value=1e30; it should be a number from"),
        ("gaussian:sparse=1.5", r"sparse=1.5; it should be a whole number"),
        ("lenet-tutorial:pool=0", r"pool=0; it should be a whole number from 1"),
        ("msra:variance_norm=fan", r"it should be fan_in, fan_out or average"),
        ("uniform:min=2", r"a range from 2 to 1"),
    ],
)
def test_what_is_wrong_with_a_text_is_told(text, told):
    with pytest.raises(Invalid, match=told) as raised:
        parse_scheme(text)
    assert raised.value.hint


def test_every_scheme_is_told_with_its_formula():
    told = dict(tell_schemes())
    assert {name.partition("[")[0] for name in told} == set(EVERY)
    assert all(told.values())
    assert told["gaussian[:mean=,std=,sparse=]"].startswith("Caffe's: N(mean, std^2)")
