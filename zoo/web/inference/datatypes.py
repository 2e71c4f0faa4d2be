"""The kinds of numbers that tensors are made of, in the protocol's words, numpy's and ONNX's."""

from collections.abc import Mapping

import numpy as np

from zoo.errors import BadRequest

BYTES = "BYTES"
# Little endian on the wire, whatever this machine is.
DTYPES: Mapping[str, np.dtype[np.generic]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype("u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
KINDS = (*DTYPES, BYTES)
ONNX: Mapping[str, str] = {
    "tensor(bool)": "BOOL",
    "tensor(uint8)": "UINT8",
    "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
    "tensor(int8)": "INT8",
    "tensor(int16)": "INT16",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(string)": BYTES,
}
NAMES: Mapping[np.dtype[np.generic], str] = {dtype: name for name, dtype in DTYPES.items()}


def datatype_of(array: np.ndarray) -> str:
    """Name what an array holds."""
    return NAMES.get(array.dtype, BYTES)


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
