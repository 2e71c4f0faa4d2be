"""Layers that compute with several blobs, number by number."""

import functools
from collections.abc import Callable

import torch
from torch import Tensor, nn

from zoo.networks.layers.base import Layer
from zoo.networks.layers.learned import Shape, spread


class Eltwise(Layer):
    """The product, the weighted sum or the maximum of blobs of one shape."""

    def __init__(self, *, operation: str, coefficients: tuple[float, ...] = ()) -> None:
        super().__init__()
        self.operation, self.coefficients = operation, coefficients

    def forward(self, *blobs: Tensor) -> Tensor:
        """Combine; the shape stays."""
        if self.coefficients:
            blobs = tuple(x * by for x, by in zip(blobs, self.coefficients, strict=True))
        return functools.reduce(OPERATIONS[self.operation], blobs)


OPERATIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "MAX": torch.maximum,
    "PROD": torch.mul,
    "SUM": torch.add,
}


class ScaleBy(Layer):
    """Multiply by another blob, which has the axes from ``axis`` on; add a learned bias if wanted.

    ``bias`` is the bias's shape, the other blob's, or None for no bias.
    """

    def __init__(
        self, *, axis: int = 1, bias: Shape | None = None, device: str | None = None
    ) -> None:
        super().__init__()
        self.axis = axis
        self.bias = None if bias is None else nn.Parameter(torch.zeros(bias, device=device))

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        """Scale; the shape of ``x`` stays."""
        scaled = x * spread(other, x, self.axis)
        return scaled if self.bias is None else scaled + spread(self.bias, x, self.axis)


class BiasBy(Layer):
    """Add another blob, which has the axes from ``axis`` on."""

    def __init__(self, *, axis: int = 1) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        """Add; the shape of ``x`` stays."""
        return x + spread(other, x, self.axis)


class Axpy(Layer):
    """a * x + y, where ``a`` has one number a channel: N x C, or N x C x 1 x 1; of SENet's fork."""

    def forward(self, a: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """Compute it; the shape of ``x`` stays."""
        return a.reshape(*a.shape[:2], *(1,) * (x.dim() - 2)) * x + y
