import math

import numpy as np
import pytest
from scipy.stats import kurtosis

from zoo.domain.filters import STRETCH, FilterStatistics, Tensor
from zoo.filters.statistics import describe_tensor

SHAPES = {
    "convolution": (16, 3, 5, 5),
    "grouped": (8, 2, 3, 3),
    "depthwise": (32, 1, 3, 3),
    "transposed": (6, 12, 4, 4),
    "1 x 1": (20, 7, 1, 1),
    "fully connected": (10, 33),
    "one filter in several stretches": (2, STRETCH + 7),
    "several stretches": (3, STRETCH - 5),
}


def make_tensor(array, *, convert=None, kind=None):
    array = np.ascontiguousarray(array)
    return Tensor(
        name="conv1.weight",
        kind=kind or array.dtype.name,
        shape=array.shape,
        stored=array.reshape(-1),
        convert=convert,
    )


def describe(array):
    return describe_tensor(make_tensor(array))


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_the_moments_are_those_of_numpy_and_scipy(rng, shape):
    array = rng.laplace(0.01, 0.1, shape).astype(np.float32)
    found = describe(array)
    exact = array.astype(np.float64).reshape(-1)
    assert (found.least, found.largest) == (exact.min(), exact.max())
    assert found.mean == pytest.approx(exact.mean(), rel=1e-12, abs=1e-15)
    assert found.std == pytest.approx(exact.std(), rel=1e-12)
    assert found.kurtosis == pytest.approx(kurtosis(exact, fisher=False), rel=1e-11)
    assert found.count == array.size
    assert found.fan_in == math.prod(shape[1:])


def test_kurtosis_is_3_for_a_normal_distribution(rng):
    found = describe(rng.standard_normal((200, 5000), np.float32))
    assert found.kurtosis == pytest.approx(3, abs=0.02)  # its standard error is 0.005


def test_a_small_spread_far_from_0_is_measured(rng):
    array = 1e6 + 1e-3 * rng.standard_normal((10, 1000))
    found = describe(array)
    apart = array - 1e6  # exact: the numbers are near each other
    assert found.std == pytest.approx(apart.std(), rel=1e-6)
    assert found.kurtosis == pytest.approx(kurtosis(apart.reshape(-1), fisher=False), rel=1e-6)


def test_the_histogram_has_64_even_bins_and_holds_every_number(rng):
    array = rng.standard_normal((30, 50))
    found = describe(array)
    assert list(found.histogram) == np.histogram(array, 64)[0].tolist()
    assert sum(found.histogram) == found.count


def test_the_largest_number_is_in_the_last_bin():
    found = describe(np.arange(65.0).reshape(5, 13))
    assert found.histogram == (*[1] * 63, 2)


def test_the_reference_bounds_are_those_of_the_formulas():
    found = describe(np.linspace(-0.5, 0.25, 2 * 50, dtype=np.float64).reshape(2, 2, 5, 5))
    assert found.inverse_bound == pytest.approx(0.02)
    assert found.inverse_root_bound == pytest.approx(1 / math.sqrt(50))
    assert found.he_std == pytest.approx(0.2)
    assert found.bound_ratio == pytest.approx(25)
    assert found.he_ratio == pytest.approx(found.std / 0.2)


def test_zeros_are_counted_whatever_their_sign():
    found = describe(np.array([[0.0, -0.0, 1.0, -2.0]]))
    assert found.zeros == 2
    assert found.zero_share == 0.5


def test_filters_are_dead_at_0_or_below_a_millionth_of_the_median(rng):
    array = rng.standard_normal((20, 3, 3, 3))
    norm = np.median(np.sqrt((array**2).sum(axis=(1, 2, 3))))
    array[4] = 0
    array[7] *= 1e-7 * norm / np.linalg.norm(array[7])
    array[9] *= 1e-5 * norm / np.linalg.norm(array[9])
    found = describe(array)
    assert found.dead == 2
    assert found.first_dead == (4, 7)


def test_where_most_filters_are_0_the_others_tell_what_is_small(rng):
    array = np.zeros((100, 10))
    array[:30] = rng.standard_normal((30, 10))
    array[5] *= 1e-8
    found = describe(array)
    assert found.dead == 71
    assert found.first_dead == (5, *range(30, 45))


