"""Types of numbers that files have and numpy may lack, and weights that are converted when asked.

bfloat16 and the 8-bit floats are read as float32, which holds every one of their numbers exactly.
Sources: bfloat16 is the upper half of a float32; the 8-bit formats are those of the OCP 8-bit
Floating Point Specification, revision 1.0 (E4M3 has no infinities, E5M2 is the upper half of a
float16).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo.domain.weights import Array, Weights

E4M3_BIAS, E4M3_MANTISSA_BITS, E4M3_NAN = 7, 3, 0x7F


@dataclass(frozen=True, slots=True)
class Element:
    """One type of number: how it lies in a file, and what makes float32 of it, if numpy lacks it.

    ``dtype`` is numpy's name of what lies there, little-endian.
    """

    name: str
    dtype: str
    convert: Callable[[Array], Array] | None = None

    @property
    def size_bytes(self) -> int:
        """How long one number is."""
        return np.dtype(self.dtype).itemsize


@dataclass(frozen=True, slots=True)
class Layout:
    """What an array will be, before it is one."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]


class ConvertedWeights(Mapping[str, Array]):
    """Weights of which some are converted each time they are asked for, one at a time.

    A file of gigabytes costs no more memory than its largest tensor, unless the caller keeps all.
    ``stored`` are the arrays as they lie in the file, ``elements`` the types of those among them
    that are converted.
    """

    __slots__ = ("elements", "stored")

    def __init__(self, stored: Weights, elements: Mapping[str, Element]) -> None:
        self.stored = stored
        self.elements = elements

    def __getitem__(self, name: str) -> Array:
        array = self.stored[name]
        element = self.elements.get(name)
        return array if element is None or element.convert is None else element.convert(array)

    def __iter__(self) -> Iterator[str]:
        return iter(self.stored)

    def __len__(self) -> int:
        return len(self.stored)

    def layout(self, name: str) -> Layout:
        """Tell what an array will be, without converting it."""
        array, element = self.stored[name], self.elements.get(name)
        if element is None or element.convert is None:
            return Layout(array.dtype, array.shape)
        return Layout(element.convert(array[..., :0] if array.ndim else array).dtype, array.shape)


def layout_of(weights: Weights, name: str) -> Layout:
    """Tell the type and shape of a tensor, without converting it."""
    if isinstance(weights, ConvertedWeights):
        return weights.layout(name)
    array = weights[name]
    return Layout(array.dtype, array.shape)


def convert_when_asked(stored: Weights, elements: Mapping[str, Element]) -> Weights:
    """Give the arrays as they are, or converted one at a time where some have to be."""
    needed = {name: element for name, element in elements.items() if element.convert is not None}
    return ConvertedWeights(stored, needed) if needed else dict(stored)


def select_weights(weights: Weights, names: Iterable[str]) -> Weights:
    """Give only these of the weights, not converting any."""
    if not isinstance(weights, ConvertedWeights):
        return {name: weights[name] for name in names}
    stored = {name: weights.stored[name] for name in names}
    return convert_when_asked(
        stored, {name: each for name, each in weights.elements.items() if name in stored}
    )


def join_weights(parts: list[Weights]) -> Weights:
    """Put weights from several files together; names are all different."""
    stored: dict[str, Array] = {}
    elements: dict[str, Element] = {}
    for part in parts:
        if isinstance(part, ConvertedWeights):
            stored |= part.stored
            elements |= part.elements
        else:
            stored |= part
    return convert_when_asked(stored, elements)


def conversion_notes(weights: Weights) -> tuple[str, ...]:
    """Say which types were converted, a sentence each."""
    if not isinstance(weights, ConvertedWeights):
        return ()
    counts = Counter(
        (element.name, weights.layout(name).dtype.name)
        for name, element in weights.elements.items()
    )
    return tuple(
        f"Of {len(weights)} tensors, {count} {'is' if count == 1 else 'are'} {kind} in the file,"
        f" read as {wide}, which holds the same numbers."
        for (kind, wide), count in sorted(counts.items())
    )


def swapped(element: Element) -> Element:
    """Give the same type with its bytes the other way round; read in this machine's order."""
    dtype = np.dtype(element.dtype).newbyteorder(">")
    if dtype.itemsize == 1:
        return element
    return Element(f"big-endian {element.name}", dtype.str, element.convert or _to_native)


def _to_native(array: Array) -> Array:
    return array.astype(array.dtype.newbyteorder("="))


def _from_bfloat16(array: Array) -> Array:
    bits = np.left_shift(array, 16, dtype=np.uint32)
    return np.asarray(bits).view(np.float32)


def _from_e5m2(array: Array) -> Array:
    bits = np.left_shift(array, 8, dtype=np.uint16)
    return np.asarray(bits).view(np.float16).astype(np.float32)


def _from_e4m3(array: Array) -> Array:
    return np.asarray(_e4m3_numbers()[array])


def _e4m3_numbers() -> Array:
    """Every number of E4M3, by its bits."""
    bits = np.arange(256)
    exponent = (bits >> E4M3_MANTISSA_BITS) & 0xF
    fraction = (bits & 0x7) / 2**E4M3_MANTISSA_BITS
    is_normal = exponent > 0
    scale = np.where(is_normal, exponent, 1) - E4M3_BIAS
    magnitude = np.ldexp(fraction + is_normal, scale)
    magnitude[bits & 0x7F == E4M3_NAN] = np.nan
    sign = np.where(bits >> 7, -1.0, 1.0)
    return np.asarray(np.copysign(magnitude, sign), dtype=np.float32)


ELEMENTS = {
    each.name: each
    for each in (
        Element("bool", "|b1"),
        Element("uint8", "|u1"),
        Element("int8", "|i1"),
        Element("uint16", "<u2"),
        Element("int16", "<i2"),
        Element("uint32", "<u4"),
        Element("int32", "<i4"),
        Element("uint64", "<u8"),
        Element("int64", "<i8"),
        Element("float16", "<f2"),
        Element("float32", "<f4"),
        Element("float64", "<f8"),
        Element("complex64", "<c8"),
        Element("complex128", "<c16"),
        Element("bfloat16", "<u2", _from_bfloat16),
        Element("float8_e4m3fn", "|u1", _from_e4m3),
        Element("float8_e5m2", "|u1", _from_e5m2),
    )
}
