"""Weights to safetensors and back. Equal weights give equal bytes, so they share one blob.

A file is the length of its header (8 bytes, little-endian), the header in JSON, and the numbers
without gaps. Source: the description of the format in the readme of the safetensors library.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.domain.weights import Array, Weights
from zoo.errors import MalformedCheckpoint, UnknownFormat
from zoo.formats.elements import (
    ELEMENTS,
    Element,
    Layout,
    conversion_notes,
    convert_when_asked,
    layout_of,
)
from zoo.formats.mapped import can_be_shape, map_file, view_array

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
READ_ONLY = {
    "bfloat16": "BF16",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
    "complex64": "C64",
}
READABLE = {code: ELEMENTS[name] for name, code in (DTYPES | READ_ONLY).items()}
METADATA = "__metadata__"
FIELDS = ("dtype", "shape", "data_offsets")
LENGTH_BYTES = 8
ALIGNMENT = 8  # bytes; where the first tensor begins
CHUNK_BYTES = 2**20  # written at once; it stays in a processor's cache

# Bounds for what a header may cost before a number is read; the largest real one has a tenth.
LARGEST_HEADER = 25_000_000  # bytes, as the clients of Hugging Face have it
HEADER_BESIDE_NUMBERS = 2**20  # bytes that a header may be longer than the numbers it tells of
MOST_VALUES = 2**20  # of JSON; a tensor has about twelve


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetensorsFile:
    """What a file holds: weights, texts about them, and what a reader should know."""

    weights: Weights
    metadata: Mapping[str, str]
    notes: tuple[str, ...] = ()


def write_safetensors(
    weights: Weights, *, metadata: Mapping[str, str] | None = None
) -> Iterator[bytes]:
    """Write the weights, wide types first, so that all are aligned.

    Numbers leave in pieces of at most a megabyte, and tensors are asked for one at a time: what is
    mapped or converted when asked is never held as a whole. ``metadata`` are texts for the header.

    Raises:
        UnknownFormat: an array is of a type, or has a name, that safetensors does not have.
    """
    layouts = {name: layout_of(weights, name) for name in weights}
    ordered = sorted(layouts, key=lambda name: (-layouts[name].dtype.itemsize, name))
    yield _write_header({name: layouts[name] for name in ordered}, metadata)
    for name in ordered:
        yield from _write_numbers(weights[name])


def read_safetensors(path: Path, *, name: str = "") -> Weights:
    """Read every tensor of a file, as views of the mapped file.

    What numpy lacks (bfloat16, 8-bit floats) is converted to float32 each time it is asked for.
    ``name`` is what errors call the file, where it lies under another one.

    Raises:
        MalformedCheckpoint: the file is damaged or not safetensors.
        UnknownFormat: a tensor is of a type that cannot be read, or the file is no weights at all.
    """
    return read_safetensors_file(path, name=name).weights


def read_safetensors_metadata(path: Path, *, name: str = "") -> Mapping[str, str]:
    """Read the texts that the header holds; none where it has none.

    Raises:
        MalformedCheckpoint: the file is damaged or not safetensors.
    """
    file = _File(map_file(path, name=name), name or path.name)
    return file.read_metadata()


def read_safetensors_file(path: Path, *, name: str = "") -> SafetensorsFile:
    """Read the tensors of a file as ``read_safetensors`` does, and what is told about them."""
    file = _File(map_file(path, name=name), name or path.name)
    metadata = file.read_metadata()
    weights = file.read_weights()
    return SafetensorsFile(weights=weights, metadata=metadata, notes=conversion_notes(weights))


def is_safetensors(path: Path) -> bool:
    """Tell by its first bytes whether a file could be safetensors."""
    with path.open("rb") as file:
        head = file.read(LENGTH_BYTES + 1)
        size_bytes = file.seek(0, 2)
    length = int.from_bytes(head[:LENGTH_BYTES], "little")
    return head[LENGTH_BYTES:] == b"{" and length <= size_bytes - LENGTH_BYTES


class _File:
    """One mapped file and its header."""

    def __init__(self, octets: memoryview, name: str) -> None:
        self.octets = octets
        self.name = name
        self.start = LENGTH_BYTES + self._header_length()
        self.header = self._read_header()

    def read_metadata(self) -> Mapping[str, str]:
        metadata = self.header.get(METADATA, {})
        if not isinstance(metadata, dict) or not all(
            isinstance(value, str) for value in metadata.values()
        ):
            raise self._refuse(LENGTH_BYTES, f"{METADATA} holds more than texts")
        return metadata

    def read_weights(self) -> Weights:
        """View every tensor; together they fill the file without gap or overlap."""
        stored: dict[str, Array] = {}
        elements: dict[str, Element] = {}
        ranges: list[tuple[int, int, str]] = []
        for name, entry in self.header.items():
            if name == METADATA:
                continue
            element, shape, begin, end = self._read_entry(name, entry)
            ranges.append((begin, end, name))
            elements[name] = element
            dtype = np.dtype(element.dtype)
            stored[name] = view_array(
                self.octets, dtype=dtype, start=self.start + begin, shape=shape
            )
        self._check_ranges(ranges)
        return convert_when_asked(stored, elements)

    def _header_length(self) -> int:
        left = len(self.octets) - LENGTH_BYTES
        if left < 0:
            raise self._refuse(0, "the file ends inside its first 8 bytes")
        length = int.from_bytes(self.octets[:LENGTH_BYTES], "little")
        if length > left:
            raise self._refuse(0, f"the header of {length} bytes is longer than the file")
        if length > min(LARGEST_HEADER, HEADER_BESIDE_NUMBERS + left - length):
            raise self._refuse(0, f"the header of {length} bytes is too long for the file")
        return length

    def _read_header(self) -> dict[str, object]:
        octets = bytes(self.octets[LENGTH_BYTES : self.start])
        if not octets.startswith(b"{"):
            raise self._refuse(LENGTH_BYTES, "the header does not begin with '{'")
        if sum(octets.count(mark) for mark in (b",", b":", b"[", b"{")) > MOST_VALUES:
            raise self._refuse(LENGTH_BYTES, f"the header has more than {MOST_VALUES} values")
        try:
            header = json.loads(
                octets.decode(), object_pairs_hook=_unique, parse_constant=_refuse_constant
            )
        except (ValueError, RecursionError) as error:
            raise self._refuse(
                LENGTH_BYTES, f"the header is not readable JSON ({error})"
            ) from error
        assert isinstance(header, dict)
        return header

    def _read_entry(self, name: str, entry: object) -> tuple[Element, list[int], int, int]:
        """Read a tensor's type, shape and place, which have to agree and lie within the file."""
        match entry:
            case {
                "dtype": str(code),
                "shape": list(shape),
                "data_offsets": [int(begin), int(end)],
                **others,
            } if not others and type(begin) is type(end) is int:
                pass
            case _:
                raise self._refuse_tensor(name, f"has not the fields {', '.join(FIELDS)}")
        element = self._find_element(name, code)
        if not can_be_shape(shape, element.size_bytes):
            raise self._refuse_tensor(name, f"has the shape {_shorten(shape)}")
        size_bytes = math.prod(shape) * element.size_bytes
        if not 0 <= begin <= end <= len(self.octets) - self.start or end - begin != size_bytes:
            raise self._refuse_tensor(
                name, f"of shape {_shorten(shape)} lies at {_shorten([begin, end])}"
            )
        return element, shape, begin, end

    def _find_element(self, name: str, code: str) -> Element:
        if not _is_text(name):
            raise self._refuse_tensor(name, "has a name that is not Unicode")
        if code not in READABLE:
            raise UnknownFormat(
                f"Tensor {_shorten(name)} of {self.name} is of the type {_shorten(code)},"
                " which cannot be read.",
                hint="Save the weights as float32 and import again.",
                file=self.name,
            )
        return READABLE[code]

    def _check_ranges(self, ranges: list[tuple[int, int, str]]) -> None:
        position = 0
        for begin, end, name in sorted(ranges):
            if begin != position:
                kind = "overlaps the one before it" if begin < position else "leaves a gap"
                raise self._refuse(self.start + begin, f"tensor {_shorten(name)} {kind}")
            position = end
        if self.start + position != len(self.octets):
            raise self._refuse(self.start + position, "numbers that belong to no tensor follow")

    def _refuse_tensor(self, name: str, reason: str) -> MalformedCheckpoint:
        return self._refuse(LENGTH_BYTES, f"tensor {_shorten(name)} {reason}")

    def _refuse(self, offset: int, reason: str) -> MalformedCheckpoint:
        return MalformedCheckpoint(
            f"{self.name} is damaged or not safetensors: byte {offset}: {reason}.",
            file=self.name,
            offset=offset,
        )


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _refuse_constant(text: str) -> object:
    raise ValueError(f"{text} is not JSON")


