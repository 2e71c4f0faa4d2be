"""Where height and width come to lie when a value's axes are moved, merged, cut or reduced."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from zoo.networks.probing import Shape
from zoo.networks.receptive.call import Call
from zoo.networks.receptive.laid import ATTENDING, FIXED, FLATTENING, Axes, Laid
from zoo.networks.receptive.sides import Window, slide

FAR = 2**31 - 1  # an end that stands for the end of every axis


def settle(call: Call) -> Laid:
    """Give what a layer makes that reads all of a map, into one size, height and width kept."""
    first = call.first
    if first.obstacles:
        return first
    pooled = first.pooled if first.is_settled else frozenset({call.node})
    return Laid(axes=first.axes, pooled=pooled)


def mix_along(call: Call, axes: Iterable[int]) -> Laid:
    """Lay a layer that computes along these axes, and leaves all where they are."""
    first, count = call.first, call.axes_read
    if first.axes is None or not {axis % count for axis in axes} & set(first.axes):
        return first
    return call.lost(ATTENDING, axes=first.axes)


def reorder(call: Call, order: Sequence[int]) -> Laid:
    """Lay a value whose axes come in another order."""
    first = call.first
    if first.axes is None:
        return first
    places = [axis % len(order) for axis in order]
    return first.moved((places.index(first.axes[0]), places.index(first.axes[1])))


def reshape(call: Call) -> Laid:
    """Lay a value whose numbers keep their order under another shape."""
    first = call.first
    if first.axes is None:
        return first
    found = find_axes(call.shape(call.reads[0]), first.axes, call.shape(call.node))
    return first.moved(found) if found or first.is_settled else call.lost(FLATTENING)


def find_axes(shape: Shape, axes: Axes, new: Shape) -> Axes | None:
    """Find height and width in another shape of the same numbers, also as one row of places.

    An axis is the same one where it is as long and as many numbers come before it.
    """
    if axes[0] == axes[1]:
        at = _find(math.prod(shape[: axes[0]]), shape[axes[0]], new, 0)
        return None if at is None else (at, at)
    high = _find(math.prod(shape[: axes[0]]), shape[axes[0]], new, 0)
    start = 0 if high is None or axes[1] < axes[0] else high + 1
    wide = _find(math.prod(shape[: axes[1]]), shape[axes[1]], new, start)
    if high is not None and wide is not None and high != wide:
        return high, wide
    if axes[1] != axes[0] + 1:
        return None
    row = _find(math.prod(shape[: axes[0]]), shape[axes[0]] * shape[axes[1]], new, 0)
    return None if row is None else (row, row)


def _find(before: int, size: int, shape: Shape, start: int) -> int | None:
    found = (
        axis
        for axis in range(start, len(shape))
        if shape[axis] == size and math.prod(shape[:axis]) == before
    )
    return next(found, None)


def reduce_axes(call: Call, axes: Iterable[int], *, keeps: bool) -> Laid:
    """Lay what has one number for all along some axes."""
    first, count = call.first, call.axes_read
    if first.axes is None:
        return first
    gone = {axis % count for axis in axes}
    places = set(first.axes)
    if places <= gone:
        return settle(call).moved(first.axes if keeps else None)
    if places & gone:
        return call.lost(ATTENDING)
    return first if keeps else first.moved(_without(first.axes, gone))


def _without(axes: Axes, gone: Iterable[int]) -> Axes:
    dropped = list(gone)
    return (
        axes[0] - sum(axis < axes[0] for axis in dropped),
        axes[1] - sum(axis < axes[1] for axis in dropped),
    )


def cut_axes(call: Call, parts: Mapping[int, object]) -> Laid:
    """Lay what is taken of a value: of each axis a slice, or one place, which drops the axis."""
    first = call.first
    if first.axes is None:
        return first
    singles = [axis for axis, part in parts.items() if isinstance(part, int)]
    windows = [_window_of(parts.get(axis, slice(None))) for axis in first.axes]
    if first.is_settled:
        return first.moved(
            None if set(singles) & set(first.axes) else _without(first.axes, singles)
        )
    high, wide = windows
    if high is None or wide is None or (first.axes[0] == first.axes[1] and high != Window()):
        return call.lost(FIXED, axes=None if set(singles) & set(first.axes) else first.axes)
    moved = first.moved(_without(first.axes, singles))
    return slide_sides(moved, high, wide)


def _window_of(part: object) -> Window | None:
    """Give the window of a slice that leaves out so many rows at both ends; None for others."""
    if not isinstance(part, slice):
        return None
    start, stop, step = part.start or 0, part.stop, part.step or 1
    if not all(isinstance(number, int) for number in (start, stop or 0, step)):
        return None
    end = 0 if stop is None or stop >= FAR else stop
    if start < 0 or step < 1 or end > 0 or stop == 0:
        return None
    return Window(stride=step, before=-start, after=end)


def slide_sides(laid: Laid, high: Window, wide: Window) -> Laid:
    """Give the same with windows of its own along height and width, wherever these lie."""
    if laid.sides is None:
        return laid
    return replace(laid, sides=(slide(laid.sides[0], high), slide(laid.sides[1], wide)))
