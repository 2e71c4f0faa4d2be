"""Files that were made to cost more than they weigh, or to be read in two ways, are refused."""

import contextlib
import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zoo.errors import MalformedCheckpoint, UnknownFormat, ZooError
from zoo.formats.safetensors import read_safetensors, read_safetensors_file, write_safetensors

SLACK_BYTES = 2**20


def laid_out(header, numbers=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + numbers


def tensor(begin, end, *, shape=None, dtype="U8", **others):
    shape = [end - begin] if shape is None else shape
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end], **others}


HOSTILE = {
    "a header of exabytes": (2**60).to_bytes(8, "little") + b"{}",
    "a header of all bits": b"\xff" * 8 + b"{}",
    "a header much longer than its numbers": laid_out(b"{" + b" " * 2**21 + b"}"),
    "no header": b"\0" * 8,
    "a file that ends in the length": b"\x02\0",
    "a header that is a list": laid_out(b"[]"),
    "a header that begins with a space": laid_out(b" {}"),
    "a header that is no JSON": laid_out(b"{]"),
    "a header that is not UTF-8": laid_out(b'{"\xff":1}'),
    "a number that is not JSON's": laid_out(b'{"a":NaN}'),
    "a number of thousands of digits": laid_out(b'{"a":' + b"9" * 9999 + b"}"),
    "deep lists": laid_out(b'{"a":' + b"[" * 10**5, bytes(2**17)),
    "many values": laid_out(b'{"a":[' + b"1," * (2**20) + b"1]}", bytes(2**21)),
    "a name that stands twice": laid_out(b'{"a":{},"a":{}}'),
    "a field that stands twice": laid_out(b'{"a":{"dtype":"U8","dtype":"U8"}}'),
    "a name that is half a letter": laid_out(
        b'{"\\ud800":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'
    ),
    "texts that are none": laid_out({"__metadata__": {"a": 1}}),
    "texts in a list": laid_out({"__metadata__": ["a"]}),
    "overlapping tensors": laid_out({"a": tensor(0, 4), "b": tensor(2, 6)}, bytes(6)),
    "the same numbers twice": laid_out({"a": tensor(0, 4), "b": tensor(0, 4)}, bytes(4)),
    "a gap": laid_out({"a": tensor(0, 2), "b": tensor(3, 4)}, bytes(4)),
    "numbers before the first": laid_out({"a": tensor(1, 4)}, bytes(4)),
    "numbers behind the last": laid_out({"a": tensor(0, 4)}, bytes(5)),
    "a tensor beyond the end": laid_out({"a": tensor(0, 4)}, bytes(3)),
    "a tensor far beyond the end": laid_out({"a": tensor(0, 2**62)}, bytes(3)),
    "numbers that do not fill a shape": laid_out({"a": tensor(0, 4, shape=[5])}, bytes(4)),
    "a shape that overflows": laid_out({"a": tensor(0, 0, shape=[2**32, 2**32])}),
    "a shape that overflows beside a zero": laid_out({"a": tensor(0, 0, shape=[0, 2**62, 4])}),
    "a negative shape": laid_out({"a": tensor(0, 4, shape=[-2, -2])}, bytes(4)),
    "a shape of many axes": laid_out({"a": tensor(0, 1, shape=[1] * 99)}, bytes(1)),
    "a shape of fractions": laid_out({"a": tensor(0, 4, shape=[4.0])}, bytes(4)),
    "a shape of truths": laid_out({"a": tensor(0, 1, shape=[True])}, bytes(1)),
    "negative offsets": laid_out({"a": tensor(-4, 0)}, bytes(4)),
    "offsets backwards": laid_out({"a": tensor(4, 0, shape=[4])}, bytes(4)),
    "offsets of truths": laid_out({"a": tensor(False, True)}, bytes(1)),
    "a field nobody knows": laid_out({"a": tensor(0, 4, more=1)}, bytes(4)),
    "a tensor without fields": laid_out({"a": {}}),
    "a tensor that is a number": laid_out({"a": 1}),
}


@pytest.mark.parametrize("octets", HOSTILE.values(), ids=HOSTILE)
def test_hostile_files_are_refused_for_no_more_than_they_weigh(tmp_path, octets):
    path = tmp_path / "model.safetensors"
    path.write_bytes(octets)
    tracemalloc.start()
    with pytest.raises(MalformedCheckpoint, match=r"^model\.safetensors .* byte \d+: "):
        read_safetensors_file(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * len(octets) + SLACK_BYTES


@pytest.mark.parametrize("dtype", ["F4", "F8_E8M0", "F6_E2M3", "f32", "O", "é" * 200])
def test_types_that_cannot_be_read_are_named(tmp_path, dtype):
    path = tmp_path / "model.safetensors"
    path.write_bytes(laid_out({"a": tensor(0, 4, dtype=dtype)}, bytes(4)))
    with pytest.raises(UnknownFormat, match=r"Tensor 'a' of model\.safetensors is of the type"):
        read_safetensors(path)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    place=st.floats(0, 1),
    content=st.binary(max_size=6) | st.sampled_from([b"{", b"}", b",", b"[", b"9", b'"', b"null"]),
    cut=st.booleans(),
)
def test_a_damaged_file_gives_weights_or_an_error_of_ours(tmp_path, place, content, cut):
    octets = b"".join(write_safetensors({"a": np.ones((2, 3)), "b": np.ones(1, np.int8)}))
    at = int(place * len(octets))
    path = tmp_path / "model.safetensors"
    path.write_bytes(octets[:at] + content + (b"" if cut else octets[at + len(content) :]))
    with contextlib.suppress(ZooError):
        for array in read_safetensors(path).values():
            array.sum()
