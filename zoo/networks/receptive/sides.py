"""How windows on windows add up to windows on the picture, for one side of a map.

The sums of receptive fields are those of Dumoulin and Visin, A guide to convolution arithmetic for
deep learning, 2016. A layer of stride s gives floor((n + steps) / s) cells for n, and n itself is
floor((N + shift) / stride) for a picture of N pixels; a floor of a floor is one floor, so all of
them are floor((N + shift + stride * steps) / (stride * s)).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from zoo.domain.geometry import Side

PICTURE = Side(stride_px=1, window_px=1, start_px=0, shift_px=0, smallest_px=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What a cell of a layer reads along one side of the map below it."""

    size: int = 1  # from its first row to its last one, holes of a dilation included
    stride: int = 1
    before: int = 0  # padding; below 0 where rows are taken off
    after: int = 0
    rounds_up: bool = False
    is_clipped: bool = False  # windows may not begin in the padding at the far edge

    @property
    def steps(self) -> int:
        """Give what is added to the rows below before they are divided by the stride.

        torch drops the last window of a pooling that rounds up if it begins beyond the map and the
        padding before it (aten/native/Pool.h, pooling_output_shape); so does Caffe's
        PoolingLayer::Reshape.
        """
        steps = self.before + self.after - self.size + self.stride
        if self.rounds_up:
            steps += self.stride - 1
        most = self.before + self.stride - 1
        return min(steps, most) if self.rounds_up or self.is_clipped else steps


def slide(side: Side, window: Window) -> Side:
    """Give the side of the map that a layer with such windows makes."""
    stride = side.stride_px * window.stride
    shift = side.shift_px + side.stride_px * window.steps
    return Side(
        stride_px=stride,
        window_px=side.window_px + side.stride_px * (window.size - 1),
        start_px=side.start_px - side.stride_px * window.before,
        shift_px=shift,
        smallest_px=max(side.smallest_px, stride - shift),
    )


def keep_inside(side: Side, like: Side, *, reach: int, first: int) -> Side:
    """Give the side of a map of which only the cells from ``first`` on are kept.

    Cell ``i`` is kept where its window, which ends before row ``stride * i + reach`` of what the
    side ``like`` is of, ends inside of it.
    """
    begin = side.start_px + side.stride_px * first
    shift = like.shift_px - reach + side.stride_px * (1 - first)
    return replace(
        side,
        start_px=begin,
        shift_px=shift,
        smallest_px=max(side.smallest_px, side.stride_px - shift),
    )


def hold(side: Side, smallest_px: int) -> Side:
    """Give the same side of pictures that are at least so large."""
    return replace(side, smallest_px=max(side.smallest_px, smallest_px))


def join(sides: Iterable[Side]) -> Side | None:
    """Give the side of maps that are put together cell by cell; None where their sizes differ.

    A cell of theirs sees what either sees.
    """
    every = list(sides)
    if len({(side.stride_px, side.shift_px) for side in every}) > 1:
        return None
    begin = min(side.start_px for side in every)
    end = max(side.start_px + side.window_px for side in every)
    smallest = max(side.smallest_px for side in every)
    return replace(every[0], start_px=begin, window_px=end - begin, smallest_px=smallest)
