import json

import numpy as np
import pytest

from zoo.domain.filters import BINS, STRETCH, Drift, Match, MovedFilter, Tensor
from zoo.filters.drift import compare_tensors, count_shifts


def make_tensors(weights):
    return {
        name: Tensor(
            name=name,
            kind=array.dtype.name,
            shape=array.shape,
            stored=np.ascontiguousarray(array).reshape(-1),
        )
        for name, array in weights.items()
    }


def compare(array, other):
    (found,) = compare_tensors(make_tensors({"w": array}), make_tensors({"w": other}))
    return found


def from_bits(*bits):
    return np.array([bits], np.uint32).view(np.float32)


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.mark.parametrize("shape", [(6, 4, 3, 3), (5, 7), (9,), (), (2, STRETCH + 3)])
def test_change_and_cosine_are_those_of_the_formulas(rng, shape):
    before = rng.standard_normal(shape).astype(np.float32)
    now = np.asarray(before + 0.1 * rng.standard_normal(shape), np.float32)
    found = compare(now, before)
    p, w = (each.reshape(-1).astype(np.float64) for each in (before, now))
    assert found.change == pytest.approx(np.linalg.norm(w - p) / np.linalg.norm(p), rel=1e-12)
    cosine = w @ p / np.linalg.norm(w) / np.linalg.norm(p)
    assert found.cosine == pytest.approx(cosine, rel=1e-12)
    assert found.changed_share == pytest.approx(np.mean(now != before))
    assert found.match is Match.SAME
    assert not found.is_unchanged


def test_the_same_bits_are_unchanged(rng):
    before = rng.standard_normal((4, 5)).astype(np.float32)
    found = compare(before.copy(), before)
    assert found.is_unchanged
    assert (found.change, found.cosine, found.changed_share, found.moved) == (0, 1, 0, ())


def test_a_zero_of_the_other_sign_is_a_change_of_bits_alone():
    found = compare(np.array([[0.0, 1.0]]), np.array([[-0.0, 1.0]]))
    assert not found.is_unchanged
    assert (found.change, found.cosine, found.changed_share, found.moved) == (0, 1, 0.5, ())


def test_nan_is_unchanged_where_its_bits_are():
    first, second = 0x7FC00000, 0x7FC00001
    assert compare(from_bits(first, 1), from_bits(first, 1)).is_unchanged
    found = compare(from_bits(first, 1), from_bits(second, 1))
    assert not found.is_unchanged
    assert found.changed_share == 0.5
    assert found.change is found.cosine is None


def test_one_bit_is_a_change(rng):
    before = rng.standard_normal((3, 7)).astype(np.float32)
    now = before.copy()
    now.view(np.uint32)[1, 2] ^= 1
    found = compare(now, before)
    assert not found.is_unchanged
    assert found.changed_share == pytest.approx(1 / 21)
    assert [one.index for one in found.moved] == [1]


def test_a_dense_network_holds_the_same_numbers_in_another_shape(rng):
    before = rng.standard_normal((8, 3 * 2 * 2)).astype(np.float32)
    found = compare(before.reshape(8, 3, 2, 2), before)
    assert found.match is Match.RESHAPED
    assert found.is_unchanged
    moved = compare(1.5 * before.reshape(8, 3, 2, 2), before)
    assert moved.match is Match.RESHAPED
    assert moved.change == pytest.approx(0.5)


def test_a_new_head_is_not_compared():
    found = compare(np.ones((5, 4)), np.ones((10, 4)))
    assert found.match is Match.RESIZED
    assert found.change is found.cosine is found.changed_share is None
    assert not found.is_unchanged


def test_tensors_come_in_their_order_and_those_that_are_gone_last():
    one = np.ones((2, 2))
    found = compare_tensors(
        make_tensors({"b.weight": one, "a.weight": one}),
        make_tensors({"a.weight": one, "z.bias": one}),
    )
    assert [(drift.name, drift.match) for drift in found] == [
        ("b.weight", Match.NEW),
        ("a.weight", Match.SAME),
        ("z.bias", Match.GONE),
    ]
    assert [drift.layer for drift in found] == ["b", "a", "z"]


