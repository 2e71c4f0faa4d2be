"""The few layers of Caffe that torch.nn lacks; everything else is a standard module."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

Pair = tuple[int, int]


class WithinChannelLRN(nn.Module):
    """Normalise each number by its own channel's neighbours, as LRN's WITHIN_CHANNEL does.

    y = x * (1 + alpha * average of x^2 over size x size)^-beta, where zeros around the edge count:
    the divisor is always size^2 (LRNLayer::WithinChannelForward; Caffe ignores ``k`` here).
    """

    def __init__(self, *, size: int, alpha: float, beta: float) -> None:
        super().__init__()
        self.size, self.alpha, self.beta = size, alpha, beta

    def forward(self, x: Tensor) -> Tensor:
        """Normalise N x C x H x W; the shape stays."""
        average = functional.avg_pool2d(x * x, self.size, stride=1, padding=(self.size - 1) // 2)
        return x * (1 + self.alpha * average).pow(-self.beta)

    def extra_repr(self) -> str:
        """Show the numbers it was made of."""
        return f"size={self.size}, alpha={self.alpha}, beta={self.beta}"


class WidelyPaddedPool2d(nn.Module):
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
        high, wide = self.padding
        rows, columns = (
            math.ceil((size + pad) / step)
            for size, pad, step in zip(x.shape[2:], self.padding, self.stride, strict=True)
        )
        pool = functional.avg_pool2d if self.is_average else functional.max_pool2d
        padded = functional.pad(
            x, (wide, wide, high, high), value=0.0 if self.is_average else -math.inf
        )
        pooled = pool(padded, self.kernel_size, self.stride, ceil_mode=self.ceil_mode)
        return pooled[:, :, :rows, :columns]

    def extra_repr(self) -> str:
        """Show the numbers it was made of."""
        return (
            f"is_average={self.is_average}, kernel_size={self.kernel_size}, stride={self.stride},"
            f" padding={self.padding}, ceil_mode={self.ceil_mode}"
        )


class Scale(nn.Module):
    """Multiply every channel by its own number, and add another if ``bias`` is wanted.

    ``axes`` is the number of axes it reads: 2 for N x C, 4 for N x C x H x W.
    """

    def __init__(self, channels: int, *, axes: int, bias: bool, device: str | None = None) -> None:
        super().__init__()
        self.axes = axes
        self.weight = nn.Parameter(torch.ones(channels, device=device))
        self.bias = nn.Parameter(torch.zeros(channels, device=device)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Scale along the second axis; the shape stays."""
        ends = (1,) * (self.axes - 2)
        scaled = x * self.weight.view(-1, *ends)
        return scaled if self.bias is None else scaled + self.bias.view(-1, *ends)

    def extra_repr(self) -> str:
        """Show the numbers it was made of."""
        return f"{len(self.weight)}, axes={self.axes}, bias={self.bias is not None}"
