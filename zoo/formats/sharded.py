"""Weights in several files, with an index that says which tensor is in which.

``model.safetensors.index.json`` and ``pytorch_model.bin.index.json``, as Hugging Face's libraries
write them: ``{"metadata": {...}, "weight_map": {"conv1.weight": "model-1.safetensors", ...}}``.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from zoo.domain.weights import Weights
from zoo.errors import IncompletePackage, MalformedCheckpoint
from zoo.formats.elements import join_weights, select_weights
from zoo.formats.pytorch.reading import read_pytorch
from zoo.formats.safetensors import read_safetensors

INDEX_ENDINGS = (".safetensors.index.json", ".bin.index.json")
SAFETENSORS = ".safetensors"
LARGEST_INDEX = 2**23  # bytes; a tensor takes about a hundred
MOST_VALUES = 2**18  # of JSON; a tensor is one
MOST_SHARDS = 2**10


def read_sharded(files: Mapping[str, Path], name: str) -> Weights:
    """Read the weights that the index ``name`` tells of, each from the file it is said to be in.

    ``files`` are the files of the package by name; shards lie in the folder of the index, and
    nothing outside ``files`` is opened. Names stay as the index has them.

    Raises:
        IncompletePackage: shards are missing; all are named.
        MalformedCheckpoint: the index cannot be understood, or a tensor is not where it says.
        UnknownFormat, UnsafePickle: a shard cannot be read, or will not be.
    """
    places = _read_index(files[name], name)
    folder = name.rpartition("/")[0]
    shards = {
        shard: f"{folder}/{shard}" if folder else shard for shard in sorted(set(places.values()))
    }
    missing = [path for path in shards.values() if path not in files]
    if missing:
        raise IncompletePackage(
            f"{name} tells of files that are not there: {', '.join(missing[:8])}.",
            hint="Put all shards into one folder with the index, and import the folder.",
            missing=missing,
        )
    wanted_of: dict[str, list[str]] = {shard: [] for shard in shards}
    for tensor, shard in places.items():
        wanted_of[shard].append(tensor)
    parts = []
    for shard, path in shards.items():
        wanted = wanted_of[shard]
        weights = _read_shard(files[path], path)
        absent = [tensor for tensor in wanted if tensor not in weights]
        if absent:
            raise MalformedCheckpoint(
                f"{path} lacks {len(absent)} tensors that {name} says it has,"
                f" such as {absent[0][:80]!r}.",
                file=path,
            )
        parts.append(select_weights(weights, wanted))
    return join_weights(parts)


def _read_shard(path: Path, name: str) -> Weights:
    if name.endswith(SAFETENSORS):
        return read_safetensors(path, name=name)
    return read_pytorch(path, name=name, keep_names=True).weights


def _read_index(path: Path, name: str) -> dict[str, str]:
    """Read which tensor is in which file; files are plain names."""
    if path.stat().st_size > LARGEST_INDEX:
        raise _refuse(name, f"it is longer than {LARGEST_INDEX} bytes")
    octets = path.read_bytes()
    if octets.count(b",") + octets.count(b"[") + octets.count(b"{") > MOST_VALUES:
        raise _refuse(name, f"it has more than {MOST_VALUES} values")
    try:
        index = json.loads(octets)
    except (ValueError, RecursionError) as error:
        raise _refuse(name, f"it is no JSON ({error})") from error
    match index:
        case {"weight_map": dict(places)} if places:
            pass
        case _:
            raise _refuse(name, "it has no weight_map")
    if not all(isinstance(shard, str) and _is_plain(shard) for shard in places.values()):
        raise _refuse(name, "it tells of what is not the name of a file beside it")
    if len(set(places.values())) > MOST_SHARDS:
        raise _refuse(name, f"it tells of more than {MOST_SHARDS} files")
    return places


def _is_plain(shard: str) -> bool:
    return (
        shard != ""
        and shard.isprintable()
        and not shard.startswith(".")
        and not {"/", "\\"} & set(shard)
    )


def _refuse(name: str, reason: str) -> MalformedCheckpoint:
    return MalformedCheckpoint(
        f"{name} is not an index of weights: {reason}.",
        hint="Fetch the index again from where its shards come from.",
        file=name,
    )
