import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from zoo.errors import IncompletePackage, MalformedCheckpoint, UnsafePickle
from zoo.formats.sharded import read_sharded

INDEX = "model.safetensors.index.json"
PARTS = {
    "model-1.safetensors": {"a": torch.ones(2), "b": torch.zeros(3, dtype=torch.bfloat16)},
    "model-2.safetensors": {"c": torch.arange(4)},
}
MAP = {name: shard for shard, part in PARTS.items() for name in part}


@pytest.fixture
def package(tmp_path):
    """Give a function that writes an index beside two shards, and gives the files by name."""
    for name, part in PARTS.items():
        save_file(part, tmp_path / name)

    def write(places, *, content=None, name=INDEX):
        text = json.dumps({"metadata": {"total_size": 1}, "weight_map": places})
        (tmp_path / name).write_text(text if content is None else content)
        return {path.name: path for path in tmp_path.iterdir()}

    return write


def test_every_tensor_comes_from_where_the_index_says(package):
    weights = read_sharded(package(MAP), INDEX)
    assert {name: array.tolist() for name, array in weights.items()} == {
        "a": [1, 1],
        "b": [0, 0, 0],
        "c": [0, 1, 2, 3],
    }
    assert weights["b"].dtype == np.float32


def test_tensors_the_index_does_not_tell_of_are_left(package):
    assert set(read_sharded(package({"c": "model-2.safetensors"}), INDEX)) == {"c"}


def test_shards_lie_in_the_folder_of_their_index(package):
    files = {f"weights/{name}": path for name, path in package(MAP).items()}
    assert set(read_sharded(files, f"weights/{INDEX}")) == set(MAP)


def test_shards_of_pytorch_keep_the_names_of_the_index(package, tmp_path):
    torch.save({"module.a": torch.ones(1)}, tmp_path / "pytorch_model-1.bin")
    torch.save({"module.b": torch.ones(2)}, tmp_path / "pytorch_model-2.bin")
    places = {"module.a": "pytorch_model-1.bin", "module.b": "pytorch_model-2.bin"}
    files = package(places, name="pytorch_model.bin.index.json")
    assert set(read_sharded(files, "pytorch_model.bin.index.json")) == {"module.a", "module.b"}


def test_missing_shards_are_named(package):
    files = package({"a": "model-1.safetensors", "x": "model-3.safetensors", "y": "lost.bin"})
    with pytest.raises(IncompletePackage, match=r"lost\.bin, model-3\.safetensors"):
        read_sharded(files, INDEX)


def test_a_tensor_that_is_not_where_the_index_says_is_named(package):
    with pytest.raises(MalformedCheckpoint, match=r"model-2\.safetensors lacks 1 .* 'a'"):
        read_sharded(package({"a": "model-2.safetensors"}), INDEX)


def test_a_shard_that_would_run_code_is_refused(package, tmp_path):
    torch.save({"a": torch.nn.Linear(1, 1)}, tmp_path / "evil.bin")
    with pytest.raises(UnsafePickle, match=r"evil\.bin needs torch\.nn\.modules\.linear\.Linear"):
        read_sharded(package({"a": "evil.bin"}), INDEX)


@pytest.mark.parametrize(
    "shard",
    ["../model-1.safetensors", "/etc/passwd", "a/b", "a\\b", "..", ".", "", "a\0", "a\n", 3, None],
)
def test_shards_are_plain_names(package, shard):
    with pytest.raises(MalformedCheckpoint, match="not the name of a file beside it"):
        read_sharded(package({"a": shard}), INDEX)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", '{"weight_map": {}}', '{"weight_map": []}', "[" * 10**5, "\ufeff{}"],
)
def test_an_index_that_is_none_is_refused(package, content):
    with pytest.raises(MalformedCheckpoint, match="is not an index"):
        read_sharded(package({}, content=content), INDEX)


@pytest.mark.parametrize("content", [" " * (2**23 + 1), "[" + "1," * 2**19 + "1]"])
def test_an_index_that_is_too_large_is_refused(package, content):
    with pytest.raises(MalformedCheckpoint, match=r"longer than|more than"):
        read_sharded(package({}, content=content), INDEX)


def test_an_index_of_too_many_shards_is_refused(package):
    places = {f"{number}": f"{number}.bin" for number in range(2**10 + 1)}
    with pytest.raises(MalformedCheckpoint, match="more than 1024 files"):
        read_sharded(package(places), INDEX)
