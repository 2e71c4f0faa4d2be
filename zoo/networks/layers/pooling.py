"""Poolings beyond torch's own: wide padding, masks, expected draws, pyramids."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from zoo.networks.layers.base import Layer

Pair = tuple[int, int]


class WidelyPaddedPool2d(Layer):
    """Pool with a padding of more than half the kernel, which torch's own poolings refuse.

    Pads first and then pools without padding. Windows that would begin in the padding at the far
    edge are dropped, and an average is divided by the window's area inside the padded picture
    (PoolingLayer::Reshape and Forward_cpu).
    """

    def __init__(
        self, *, is_average: bool, kernel_size: Pair, stride: Pair, padding: Pair, ceil_mode: bool
    ) -> None:
        super().__init__()
        self.is_average = is_average
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.ceil_mode = ceil_mode

    def forward(self, x: Tensor) -> Tensor:
        """Pool N x C x H x W."""
        pool = functional.avg_pool2d if self.is_average else functional.max_pool2d
        padded = _pad(x, self.padding, 0.0 if self.is_average else -math.inf)
        pooled = pool(padded, self.kernel_size, self.stride, ceil_mode=self.ceil_mode)
        rows, columns = _most_windows(x, self.stride, self.padding)
        return pooled[:, :, :rows, :columns]


class MaskedMaxPool2d(Layer):
    """A MAX pooling that also tells where each maximum is: its place in its own map, as a float.

    The place is row * W + column of the first maximum; a kernel of (0, 0) is the whole map.
    """

    def __init__(self, *, kernel_size: Pair, stride: Pair, padding: Pair, ceil_mode: bool) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.ceil_mode = ceil_mode

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Pool N x C x H x W: the maxima, and their places."""
        kernel = self.kernel_size if any(self.kernel_size) else (x.shape[2], x.shape[3])
        pooled, places = functional.max_pool2d_with_indices(
            _pad(x, self.padding, -math.inf), kernel, self.stride, ceil_mode=self.ceil_mode
        )
        rows, columns = _most_windows(x, self.stride, self.padding)
        high, wide = self.padding
        row = places // (x.shape[3] + 2 * wide) - high
        column = places % (x.shape[3] + 2 * wide) - wide
        mask = (row * x.shape[3] + column).to(x.dtype)
        return pooled[:, :, :rows, :columns], mask[:, :, :rows, :columns]


class StochasticPool2d(Layer):
    """Pooling that draws a number of each window in training: here what it draws on average.

    The sum of squares over the sum of each window, 0 where that sum is not above 0
    (StoPoolForwardTest); a kernel of (0, 0) is the whole map.
    """

    def __init__(self, *, kernel_size: Pair, stride: Pair, ceil_mode: bool) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.ceil_mode = kernel_size, stride, ceil_mode

    def forward(self, x: Tensor) -> Tensor:
        """Pool N x C x H x W."""
        kernel = self.kernel_size if any(self.kernel_size) else (x.shape[2], x.shape[3])
        # Averages over the same windows; what both sums are divided by cancels out.
        total, squares = (
            functional.avg_pool2d(value, kernel, self.stride, ceil_mode=self.ceil_mode)
            for value in (x, x * x)
        )
        return torch.where(total > 0, squares / total, torch.zeros_like(total))


class SPP(Layer):
    """Spatial pyramid pooling: maps pooled to 1, 4, 16 ... bins, flattened and joined.

    One level alone stays a map of 1 x 1 (SPPLayer).
    """

    def __init__(self, *, pyramid_height: int, is_average: bool) -> None:
        super().__init__()
        self.pyramid_height, self.is_average = pyramid_height, is_average

    def windows(self, size: Pair) -> Iterator[tuple[Pair, Pair]]:
        """Give each level's kernel, which is its stride too, and its padding, for a map's size.

        Source: SPPLayer::GetPoolingParam.
        """
        for level in range(self.pyramid_height):
            bins = 2**level
            high, wide = (-(-side // bins) for side in size)
            pads = (high * bins - size[0] + 1) // 2, (wide * bins - size[1] + 1) // 2
            yield (high, wide), pads

    def forward(self, x: Tensor) -> Tensor:
        """Pool N x C x H x W to N x (C * bins)."""
        levels = [
            WidelyPaddedPool2d(
                is_average=self.is_average,
                kernel_size=kernel,
                stride=kernel,
                padding=padding,
                ceil_mode=True,
            )(x)
            for kernel, padding in self.windows((x.shape[2], x.shape[3]))
        ]
        return levels[0] if len(levels) == 1 else torch.cat([it.flatten(1) for it in levels], dim=1)


def _pad(x: Tensor, padding: Pair, value: float) -> Tensor:
    high, wide = padding
    return functional.pad(x, (wide, wide, high, high), value=value) if any(padding) else x


def _most_windows(x: Tensor, stride: Pair, padding: Pair) -> Pair:
    """Count the windows that begin before the padding at the far edge."""
    high, wide = (
        math.ceil((size + pad) / step)
        for size, pad, step in zip(x.shape[2:], padding, stride, strict=True)
    )
    return high, wide
