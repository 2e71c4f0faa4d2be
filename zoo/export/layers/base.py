"""What rows of several rooms write: axes, sizes of maps, steps of arithmetic."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from onnx import TensorProto
from torch import nn

from zoo.export.sheet import CHANNELS, Place, Values

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
FAR = 2**31 - 1  # behind the end of every axis
HEIGHT, WIDTH = 2, 3  # axes
MAP = 4  # axes of N x C x H x W
FLAT = 2

# The values take a module of their key; a mapping cannot say so, hence Any.
Rows = Mapping[type[nn.Module], Callable[[Place, Any], Values]]


def apply_steps(place: Place, value: str, steps: Iterable[tuple[str, float, float]]) -> str:
    """Write ``value operator number`` for each step, but for numbers that change nothing."""
    for operator, number, inert in steps:
        if number != inert:
            name = operator.lower()
            value = place.step(name, operator, value, place.number(f"{name}_by", number))
    return value


def pair(value: Any) -> list[int]:  # noqa: ANN401  # torch's int, or tuple of them
    """Give height and width, which may be one number."""
    return [value, value] if isinstance(value, int) else list(value)


def map_size(place: Place, value: str, name: str = "size") -> str:
    """Ask the graph for a blob's height and width."""
    return place.step(name, "Shape", value, start=HEIGHT, end=MAP)


def spread_axes(place: Place, axis: int, axes: int) -> int:
    """Count the axes to put behind numbers for ``axes`` axes, so that they meet x from ``axis``."""
    return place.axes() - axis - axes


def pin_covered(place: Place, axis: int, axes: int) -> None:
    """Pin the axes a weight has numbers for; of channels there are always as many."""
    place.pin(*(covered for covered in range(axis, axis + axes) if covered != CHANNELS))


def cut(place: Place, name: str, value: str, **bounds: list[int]) -> str:
    """Cut a value from ``starts`` to ``ends`` along ``axes``."""
    named = [place.integers(f"{name}/{key}", *bounds[key]) for key in ("starts", "ends", "axes")]
    return place.step(name, "Slice", value, *named)
