"""Weights to safetensors and back. Equal weights give equal bytes, so they share one blob."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from zoo.domain.weights import Array, Weights
from zoo.errors import MalformedCheckpoint, UnknownFormat

DTYPES = {
    "bool": "BOOL",
    "float16": "F16",
    "float32": "F32",
    "float64": "F64",
    "int8": "I8",
    "int16": "I16",
    "int32": "I32",
    "int64": "I64",
    "uint8": "U8",
    "uint16": "U16",
    "uint32": "U32",
    "uint64": "U64",
}
ALIGNMENT = 8  # bytes; where the first tensor begins


def write_safetensors(weights: Weights) -> Iterator[bytes]:
    """Write the weights, one tensor at a time; wide types first, so that all are aligned.

    Raises:
        UnknownFormat: an array is of a type that safetensors does not have.
    """
    ordered = sorted(weights.items(), key=lambda item: (-item[1].dtype.itemsize, item[0]))
    header: dict[str, object] = {}
    offset = 0
    for name, array in ordered:
        header[name] = {
            "dtype": _dtype_name(name, array),
            "shape": array.shape,
            "data_offsets": (offset, offset + array.nbytes),
        }
        offset += array.nbytes
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    yield len(text).to_bytes(8, "little") + text
    for _, array in ordered:
        yield np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C").tobytes()


def read_safetensors(path: Path) -> Weights:
    """Read every tensor of a file.

    Raises:
        MalformedCheckpoint: the file is damaged or not safetensors.
        UnknownFormat: a tensor is of a type that numpy does not have.
    """
    try:
        weights = load_file(path)
    except (SafetensorError, ValueError) as error:
        raise MalformedCheckpoint(
            f"{path.name} cannot be read as safetensors: {error}", file=path.name
        ) from error
    except (KeyError, TypeError, AttributeError) as error:
        raise UnknownFormat(
            f"{path.name} has tensors of a type that cannot be read: {error}",
            hint="Save the weights as float32 and import again.",
            file=path.name,
        ) from error
    # Another library may have taught numpy more types; what is read must not depend on that.
    foreign = {
        name: array.dtype.name for name, array in weights.items() if array.dtype.name not in DTYPES
    }
    if foreign:
        raise UnknownFormat(
            f"{path.name} has tensors of a type that numpy lacks: {foreign}.",
            hint="Save the weights as float32 and import again.",
            file=path.name,
        )
    return weights


def _dtype_name(name: str, array: Array) -> str:
    if array.dtype.name not in DTYPES:
        raise UnknownFormat(
            f"Tensor {name!r} is of the type {array.dtype}, which safetensors does not have."
        )
    return DTYPES[array.dtype.name]