def test_what_is_not_finite_is_counted_and_left_out():
    array = np.array([[1.0, np.nan, 3.0], [np.inf, 5.0, -np.inf], [0.0, 0.0, 0.0]], np.float32)
    found = describe(array)
    assert (found.nans, found.infinities, found.zeros) == (1, 2, 3)
    assert (found.least, found.largest) == (0, 5)
    assert found.mean == pytest.approx(1.5)
    assert found.std == pytest.approx(np.std([1, 3, 5, 0, 0, 0]))
    assert sum(found.histogram) == 6
    assert found.first_dead == (2,)


@pytest.mark.parametrize("shape", [(0, 3), (5, 0), (0,), (4, 0, 3, 3)])
def test_an_empty_tensor_has_nothing_to_say(shape):
    found = describe(np.zeros(shape, np.float32))
    assert (found.count, found.dead, found.histogram) == (0, 0, ())
    assert (found.least, found.mean, found.std, found.kurtosis) == (None,) * 4
    assert (found.bound_ratio, found.he_ratio, found.zero_share) == (None, None, 0)


@pytest.mark.parametrize("shape", [(), (1,), (1, 1), (1, 1, 1, 1)])
def test_one_number_is_all_there_is_to_say(shape):
    found = describe(np.full(shape, 0.1, np.float32))
    assert found.least == found.largest == found.mean == np.float32(0.1)
    assert (found.std, found.kurtosis, found.histogram) == (0, None, ())
    assert found.fan_in == 1


def test_a_constant_tensor_has_no_spread_and_no_kurtosis():
    found = describe(np.full((7, 100_001), 0.1))
    assert (found.mean, found.std, found.kurtosis) == (0.1, 0, None)


def test_nothing_but_nan_has_nothing_to_say():
    found = describe(np.full((2, 3), np.nan))
    assert (found.nans, found.least, found.mean, found.std) == (6, None, None, None)


@pytest.mark.parametrize("size", [1e308, 1e-320])
def test_numbers_at_the_ends_of_float64_are_no_fault(size):
    found = describe(np.array([[-size, size, size / 2], [0, size, -size]]))
    assert (found.least, found.largest) == (-size, size)
    FilterStatistics.from_json(found.as_json())  # all that is told is finite


@pytest.mark.parametrize("kind", [np.float16, np.float64])
def test_other_kinds_of_floats_are_described_exactly(rng, kind):
    array = rng.standard_normal((4, 9)).astype(kind)
    found = describe(array)
    assert found.kind == np.dtype(kind).name
    assert found.std == pytest.approx(array.astype(np.float64).std(), rel=1e-12)


def test_a_kind_that_numpy_lacks_is_converted_a_stretch_at_a_time(rng):
    numbers = rng.standard_normal((3, STRETCH)).astype(np.float32)
    halves = (numbers.view(np.uint32) >> 16).astype(np.uint16)
    asked = []

    def convert(part):
        asked.append(part.size)
        return np.left_shift(part, 16, dtype=np.uint32).view(np.float32)

    found = describe_tensor(make_tensor(halves, convert=convert, kind="bfloat16"))
    exact = (numbers.view(np.uint32) & 0xFFFF0000).view(np.float32).astype(np.float64)
    assert found.std == pytest.approx(exact.std(), rel=1e-12)
    assert max(asked) <= STRETCH


def test_what_is_written_down_is_read_again(rng):
    found = describe(rng.standard_normal((4, 3, 2, 2)))
    assert FilterStatistics.from_json(found.as_json()) == found


@pytest.mark.parametrize(
    ("name", "value"), [("std", math.nan), ("count", -1), ("histogram", "64"), ("dead", True)]
)
def test_what_is_written_down_is_checked(name, value):
    data = describe(np.eye(3)).as_json() | {name: value}
    with pytest.raises(ValueError, match=name):
        FilterStatistics.from_json(data)


@pytest.mark.parametrize(
    ("name", "shape", "is_float", "expected"),
    [
        ("conv1.weight", (8, 3, 5, 5), True, True),
        ("fc.weight", (8, 3), True, True),
        ("line.weight", (8, 3, 5), True, True),
        ("volume.weight", (8, 3, 5, 5, 5), True, True),
        ("attention.in_proj_weight", (9, 3), True, True),
        ("conv1.bias", (8,), True, False),
        ("position", (1, 197, 768), True, False),
        ("index.weight", (8, 3), False, False),
        ("steps", (), True, False),
    ],
)
def test_biases_tables_and_counters_are_no_filters(name, shape, is_float, expected):
    stored = np.zeros(math.prod(shape), np.float32)
    tensor = Tensor(name=name, kind="float32", shape=shape, stored=stored, is_float=is_float)
    assert tensor.has_filters is expected
