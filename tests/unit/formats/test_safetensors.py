import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from safetensors.numpy import load
from safetensors.torch import save_file

from zoo.errors import MalformedCheckpoint, UnknownFormat
from zoo.formats.safetensors import (
    CHUNK_BYTES,
    DTYPES,
    is_safetensors,
    read_safetensors,
    read_safetensors_file,
    read_safetensors_metadata,
    write_safetensors,
)

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


def test_text_for_the_header_is_written_and_read(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"".join(write_safetensors(WEIGHTS, metadata={"b": "2", "a": "é"})))
    assert read_safetensors_metadata(path) == {"a": "é", "b": "2"}
    assert set(read_safetensors(path)) == set(WEIGHTS)


def test_text_for_the_header_has_one_order():
    texts = {"b": "2", "a": "1"}
    again = dict(reversed(texts.items()))
    assert b"".join(write_safetensors(WEIGHTS, metadata=texts)) == b"".join(
        write_safetensors(WEIGHTS, metadata=again)
    )


def test_a_file_without_texts_has_none(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(written(WEIGHTS))
    assert read_safetensors_metadata(path) == {}


def test_a_tensor_cannot_have_the_name_of_the_texts():
    with pytest.raises(UnknownFormat, match="__metadata__"):
        written({"__metadata__": np.zeros(1)})


def test_large_arrays_of_any_layout_are_written_in_pieces():
    wide = np.arange(3 * 2**19, dtype=np.float32).reshape(3, -1)
    layouts = {
        "plain": wide,
        "turned": wide.T,
        "backwards": wide[::-1, ::-1],
        "foreign": wide.astype(">f4"),
        "repeated": np.broadcast_to(np.float32(7), (2**10, 2**10)),
    }
    pieces = list(write_safetensors(layouts))
    assert max(map(len, pieces)) <= CHUNK_BYTES
    again = load(b"".join(pieces))
    for name, array in layouts.items():
        assert np.array_equal(again[name], array)


def test_what_is_mapped_is_written_without_being_held(tmp_path):
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    large = np.zeros(16 * 2**20, np.uint8)
    first.write_bytes(written({"a": large[:-1], "b": large[:1]}))  # read from odd places
    tracemalloc.start()
    with second.open("wb") as file:
        file.writelines(write_safetensors(read_safetensors(first)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6 * CHUNK_BYTES
    assert second.read_bytes() == first.read_bytes()


def test_weights_are_views_of_the_file(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(written({"a": np.ones(3, np.float32)}))
    array = read_safetensors(path)["a"]
    assert not array.flags.owndata
    assert not array.flags.writeable


@pytest.mark.parametrize("octets", [b"", b"\xff" * 20, written(WEIGHTS)[:-1]])
def test_damaged_files_are_refused(tmp_path, octets):
    path = tmp_path / "model.safetensors"
    path.write_bytes(octets)
    with pytest.raises(MalformedCheckpoint, match=r"other\.safetensors"):
        read_safetensors(path, name="other.safetensors")


@pytest.mark.parametrize(
    ("octets", "told"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "git-LFS pointer"),
        (b"<!doctype html><title>Sign in</title>", "is text"),
    ],
)
def test_what_is_often_saved_in_place_of_weights_is_told(tmp_path, octets, told):
    path = tmp_path / "model.safetensors"
    path.write_bytes(octets)
    with pytest.raises(UnknownFormat, match=told):
        read_safetensors(path)


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_every_number_that_numpy_lacks_is_read_as_float32(tmp_path, dtype):
    kind = getattr(torch, dtype)
    bits = torch.arange(2 ** (8 * kind.itemsize), dtype=torch.int32)
    tensor = bits.to(torch.uint16 if kind.itemsize == 2 else torch.uint8).view(kind)
    path = tmp_path / "model.safetensors"
    save_file({"x": tensor, "scalar": tensor[1].clone(), "empty": tensor[:0].clone()}, path)
    file = read_safetensors_file(path)
    assert file.weights["x"].dtype == np.float32
    np.testing.assert_array_equal(file.weights["x"], tensor.to(torch.float32).numpy())
    assert file.weights["scalar"].shape == ()
    assert file.weights["empty"].shape == (0,)
    assert file.notes == (
        f"Of 3 tensors, 3 are {dtype} in the file, read as float32, which holds the same numbers.",
    )


def test_reading_converts_one_tensor_at_a_time(tmp_path):
    path = tmp_path / "model.safetensors"
    ones = {f"layer{index}": torch.ones(2**20, dtype=torch.bfloat16) for index in range(8)}
    save_file(ones, path)
    tracemalloc.start()
    weights = read_safetensors(path)
    for name in weights:
        assert weights[name][0] == 1
    size_bytes = sum(map(len, write_safetensors(weights)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size_bytes > 8 * 4 * 2**20
    assert peak < 3 * 4 * 2**20


@given(
    st.dictionaries(
        st.text(max_size=4).filter(lambda name: name != "__metadata__"),
        st.sampled_from([torch.float32, torch.bfloat16, torch.int64, torch.bool]).flatmap(
            lambda kind: st.lists(st.integers(0, 3), max_size=3).map(
                lambda shape: torch.ones(shape).to(kind)
            )
        ),
        max_size=4,
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_what_the_library_wrote_is_read(tmp_path, tensors):
    path = tmp_path / "model.safetensors"
    save_file(tensors, path)
    weights = read_safetensors(path)
    assert set(weights) == set(tensors)
    for name, tensor in tensors.items():
        assert weights[name].shape == tuple(tensor.shape)
        assert np.array_equal(weights[name], tensor.float().numpy())


def test_a_file_is_known_by_its_first_bytes(tmp_path):
    path = tmp_path / "model"
    path.write_bytes(written(WEIGHTS))
    assert is_safetensors(path)
    path.write_bytes(b"PK\3\4 and so on, which is a zip")
    assert not is_safetensors(path)
