"""Tensors as bytes and as JSON, and back. Large ones never become lists where they are binary."""

import math
import struct
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from zoo.errors import BadRequest
from zoo.web.inference.datatypes import BYTES, DTYPES, UINT64, datatype_of

LENGTH = struct.Struct("<I")  # before each element of BYTES
# What JSON numbers are read as, and may become without a change of what they say.
FITTING = {"b": "b", "u": "iu", "i": "iu", "f": "iuf"}

Tensor = np.ndarray[Any, Any]


def read_binary(octets: memoryview, shape: Sequence[int], datatype: str, *, name: str) -> Tensor:
    """Read a tensor out of its bytes, without a copy; elements of BYTES become objects.

    Raises:
        BadRequest: there are more or fewer than the shape says.
    """
    count = math.prod(shape)
    if datatype == BYTES:
        return _as_objects(_split(octets, count, name=name), shape)
    dtype = DTYPES[datatype]
    if count * dtype.itemsize != len(octets):
        raise BadRequest(
            f"{name!r} has {len(octets)} bytes; {datatype} of the shape {list(shape)} has"
            f" {count * dtype.itemsize}.",
            hint="Send as many bytes as shape and datatype say, and their number as"
            " binary_data_size.",
        )
    return np.frombuffer(octets, dtype).reshape(shape)


def read_json(data: object, shape: Sequence[int], datatype: str, *, name: str) -> Tensor:
    """Read a tensor out of a JSON list, flat or nested as its shape says.

    Raises:
        BadRequest: it is no such list, or holds what the datatype cannot.
    """
    if not isinstance(data, list):
        raise BadRequest(f"The data of {name!r} is no list.")
    if datatype == BYTES:
        return _as_objects(_texts(data, math.prod(shape), name=name), shape)
    try:
        found = _as_numbers(data, datatype)
    except ValueError as error:
        raise BadRequest(f"The data of {name!r} is a list of lists of unequal lengths.") from error
    count = math.prod(shape)
    if found.shape not in {tuple(shape), (count,)} and not found.size == count == 0:
        raise BadRequest(
            f"The data of {name!r} is of the shape {list(found.shape)}, not {list(shape)}.",
            hint="Give it flat, or nested as the shape says.",
        )
    return _converted(found, datatype, name=name).reshape(shape)


def write_binary(tensor: Tensor) -> bytes:
    """Write a tensor's bytes down: little endian, the last axis first; BYTES with their lengths."""
    if datatype_of(tensor) == BYTES:
        return b"".join(_framed(_as_bytes(one) for one in tensor.flat))
    return tensor.tobytes()


def _framed(elements: Iterable[bytes]) -> Iterable[bytes]:
    for element in elements:
        yield LENGTH.pack(len(element))
        yield element


def _as_bytes(element: object) -> bytes:
    return element if isinstance(element, bytes) else str(element).encode()


def _split(octets: memoryview, count: int, *, name: str) -> list[bytes]:
    """Split BYTES into their elements.

    Raises:
        BadRequest: the lengths do not add up, or there is another number of elements.
    """
    found: list[bytes] = []
    place, end = 0, len(octets)
    while place + LENGTH.size <= end and len(found) < count:
        (length,) = LENGTH.unpack_from(octets, place)
        place += LENGTH.size
        if length > end - place:
            break
        found.append(bytes(octets[place : place + length]))
        place += length
    if place != end or len(found) != count:
        raise BadRequest(
            f"The {end} bytes of {name!r} are not {count} elements with their lengths.",
            hint="Each element of BYTES is its length in 4 bytes, little endian, and itself.",
        )
    return found


def _texts(data: list[Any], count: int, *, name: str) -> list[bytes]:
    """Flatten a list of texts.

    Raises:
        BadRequest: it holds anything else, or another number of them.
    """
    waiting, found = [*reversed(data)], []
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting.extend(reversed(one))
        elif isinstance(one, str):
            found.append(one.encode())
        else:
            raise BadRequest(f"The data of {name!r} holds what is no text.")
    if len(found) != count:
        raise BadRequest(f"The data of {name!r} has {len(found)} elements, not {count}.")
    return found


def _as_objects(elements: list[bytes], shape: Sequence[int]) -> Tensor:
    tensor = np.empty(len(elements), dtype=object)
    tensor[:] = elements
    return tensor.reshape(shape)


def _as_numbers(data: list[Any], datatype: str) -> Tensor:
    """Give numbers as they are told; of 64 bits without sign, some beside smaller ones get rounded.

    Raises:
        ValueError: they are lists of unequal lengths.
    """
    found = np.array(data)
    if datatype == UINT64 and found.dtype.kind == "f":
        exact = np.array(data, dtype=object)
        if all(type(one) is int and 0 <= one < 2**64 for one in exact.flat):
            return exact.astype(np.uint64)
    return found


def _converted(found: Tensor, datatype: str, *, name: str) -> Tensor:
    """Have numbers be of a datatype.

    Raises:
        BadRequest: it cannot hold one of them.
    """
    dtype = DTYPES[datatype]
    if found.size and found.dtype.kind not in FITTING[dtype.kind]:
        raise _unfit(name, datatype)
    with np.errstate(over="raise"):
        try:
            converted = found.astype(dtype)
        except (FloatingPointError, OverflowError) as error:
            raise _unfit(name, datatype) from error
    if dtype.kind in "iu" and not np.array_equal(converted, found):
        raise _unfit(name, datatype)
    return converted


def _unfit(name: str, datatype: str) -> BadRequest:
    return BadRequest(
        f"The data of {name!r} holds what {datatype} cannot: another kind, or out of its range.",
        hint="Ask for the model's metadata: they tell the datatype of every input.",
    )
