"""What a request for inference asks: its tensors, what is to be given back, and how."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import orjson

from zoo.errors import BadRequest, TooLarge, Unsupported
from zoo.operations.serve import Takes
from zoo.serving.network import check_names
from zoo.web.inference.datatypes import BYTES, check_datatype
from zoo.web.inference.tensors import Tensor, read_binary, read_json

MOST_TENSORS = 256
MOST_SIDES = 32
MOST_ELEMENTS = 2**40  # whatever the shape says; bodies end far before
# What is read of JSON takes many times its bytes, most of all many small values, and others wait
# meanwhile. Five pictures of 224 x 224 pixels with all their digits are so long, 13 with few digits
# have so many commas and brackets, ten in lists of lists; files in base64 have none.
MOST_JSON_BYTES = 2**24
MOST_MARKS = 2**21
MARKS = tuple(b",[{")
SHORT_BYTES, MOST_SHORT = 2**10, 256  # of JSON that is remembered, and how many
MICROSECONDS = 1e6
SHARED_MEMORY = "shared_memory_region"

Kind = TypeVar("Kind")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedOutput:
    """One output that is to be given back."""

    name: str
    is_binary: bool
    classes: int = 0  # of the classification extension; 0 is the tensor itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Requested:
    """What a request for inference asks, beside its inputs."""

    # Inputs whose elements of BYTES came as JSON, where bytes can only be written as text.
    texts: frozenset[str] = frozenset()
    outputs: tuple[RequestedOutput, ...] = ()  # none means all
    is_binary: bool = False  # outputs that say nothing of it are
    id: str | None = None
    timeout_s: float | None = None
    priority: int = 0  # 1 is the highest; 0 is the usual


@dataclass(slots=True)
class _Tail:
    """The binary tensors behind the JSON, taken off one after the other."""

    octets: memoryview
    place: int = field(default=0)

    def take(self, size_bytes: int, *, name: str) -> memoryview:
        left = len(self.octets) - self.place
        if not 0 <= size_bytes <= left:
            raise BadRequest(
                f"{name!r} should have {size_bytes} bytes behind the JSON; {max(left, 0)} are left."
            )
        self.place += size_bytes
        return self.octets[self.place - size_bytes : self.place]


def read_requested(
    body: memoryview, json_bytes: int | None, takes: Takes
) -> tuple[Requested, dict[str, Tensor]]:
    """Read a request and its inputs: JSON, or JSON of so many bytes with binary tensors behind it.

    Raises:
        BadRequest: it does not follow the protocol, or its inputs are not those taken.
        TooLarge: it has more JSON, or more elements of BYTES, than are read.
        Unsupported: it asks for an extension that is not served.
    """
    if json_bytes is not None and json_bytes > len(body):
        raise BadRequest(
            f"Inference-Header-Content-Length is {json_bytes}; the body has {len(body)} bytes.",
            hint="It is the length of the JSON before the tensors, and of nothing else.",
        )
    told = body[:json_bytes]
    is_short = len(told) <= SHORT_BYTES
    head = _read_short_head(bytes(told), takes) if is_short else _read_head(told, takes)
    tail = _Tail(body[len(body) if json_bytes is None else json_bytes :])
    inputs = {one.name: one.read(tail) for one in head.inputs}
    if tail.place != len(tail.octets):
        raise BadRequest(
            f"{len(tail.octets) - tail.place} bytes behind the JSON belong to no input.",
            hint="Each binary input tells its length as binary_data_size.",
        )
    return head.requested, inputs


@dataclass(frozen=True, slots=True, kw_only=True)
class _Input:
    """What the JSON tells of an input; its elements, where they are not behind it."""

    name: str
    shape: tuple[int, ...]
    datatype: str
    size_bytes: int | None  # behind the JSON
    data: Any = None

    def read(self, tail: _Tail) -> Tensor:
        if self.size_bytes is None:
            return read_json(self.data, self.shape, self.datatype, name=self.name)
        octets = tail.take(self.size_bytes, name=self.name)
        return read_binary(octets, self.shape, self.datatype, name=self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    """All that the JSON of a request tells."""

    inputs: tuple[_Input, ...]
    requested: Requested


def _read_head(octets: bytes | memoryview, takes: Takes) -> _Head:
    """Read the JSON of a request.

    Raises:
        BadRequest, TooLarge, Unsupported: as `read_requested`.
    """
    data = read_object(octets)
    parameters = _parameters(data, "the request")
    given = _by_name(data, takes)
    takes.check_count(
        sum(
            math.prod(_shape(one, name))
            for name, one in given.items()
            if one.get("datatype") == BYTES
        )
    )
    is_binary = _get(parameters, "binary_data_output", bool, default=False)
    requested = Requested(
        texts=frozenset(name for name, one in given.items() if "data" in one),
        outputs=_outputs(data, is_binary=is_binary),
        is_binary=is_binary,
        id=_get(data, "id", str, default=None),
        timeout_s=_timeout_s(parameters),
        priority=_whole(parameters, "priority"),
    )
    inputs = tuple(_read_input(one, name) for name, one in given.items())
    return _Head(inputs=inputs, requested=requested)


# A client whose tensors come binary sends the same JSON before them again and again.
_read_short_head = lru_cache(MOST_SHORT)(_read_head)


def read_object(octets: bytes | memoryview) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        BadRequest: it is none.
        TooLarge: it is longer, or of more values, than is read.
    """
    _check_extent(octets)
    try:
        data = orjson.loads(octets)
    except ValueError as error:
        raise BadRequest(f"The JSON of the request cannot be read: {error}.") from error
    if not isinstance(data, dict):
        raise BadRequest("The JSON of the request is no object.")
    return data


