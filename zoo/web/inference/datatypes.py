"""The kinds of numbers that tensors are made of, in the protocol's words and numpy's."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from zoo.errors import BadRequest

BYTES, UINT64 = "BYTES", "UINT64"
# Little endian on the wire, whatever this machine is.
DTYPES: Mapping[str, np.dtype[np.generic]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype("u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    UINT64: np.dtype("<u8"),
    "INT8": np.dtype("i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
KINDS = (*DTYPES, BYTES)
NAMES: Mapping[np.dtype[np.generic], str] = {dtype: name for name, dtype in DTYPES.items()}


def datatype_of(array: np.ndarray) -> str:
    """Name what an array holds."""
    return NAMES.get(array.dtype, BYTES)


def name_of(dtype: np.dtype[Any]) -> str:
    """Name a kind of numbers; whatever is none is BYTES."""
    return NAMES.get(dtype, BYTES)


def check_datatype(name: object, *, tensor: str) -> str:
    """Return the name of a kind of numbers that tensors here may hold.

    Raises:
        BadRequest: it is none.
    """
    if name not in KINDS:
        raise BadRequest(
            f"The datatype {name!r} of {tensor!r} is none that is served here.",
            hint=f"It is one of {', '.join(KINDS)}.",
        )
    return str(name)