def _is_text(name: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def _shorten(value: object) -> str:
    """Write a foreign value so that it fits a sentence."""
    if isinstance(value, list):
        value = value[:8]
    text = ascii(value[:80] if isinstance(value, str) else value)
    return text if len(text) <= 100 else text[:100] + "..."  # noqa: PLR2004  # letters


def _write_header(layouts: Mapping[str, Layout], metadata: Mapping[str, str] | None) -> bytes:
    header: dict[str, object] = {}
    if metadata:
        header[METADATA] = dict(sorted(metadata.items()))
    offset = 0
    for name, layout in layouts.items():
        size_bytes = math.prod(layout.shape) * layout.dtype.itemsize
        header[name] = {
            "dtype": _dtype_name(name, layout),
            "shape": layout.shape,
            "data_offsets": (offset, offset + size_bytes),
        }
        offset += size_bytes
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    return len(text).to_bytes(LENGTH_BYTES, "little") + text


def _write_numbers(array: Array) -> Iterator[bytes]:
    """Write an array little-endian and row by row, in pieces."""
    dtype = array.dtype.newbyteorder("<")
    if array.flags.c_contiguous and array.dtype == dtype:
        octets = array.reshape(-1).view(np.uint8).data
        for start in range(0, len(octets), CHUNK_BYTES):
            yield bytes(octets[start : start + CHUNK_BYTES])
    elif array.nbytes <= CHUNK_BYTES:
        yield array.astype(dtype, order="C").tobytes()
    else:
        step = max(1, CHUNK_BYTES * len(array) // array.nbytes)
        for start in range(0, len(array), step):
            piece = array[start : start + step]
            yield from _write_numbers(piece[0] if step == 1 else piece)


def _dtype_name(name: str, layout: Layout) -> str:
    if name == METADATA:
        raise UnknownFormat(f"A tensor cannot be called {METADATA!r} in safetensors.")
    if layout.dtype.name not in DTYPES:
        raise UnknownFormat(
            f"Tensor {name!r} is of the type {layout.dtype}, which safetensors does not have."
        )
    return DTYPES[layout.dtype.name]
