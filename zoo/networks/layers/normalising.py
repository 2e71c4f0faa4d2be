"""Layers that divide by what they measure in what they read."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.networks.layers.base import Layer


class WithinChannelLRN(Layer):
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


class MVN(Layer):
    """x less its mean, over its standard deviation + eps: of each map, or of each picture.

    The variance is that of the whole, not of a sample; eps is added to the deviation, not to the
    variance (MVNLayer).
    """

    def __init__(self, *, has_variance: bool, is_across_channels: bool, eps: float) -> None:
        super().__init__()
        self.has_variance, self.is_across_channels, self.eps = has_variance, is_across_channels, eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalise N x C x ...; the shape stays."""
        rows = x.reshape(*x.shape[: 1 if self.is_across_channels else 2], -1)
        rows = rows - rows.mean(-1, keepdim=True)
        if self.has_variance:
            rows = rows / ((rows * rows).mean(-1, keepdim=True).sqrt() + self.eps)
        return rows.reshape(x.shape)


class Normalize(Layer):
    """x over its L2 norm, sqrt(eps + sum of squares), times a learned scale; of SSD's fork.

    The sum is over the channels of each place, or over the whole picture. There is one scale a
    channel, or one for all where ``channels`` is 1.
    """

    def __init__(
        self, channels: int, *, is_across_spatial: bool, eps: float, device: str | None = None
    ) -> None:
        super().__init__()
        self.is_across_spatial, self.eps = is_across_spatial, eps
        self.weight = nn.Parameter(torch.ones(channels, device=device))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise N x C x ...; the shape stays."""
        axes = list(range(1, x.dim())) if self.is_across_spatial else [1]
        norm = ((x * x).sum(axes, keepdim=True) + self.eps).sqrt()
        return x / norm * self.weight.view(-1, *(1,) * (x.dim() - 2))


class BatchStatistics(Layer):
    """(x - mean) / sqrt(var + eps) of the batch at hand: ``use_global_stats: false``.

    The variance is that of the whole batch, not of a sample (BatchNormLayer). The statistics that
    training has stored are kept beside it, unused.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(
        self, channels: int, *, eps: float, momentum: float, device: str | None = None
    ) -> None:
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.register_buffer("running_mean", torch.zeros(channels, device=device))
        self.register_buffer("running_var", torch.ones(channels, device=device))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise N x C x ...; the shape stays."""
        axes = [axis for axis in range(x.dim()) if axis != 1]
        centred = x - x.mean(axes, keepdim=True)
        return centred / ((centred * centred).mean(axes, keepdim=True) + self.eps).sqrt()