def _check_extent(octets: bytes | memoryview) -> None:
    if len(octets) > MOST_JSON_BYTES:
        raise _too_large(f"{len(octets)} bytes; at most {MOST_JSON_BYTES}")
    if len(octets) > MOST_MARKS:
        array = np.frombuffer(octets, np.uint8)
        marks = sum(int(np.count_nonzero(array == mark)) for mark in MARKS)
        if marks > MOST_MARKS:
            raise _too_large(f"{marks} commas and opening brackets; at most {MOST_MARKS}")


def _too_large(told: str) -> TooLarge:
    return TooLarge(
        f"The JSON of the request has {told} are read.",
        hint="Send tensors binary, behind the JSON: set_data_from_numpy(array).",
    )


def _by_name(data: Mapping[str, Any], takes: Takes) -> dict[str, dict[str, Any]]:
    """Give the inputs by their names, in their order; they are all that are taken, and no others.

    Raises:
        BadRequest: they are not.
    """
    given: dict[str, dict[str, Any]] = {}
    for one in _tensors(data, "inputs"):
        name = _get(one, "name", str)
        if name in given:
            raise BadRequest(f"The input {name!r} comes twice.")
        given[name] = one
    if not given:
        raise BadRequest("The request has no inputs.")
    check_names(takes.names, list(given))
    return given


def _read_input(given: Mapping[str, Any], name: str) -> _Input:
    parameters = _parameters(given, name)
    _refuse_shared_memory(parameters, name)
    shape = _shape(given, name)
    datatype = check_datatype(given.get("datatype"), tensor=name)
    size_bytes = _get(parameters, "binary_data_size", int, default=None)
    if (size_bytes is None) == ("data" not in given):
        raise BadRequest(
            f"The input {name!r} needs data or binary_data_size, one of the two.",
            hint="Give `data` as a list, or append the bytes and tell their number.",
        )
    return _Input(
        name=name,
        shape=tuple(shape),
        datatype=datatype,
        size_bytes=size_bytes,
        data=given.get("data"),
    )


def _outputs(data: Mapping[str, Any], *, is_binary: bool) -> tuple[RequestedOutput, ...]:
    outputs: dict[str, RequestedOutput] = {}
    for given in _tensors(data, "outputs"):
        name = _get(given, "name", str)
        parameters = _parameters(given, name)
        _refuse_shared_memory(parameters, name)
        if name in outputs:
            raise BadRequest(f"The output {name!r} is asked for twice.")
        outputs[name] = RequestedOutput(
            name=name,
            is_binary=_get(parameters, "binary_data", bool, default=is_binary),
            classes=_whole(parameters, "classification"),
        )
    return tuple(outputs.values())


def _tensors(data: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = _get(data, key, list, default=[])
    if len(found) > MOST_TENSORS or not all(isinstance(one, dict) for one in found):
        raise BadRequest(f"`{key}` is no list of up to {MOST_TENSORS} objects.")
    return found


def _shape(given: Mapping[str, Any], name: str) -> list[int]:
    shape: list[Any] = _get(given, "shape", list)
    is_plain = len(shape) <= MOST_SIDES and all(type(side) is int and side >= 0 for side in shape)
    # A tensor with a side of 0 holds nothing, but numpy and graphs multiply the others too.
    if not is_plain or math.prod(filter(None, shape)) > MOST_ELEMENTS:
        raise BadRequest(
            f"The shape of {name!r} is no list of whole numbers that a tensor could have."
        )
    return shape


def _timeout_s(parameters: Mapping[str, Any]) -> float | None:
    return _whole(parameters, "timeout") / MICROSECONDS or None


def _whole(parameters: Mapping[str, Any], key: str) -> int:
    """Give a parameter that is a whole number of 0 or more; 0 where it is not given."""
    value: int = _get(parameters, key, int, default=0)
    if value < 0:
        raise BadRequest(f"The parameter {key!r} is {value!r}, not a whole number of 0 or more.")
    return value


def _parameters(data: Mapping[str, Any], whose: str) -> dict[str, Any]:
    """Give the parameters of a request, an input or an output.

    Those that nothing here knows are left unread, as Triton leaves them to its backends.
    """
    found = data.get("parameters", {})
    if not isinstance(found, dict):
        raise BadRequest(f"The parameters of {whose} are no object.")
    return found


def _refuse_shared_memory(parameters: Mapping[str, Any], name: str) -> None:
    if SHARED_MEMORY in parameters:
        raise Unsupported(
            f"{name!r} is to lie in shared memory, which is not served here.",
            hint="Send it in the body, binary: set_data_from_numpy(array).",
        )


_REQUIRED: Any = object()
_WORDS: Mapping[type, str] = {str: "text", list: "list", bool: "true or false", int: "whole number"}


def _get(
    data: Mapping[str, Any],
    key: str,
    kind: type[Kind],
    *,
    default: Any = _REQUIRED,  # noqa: ANN401  # of the kind, or None
) -> Any:  # noqa: ANN401  # likewise
    """Give a value of a kind out of JSON.

    Raises:
        BadRequest: it is missing and has no default, or is of another kind.
    """
    if key not in data and default is not _REQUIRED:
        return default
    value = data.get(key)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise BadRequest(f"The request's `{key}` is missing or no {_WORDS[kind]}.")
    return value
