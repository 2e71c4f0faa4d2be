import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from safetensors.numpy import load

from zoo.errors import MalformedCheckpoint, UnknownFormat
from zoo.formats.safetensors import DTYPES, read_safetensors, write_safetensors

WEIGHTS = {
    "fire2/squeeze.weight": np.arange(12, dtype=np.float32).reshape(3, 4)[:, ::2],
    "steps": np.int64(7) * np.ones((), np.int64),
    "é": np.float16([1.5]),
    "big-endian": np.array([1, 2], ">f4"),
    "empty": np.empty((0, 3), np.float32),
}


def written(weights):
    return b"".join(write_safetensors(weights))


@given(
    st.dictionaries(
        st.text(st.characters(blacklist_categories=["Cs"]), max_size=8).filter(
            lambda name: name != "__metadata__"
        ),
        st.sampled_from(sorted(DTYPES)).flatmap(
            lambda dtype: arrays.arrays(dtype, arrays.array_shapes(max_side=3))
        ),
        max_size=4,
    )
)
def test_the_library_reads_what_was_written(weights):
    again = load(written(weights))
    assert set(again) == set(weights)
    for name, array in weights.items():
        assert again[name].dtype == array.dtype
        assert again[name].shape == array.shape
        assert again[name].tobytes() == array.tobytes()


def test_weights_come_back_equal(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(written(WEIGHTS))
    again = read_safetensors(path)
    assert set(again) == set(WEIGHTS)
    for name, array in WEIGHTS.items():
        assert np.array_equal(again[name], array)
        assert again[name].shape == array.shape


def test_equal_weights_have_equal_bytes():
    assert written(WEIGHTS) == written(dict(reversed(WEIGHTS.items())))


def test_tensors_are_aligned():
    header_size = int.from_bytes(written(WEIGHTS)[:8], "little")
    assert header_size % 8 == 0


def test_types_that_safetensors_lacks_are_refused():
    with pytest.raises(UnknownFormat, match="'z' is of the type complex128"):
        written({"z": np.zeros(1, np.complex128)})


@pytest.mark.parametrize("octets", [b"", b"\xff" * 20, written(WEIGHTS)[:-1], b"x" * 300])
def test_damaged_files_are_refused(tmp_path, octets):
    path = tmp_path / "model.safetensors"
    path.write_bytes(octets)
    with pytest.raises(MalformedCheckpoint, match=r"model\.safetensors"):
        read_safetensors(path)


def test_types_that_numpy_lacks_are_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    header = b'{"w":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}}'
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"\0\0")
    with pytest.raises(UnknownFormat, match=r"model\.safetensors"):
        read_safetensors(path)
