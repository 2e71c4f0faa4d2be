"""Tensors as bytes and JSON, and back."""

import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zoo.errors import BadRequest
from zoo.web.inference.datatypes import DTYPES, datatype_of
from zoo.web.inference.tensors import read_binary, read_json, write_binary

AT_EASE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=50)
FINITE = {"allow_nan": False, "allow_infinity": False}


def arrays(**elements):
    shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
    return st.sampled_from([*DTYPES.values()]).flatmap(
        lambda dtype: hnp.arrays(dtype, shapes, elements=elements if dtype.kind == "f" else None)
    )


@AT_EASE
@given(arrays())
def test_what_is_written_binary_is_read_back_to_the_bit(array):
    octets = memoryview(write_binary(array))
    again = read_binary(octets, array.shape, datatype_of(array), name="x")
    assert again.dtype == array.dtype
    assert again.tobytes() == array.tobytes()


@pytest.mark.parametrize("data", [[2**63, 0], [2**64 - 1, 1], [[2**63], [7]]])
def test_the_largest_whole_numbers_are_not_rounded(data):
    wanted = np.array(data, np.uint64)
    again = read_json(data, wanted.shape, "UINT64", name="x")
    assert again.dtype == np.uint64
    assert again.tolist() == wanted.tolist()
    with pytest.raises(BadRequest):
        read_json([2**63, 0.5], [2], "UINT64", name="x")
    with pytest.raises(BadRequest):
        read_json([2**64, 1], [2], "UINT64", name="x")


@AT_EASE
@given(arrays(**FINITE), st.booleans())
def test_json_is_read_flat_or_nested(array, is_flat):
    data = array.reshape(-1).tolist() if is_flat else array.tolist()
    if not isinstance(data, list):
        data = [data]
    again = read_json(data, array.shape, datatype_of(array), name="x")
    assert again.dtype == array.dtype
    np.testing.assert_array_equal(again, array)


@AT_EASE
@given(st.lists(st.binary(max_size=8), max_size=5))
def test_elements_of_bytes_are_read_back(elements):
    tensor = np.empty(len(elements), dtype=object)
    tensor[:] = elements
    octets = memoryview(write_binary(tensor))
    again = read_binary(octets, tensor.shape, "BYTES", name="x")
    assert list(again) == elements


@AT_EASE
@given(st.binary(max_size=40), st.integers(0, 4))
def test_any_bytes_are_elements_or_refused(octets, count):
    try:
        found = read_binary(memoryview(octets), (count,), "BYTES", name="x")
    except BadRequest:
        return
    assert write_binary(found) == octets


@pytest.mark.parametrize("size_bytes", [0, 11, 13, 24])
def test_a_length_that_is_not_the_shapes_is_refused(size_bytes):
    with pytest.raises(BadRequest, match=f"{size_bytes} bytes; FP32 of the shape"):
        read_binary(memoryview(bytes(size_bytes)), (3,), "FP32", name="x")


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\x01\x00\x00",
        struct.pack("<I", 2) + b"a",
        struct.pack("<I", 2**32 - 1) + b"a",
        struct.pack("<I", 1) + b"ab",
        struct.pack("<I", 1) + b"a" + struct.pack("<I", 1) + b"b",
    ],
    ids=repr,
)
def test_lengths_of_elements_that_lie_are_refused(octets):
    with pytest.raises(BadRequest, match="are not 1 elements"):
        read_binary(memoryview(octets), (1,), "BYTES", name="x")


@pytest.mark.parametrize(
    ("data", "datatype", "reason"),
    [
        ([1, 256], "UINT8", "cannot"),
        ([1, -1], "UINT8", "cannot"),
        ([1, 1.5], "INT32", "cannot"),
        ([1, 2.0], "INT32", "cannot"),
        ([1, 2**63], "INT64", "cannot"),
        ([1, True], "BOOL", "cannot"),
        ([1, 0], "BOOL", "cannot"),
        (["1", "2"], "FP32", "cannot"),
        ([None, 1], "FP32", "cannot"),
        ([{}, 1], "FP32", "cannot"),
        ([1, 1e39], "FP32", "cannot"),
        ([1, 65520.0], "FP16", "cannot"),
        ([1, 2, 3], "FP32", "of the shape"),
        ([[1], [2]], "FP32", "of the shape"),
        ([[1, 2]], "FP32", "of the shape"),
        ([1, [2]], "FP32", "unequal"),
        ([[], []], "FP32", "of the shape"),
        ([], "FP32", "of the shape"),
        ([["1"], 2], "FP32", "unequal"),
        ("ab", "FP32", "no list"),
        ({"a": 1}, "FP32", "no list"),
        ([1, 2], "BYTES", "no text"),
        (["a"], "BYTES", "1 elements, not 2"),
        (["a"] * 9, "BYTES", "3 or more elements, not 2"),
    ],
    ids=repr,
)
def test_json_that_does_not_fit_is_refused(data, datatype, reason):
    with pytest.raises(BadRequest, match=reason) as refused:
        read_json(data, (2,), datatype, name="x")
    assert "'x'" in str(refused.value)


def test_whole_numbers_may_stand_for_floating_ones():
    assert read_json([1, 2**40], (2,), "FP64", name="x").tolist() == [1.0, 2.0**40]


def test_texts_may_be_nested():
    found = read_json([["a", "ä"], ["", "d"]], (2, 2), "BYTES", name="x")
    assert found.tolist() == [[b"a", "ä".encode()], [b"", b"d"]]


@pytest.mark.parametrize(
    "data", [[[1, 2], [3]], [[1, 2], 3], [[[1], 2], [3, 4]], [[1, 2], [3, [4]]]]
)
def test_lists_of_unequal_lengths_are_refused(data):
    with pytest.raises(BadRequest, match="unequal"):
        read_json(data, (2, 2), "FP32", name="x")


def test_a_long_text_beside_numbers_takes_no_memory_for_each_of_them():
    data = ["a" * 20_000, *[1] * 999]
    tracemalloc.start()
    try:
        with pytest.raises(BadRequest, match="cannot"):
            read_json(data, (1, 1000), "FP32", name="x")
        with pytest.raises(BadRequest, match="cannot"):
            read_json([data], (1, 1000), "FP32", name="x")
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 2**20  # 80 MB, were numpy to see it


def test_lists_that_no_shape_allows_are_not_read_further():
    data = [[]] * 2**16
    tracemalloc.start()
    try:
        with pytest.raises(BadRequest, match="of the shape"):
            read_json(data, (1, 7), "FP32", name="x")
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 2**16
