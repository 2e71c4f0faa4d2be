"""Drift is kept by the digests of both weights, and never trusted."""

import json

import numpy as np
import pytest

from zoo.domain.filters import Match, Tensor
from zoo.operations import drift
from zoo.operations.drift import find_drift

DIGESTS = ("a" * 64, "b" * 64)
DAMAGES = {
    "cut": lambda text: text[: len(text) // 2],
    "of another form": lambda _: json.dumps({"version": drift.VERSION, "tensors": 3}),
    "of another match": lambda text: text.replace('"same"', '"alike"'),
    "of other tensors": lambda text: text.replace('"w1"', '"w9"'),
    "of another version": lambda text: text.replace('"version": 1', '"version": 0'),
}


def make_tensors(**weights):
    return {
        name: Tensor(name=name, kind="float64", shape=one.shape, stored=one.reshape(-1))
        for name, one in weights.items()
    }


@pytest.fixture
def tensors():
    return make_tensors(w1=np.arange(6.0).reshape(2, 3), w2=np.ones((2, 2)), new=np.ones((3,)))


@pytest.fixture
def others():
    return make_tensors(w1=np.ones((2, 3)), w2=np.ones((2, 2)), old=np.ones((3,)))


@pytest.fixture
def kept(zoo, tensors, others):
    """The file that keeps a drift."""
    find_drift(zoo, DIGESTS, tensors, others)
    (path,) = (zoo.settings.home / "cache" / "drift").iterdir()
    return path


def test_every_tensor_is_told_with_its_shifts(zoo, tensors, others):
    found = find_drift(zoo, DIGESTS, tensors, others)
    assert [(one.name, one.match) for one in found] == [
        ("w1", Match.SAME),
        ("w2", Match.SAME),
        ("new", Match.NEW),
        ("old", Match.GONE),
    ]
    assert [one.is_unchanged for one in found] == [False, True, False, False]
    assert (found[0].least_shift, found[0].largest_shift) == (-1.0, 4.0)


@pytest.mark.usefixtures("kept")
def test_what_was_kept_is_used_in_the_order_that_is_asked_for(zoo, tensors, others, monkeypatch):
    first = find_drift(zoo, DIGESTS, tensors, others)
    monkeypatch.setattr(drift, "compare_tensors", None)
    turned = {name: tensors[name] for name in ("new", "w2", "w1")}
    again = find_drift(zoo, DIGESTS, turned, others)
    assert [one.name for one in again] == ["new", "w2", "w1", "old"]
    assert set(again) == set(first)


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_what_is_damaged_is_computed_again(zoo, tensors, others, kept, damage):
    before = find_drift(zoo, DIGESTS, tensors, others)
    kept.write_text(damage(kept.read_text()))
    assert find_drift(zoo, DIGESTS, tensors, others) == before


@pytest.mark.usefixtures("kept")
def test_other_weights_are_another_drift(zoo, tensors, others):
    found = find_drift(zoo, ("a" * 64, "c" * 64), tensors, tensors)
    assert all(one.is_unchanged for one in found)
    assert not all(one.is_unchanged for one in find_drift(zoo, DIGESTS, tensors, others))
