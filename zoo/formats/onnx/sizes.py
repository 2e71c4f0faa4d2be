"""Sizes that are known in part: numbers, multiples of the batch, and what nobody knows.

A graph that was written for one picture has a 1 where the batch stands; following the batch through
the graph lets it be free again.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Batch:
    """So many times the number of pictures."""

    times: int = 1


Size = int | Batch | None
Sizes = tuple[Size, ...]
ONE = Batch()


def multiply(a: Size, b: Size) -> Size:
    """Give a product; None where it is unknown."""
    if isinstance(a, int) and isinstance(b, int):
        return a * b
    if isinstance(a, Batch) and isinstance(b, int):
        return Batch(a.times * b)
    if isinstance(a, int) and isinstance(b, Batch):
        return Batch(a * b.times)
    return None


def divide(a: Size, b: Size) -> Size:
    """Give a quotient, rounded towards zero as ONNX does; None where it is unknown."""
    if isinstance(b, Batch):
        return a.times // b.times if isinstance(a, Batch) and a.times % b.times == 0 else None
    if not b or a is None:
        return None
    if isinstance(a, Batch):
        return Batch(a.times // b) if a.times % b == 0 else None
    return int(math.copysign(1, a) * math.copysign(1, b)) * (abs(a) // abs(b))


def add(a: Size, b: Size) -> Size:
    """Give a sum; None where it is unknown."""
    return a + b if isinstance(a, int) and isinstance(b, int) else None


def subtract(a: Size, b: Size) -> Size:
    """Give a difference; None where it is unknown."""
    return a - b if isinstance(a, int) and isinstance(b, int) else None


def product(sizes: Sequence[Size]) -> Size:
    """Give the product of all sizes; None where it is unknown."""
    total: Size = 1
    for size in sizes:
        total = multiply(total, size)
    return total


def broadcast(a: Sizes, b: Sizes) -> Sizes:
    """Give the shape of what two arrays give together."""
    rank = max(len(a), len(b))
    left = (*(1,) * (rank - len(a)), *a)
    right = (*(1,) * (rank - len(b)), *b)
    return tuple(_wider(x, y) for x, y in zip(left, right, strict=True))


def _wider(a: Size, b: Size) -> Size:
    if a in {1, b}:
        return b
    return a if b == 1 or b is None else (b if a is None else a)


def told(sizes: Sequence[Size]) -> str:
    """Word a shape for an error."""
    return " x ".join(_told(size) for size in sizes) or "a single number"


def _told(size: Size) -> str:
    if isinstance(size, Batch):
        return "N" if size.times == 1 else f"{size.times}N"
    return "?" if size is None else str(size)
