"""Layers of one learned tensor or two."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.networks.layers.base import Layer

Shape = tuple[int, ...]


class Scale(Layer):
    """Multiply by learned numbers, and add others if ``bias`` is wanted.

    The numbers have the ``shape`` of the axes from ``axis`` on, and are the same along all others:
    (C,) from axis 1 is one a channel, () one for all.
    """

    def __init__(
        self, shape: Shape, *, axis: int = 1, bias: bool, device: str | None = None
    ) -> None:
        super().__init__()
        self.axis = axis
        self.weight = nn.Parameter(torch.ones(shape, device=device))
        self.bias = nn.Parameter(torch.zeros(shape, device=device)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Scale; the shape stays."""
        scaled = x * spread(self.weight, x, self.axis)
        return scaled if self.bias is None else scaled + spread(self.bias, x, self.axis)


class Bias(Layer):
    """Add learned numbers, along axes as in ``Scale``."""

    def __init__(self, shape: Shape, *, axis: int = 1, device: str | None = None) -> None:
        super().__init__()
        self.axis = axis
        self.bias = nn.Parameter(torch.zeros(shape, device=device))

    def forward(self, x: Tensor) -> Tensor:
        """Add; the shape stays."""
        return x + spread(self.bias, x, self.axis)


class Embed(Layer):
    """Rows of a table by their numbers, which come as floats, and a bias if wanted."""

    def __init__(self, rows: int, columns: int, *, bias: bool, device: str | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(rows, columns, device=device))
        self.bias = nn.Parameter(torch.zeros(columns, device=device)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Look up; one axis of ``columns`` is put at the end of the shape."""
        found = functional.embedding(x.long(), self.weight)
        return found if self.bias is None else found + self.bias


class Parameter(Layer):
    """A learned blob that other layers read; reads nothing."""

    def __init__(self, shape: Shape, *, device: str | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(shape, device=device))

    def forward(self) -> Tensor:
        """Give the blob."""
        return self.weight


def spread(numbers: Tensor, x: Tensor, axis: int) -> Tensor:
    """Put axes of size 1 behind, so that the numbers meet x from ``axis`` on."""
    return numbers.reshape(*numbers.shape, *(1,) * (x.dim() - axis - numbers.dim()))