def test_the_filters_that_moved_most_are_told(rng):
    before = rng.standard_normal((12, 3, 3, 3))
    now = before.copy()
    for index, factor in ((3, 1.5), (8, 0.2), (10, 1.01)):
        now[index] *= factor
    found = compare(now, before)
    assert [one.index for one in found.moved] == [8, 3, 10]
    assert [one.change for one in found.moved] == pytest.approx([0.8, 0.5, 0.01])
    many = compare(before + 1, before).moved
    assert len(many) == 5
    assert [one.change for one in many] == sorted((one.change for one in many), reverse=True)


def test_a_filter_that_was_0_has_moved_most():
    found = compare(np.array([[1.0, 2.0], [1.0, 0.0]]), np.array([[1.0, 1.0], [0.0, 0.0]]))
    assert found.moved[0] == MovedFilter(index=1, change=None)


def test_from_nothing_no_share_can_be_told():
    found = compare(np.ones((2, 2)), np.zeros((2, 2)))
    assert found.change is found.cosine is None
    assert found.changed_share == 1


def test_the_same_numbers_of_another_kind_are_no_change_but_other_bits():
    before = np.array([[0.5, -1.25]], np.float32)
    found = compare(before.astype(np.float16), before)
    assert not found.is_unchanged
    assert (found.change, found.changed_share) == (0, 0)


@pytest.mark.parametrize("kind", [np.int64, np.uint8, np.bool_, np.float64])
def test_counters_and_masks_are_compared_too(kind):
    found = compare(np.array([1, 0, 1], kind), np.array([1, 1, 1], kind))
    assert found.changed_share == pytest.approx(1 / 3)
    assert compare(np.array(1, kind), np.array(1, kind)).is_unchanged


def test_empty_tensors_are_unchanged():
    assert compare(np.zeros((0, 3)), np.zeros((0, 3))).is_unchanged
    assert compare(np.zeros((0, 3)), np.zeros((0, 3), np.float32)).changed_share == 0


def test_drift_is_written_down_as_json():
    data = compare(np.array([[1.0], [4.0]]), np.array([[1.0], [2.0]])).as_json()
    assert data["match"] == "same"
    assert data["shape"] == [2, 1]
    assert list(data["moved"]) == [{"index": 1, "change": 1.0}]


def shifted(array, other):
    tensors, others = make_tensors({"w": array}), make_tensors({"w": other})
    (found,) = compare_tensors(tensors, others)
    return count_shifts(found, tensors["w"], others["w"])


@pytest.mark.parametrize("shape", [(6, 4, 3, 3), (2, STRETCH + 3)])
def test_shifts_are_the_histogram_of_the_differences(rng, shape):
    before, apart = rng.standard_normal(shape), rng.standard_normal(shape)
    found = shifted(before + apart, before)
    shifts = ((before + apart) - before).reshape(-1)
    assert (found.least_shift, found.largest_shift) == (shifts.min(), shifts.max())
    counts, _ = np.histogram(shifts, bins=BINS)
    assert sum(found.shifts) == shifts.size
    # A number at a bin's edge may be counted on either side of it.
    assert np.abs(np.array(found.shifts) - counts).sum() <= 4


def test_what_is_not_finite_did_not_shift():
    found = shifted(np.array([[np.nan, 1.0, np.inf, 3.0]]), np.array([[0.0, 0.0, 0.0, 1.0]]))
    assert (found.least_shift, found.largest_shift, sum(found.shifts)) == (1.0, 2.0, 2)


def test_one_shift_for_all_has_no_histogram():
    found = shifted(np.array([[2.0, 3.0]]), np.array([[1.0, 2.0]]))
    assert (found.least_shift, found.largest_shift, found.shifts) == (1.0, 1.0, ())


@pytest.mark.parametrize("other", [np.ones((2, 3)), np.ones((4, 5))])
def test_what_is_unchanged_or_not_compared_has_no_shifts(other):
    found = shifted(np.ones((2, 3)), other)
    assert (found.least_shift, found.largest_shift, found.shifts) == (None, None, ())


def test_a_drift_is_read_as_it_was_written(rng):
    before = rng.standard_normal((4, 5))
    found = shifted(before + rng.standard_normal((4, 5)), before)
    assert found.moved
    assert Drift.from_json(json.loads(json.dumps(found.as_json()))) == found
