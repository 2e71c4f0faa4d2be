"""Layers that give few numbers for many."""

from collections.abc import Callable

import torch
from torch import Tensor

from zoo.networks.layers.base import Layer


class Reduction(Layer):
    """One number of all axes from ``axis`` on, times a coefficient."""

    def __init__(self, *, operation: str, axis: int, coefficient: float) -> None:
        super().__init__()
        self.operation, self.axis, self.coefficient = operation, axis, coefficient

    def forward(self, x: Tensor) -> Tensor:
        """Reduce; the axes from ``axis`` on are gone."""
        return OPERATIONS[self.operation](x.flatten(self.axis)) * self.coefficient


OPERATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "ASUM": lambda x: x.abs().sum(-1),
    "MEAN": lambda x: x.mean(-1),
    "SUM": lambda x: x.sum(-1),
    "SUMSQ": lambda x: (x * x).sum(-1),
}


class ArgMax(Layer):
    """The places of the ``top_k`` largest, as floats; of equal numbers the last comes first.

    Along an axis: the places, or the values where ``has_values``. Without one, of all of a picture:
    N x 1 x k, or N x 2 x k with the values below the places, and axes of size 1 behind up to the
    number of axes that is read (ArgMaxLayer).
    """

    def __init__(self, *, axis: int | None, top_k: int, has_values: bool) -> None:
        super().__init__()
        self.axis, self.top_k, self.has_values = axis, top_k, has_values

    def forward(self, x: Tensor) -> Tensor:
        """Find them."""
        if self.axis is not None:
            places, values = self._find(x, self.axis)
            return values if self.has_values else places
        places, values = self._find(x.flatten(1), 1)
        rows = [places, values] if self.has_values else [places]
        found = torch.stack(rows, dim=1)
        return found.reshape(*found.shape, *(1,) * (x.dim() - found.dim()))

    def _find(self, x: Tensor, axis: int) -> tuple[Tensor, Tensor]:
        """Search from the end, where the last of equal numbers is the first that is met."""
        turned = x.flip(axis)
        if self.top_k == 1:
            values, places = turned.max(axis, keepdim=True)
        else:
            sorted_ = turned.sort(dim=axis, descending=True, stable=True)
            values, places = (part.narrow(axis, 0, self.top_k) for part in sorted_)
        return (x.shape[axis] - 1 - places).to(x.dtype), values
