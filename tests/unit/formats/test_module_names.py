"""Names of modules: never a line of a program, never a word that means something else."""

from ast import literal_eval

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.formats.module_names import as_module_name


@pytest.mark.parametrize("name", ["conv1", "fire2/squeeze1x1", "fc 6", "0", "größe", "a:b", "it's"])
def test_ordinary_names_stay(name):
    assert as_module_name(name) == name


@pytest.mark.parametrize(
    "name", ["forward", "half", "class", "lambda", "\ufb01lter", "gro\u0308\u00dfe"]
)
def test_what_python_or_torch_read_otherwise_is_marked(name):
    assert as_module_name(name) == f"{name}:"


@given(st.text())
def test_no_name_ends_the_quote_it_stands_in(name):
    found = as_module_name(name)
    assert literal_eval(f'"{found}"') == found
    assert len(found) - len(name) in {0, 1}
