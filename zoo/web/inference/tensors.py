"""Tensors as bytes and as JSON, and back. Large ones never become lists where they are binary."""

import math
import struct
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from zoo.errors import BadRequest
from zoo.web.inference.datatypes import BYTES, DTYPES, NAMES, UINT64

LENGTH = struct.Struct("<I")  # before each element of BYTES
# What JSON numbers are read as, and may become without a change of what they say.
FITTING = {"b": "b", "u": "iu", "i": "iu", "f": "iuf"}
NUMBERS = {bool, int, float}

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
    flat = _flatten(data, shape, name=name)
    # Of a text beside numbers numpy would make texts of all, each as long as the longest.
    if not NUMBERS.issuperset(map(type, flat)):
        raise _unfit(name, datatype)
    return _converted(_as_numbers(flat, datatype), datatype, name=name).reshape(shape)


def write_binary(tensor: Tensor) -> bytes:
    """Write a tensor's bytes down: little endian, the last axis first; BYTES with their lengths."""
    if tensor.dtype in NAMES:
        return tensor.tobytes()
    return b"".join(_framed(_as_bytes(one) for one in tensor.flat))


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
    waiting = [*reversed(data)]
    found: list[bytes] = []
    while waiting and len(found) <= count:
        one = waiting.pop()
        if isinstance(one, list):
            waiting.extend(reversed(one))
        elif isinstance(one, str):
            found.append(one.encode())
        else:
            raise BadRequest(f"The data of {name!r} holds what is no text.")
    if len(found) != count:
        more = "or more " if waiting else ""
        raise BadRequest(f"The data of {name!r} has {len(found)} {more}elements, not {count}.")
    return found


def _as_objects(elements: list[bytes], shape: Sequence[int]) -> Tensor:
    tensor = np.empty(len(elements), dtype=object)
    tensor[:] = elements
    return tensor.reshape(shape)


def _flatten(data: list[Any], shape: Sequence[int], *, name: str) -> list[Any]:
    """Lay the lists of a list behind each other; no more of it is read than the shape says.

    Raises:
        BadRequest: it is neither flat nor nested as the shape says.
    """
    flat, sides, count = data, [len(data)], math.prod(shape)
    while flat and type(flat[0]) is list and len(sides) < len(shape):
        _check_sides(sides, shape, name=name)
        if set(map(type, flat)) != {list} or len(set(map(len, flat))) != 1:
            raise _ragged(name)
        sides.append(len(flat[0]))
        flat = [one for inner in flat for one in inner]
    kinds = set(map(type, flat))
    is_flat = len(sides) == 1 and len(data) == count
    is_nested = sides == list(shape) or len(flat) == count == 0
    if kinds == {list} or not (is_flat or is_nested):
        raise _misshapen(sides, shape, name=name)
    if list in kinds:
        raise _ragged(name)
    return flat


def _check_sides(sides: list[int], shape: Sequence[int], *, name: str) -> None:
    if math.prod(shape) > 0 and sides != list(shape[: len(sides)]):
        raise _misshapen(sides, shape, name=name)


def _ragged(name: str) -> BadRequest:
    return BadRequest(f"The data of {name!r} is a list of lists of unequal lengths.")


def _misshapen(sides: list[int], shape: Sequence[int], *, name: str) -> BadRequest:
    return BadRequest(
        f"The data of {name!r} is of the shape {sides}, not {list(shape)}.",
        hint="Give it flat, or nested as the shape says.",
    )


def _as_numbers(flat: list[Any], datatype: str) -> Tensor:
    """Give numbers as they are told; numpy would round some of 64 bits beside smaller ones."""
    found = np.array(flat)
    is_rounded = datatype == UINT64 and found.dtype.kind == "f"
    if is_rounded and all(type(one) is int and 0 <= one < 2**64 for one in flat):
        return np.array(flat, dtype=np.uint64)
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
