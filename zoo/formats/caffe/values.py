"""Reading values that several kinds of layers have: counts, sizes of windows, axes and their lists.

A value that Caffe refuses is MalformedPrototxt, one that only the zoo cannot use Unsupported.
"""

from zoo.errors import Unsupported
from zoo.formats.caffe.tree import Message

LARGEST_WINDOW = 2**15  # pixels; keeps every product of sizes small
MOST_AXES = 32  # kMaxBlobAxes in Caffe


def read_positive(chosen: Message, key: str, absent: int | None = None) -> int:
    """Read a count of at least 1."""
    value = chosen.integer(key, absent)
    if value is None:
        raise chosen.refuse(f"{key} is missing")
    if value < 1:
        raise chosen.refuse(f"{key} is {value}; it must be at least 1")
    return value


def read_pair(
    chosen: Message, both: str, one: str, *, least: int, absent: int | None = None
) -> tuple[int, int]:
    """Read (height, width) from ``pad`` or from ``pad_h`` and ``pad_w``, which exclude it."""
    high, wide = chosen.integer(f"{one}_h", None), chosen.integer(f"{one}_w", None)
    if high is None and wide is None:
        return read_spatial(chosen, both, least=least, absent=absent)
    if chosen.has(both):
        raise chosen.refuse(f"{both} excludes {one}_h and {one}_w")
    pair = high or 0, wide or 0
    _check_window(chosen, f"{one}_h and {one}_w", pair, least)
    return pair


def read_spatial(
    chosen: Message, key: str, *, least: int, absent: int | None = None
) -> tuple[int, int]:
    """Read a repeated field: one value for both axes, or height and width."""
    values = chosen.integers(key)
    if not values and absent is not None:
        values = [absent]
    if not values:
        raise chosen.refuse(f"{key} is missing")
    if len(values) > len(("height", "width")):
        raise Unsupported(f"{len(values)} spatial axes")
    pair = values[0], values[-1]
    _check_window(chosen, key, pair, least)
    return pair


def read_size(chosen: Message, high: str, wide: str) -> tuple[int, int]:
    """Read a height and a width that are stated together or not at all, which is (0, 0)."""
    size = chosen.integer(high, 0), chosen.integer(wide, 0)
    if size != (0, 0):
        _check_window(chosen, f"{high} and {wide}", size, 1)
    return size


def read_axis(chosen: Message, old: str) -> int:
    """Read the axis, or its old name, which may not be negative."""
    if chosen.has("axis") and chosen.has(old):
        raise chosen.refuse(f"axis and {old} exclude each other")
    axis = chosen.integer(old, 1)
    if axis < 0:
        raise chosen.refuse(f"{old} is {axis}; it must not be negative")
    return chosen.integer("axis", axis)


def read_dims(chosen: Message, *, least: int) -> tuple[int, ...]:
    """Read the sizes of axes out of a ``shape { dim: .. }``."""
    dims = tuple(chosen.message("shape").integers("dim"))
    if len(dims) > MOST_AXES or min(dims, default=least) < least:
        raise chosen.refuse(f"its shape is {dims[: MOST_AXES + 1]}")
    return dims


def read_eps(chosen: Message, absent: float) -> float:
    """Read what is added to a variance."""
    eps = chosen.number("eps", absent)
    if eps < 0:
        raise chosen.refuse(f"eps is {eps}; it must not be negative")
    return eps


def _check_window(chosen: Message, key: str, pair: tuple[int, int], least: int) -> None:
    if not least <= min(pair) <= max(pair) <= LARGEST_WINDOW:
        raise chosen.refuse(f"{key} must be from {least} to {LARGEST_WINDOW}, found {pair}")
