"""Functions of each number by itself."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from zoo.networks.layers.base import Layer

NATURAL = -1.0  # the base that stands for e (ExpParameter, LogParameter)


class AbsVal(Layer):
    """The absolute value."""

    def forward(self, x: Tensor) -> Tensor:
        """Compute it; the shape stays."""
        return x.abs()


class Swish(Layer):
    """x * sigmoid(beta * x)."""

    def __init__(self, *, beta: float) -> None:
        super().__init__()
        self.beta = beta

    def forward(self, x: Tensor) -> Tensor:
        """Compute it; the shape stays."""
        return x * torch.sigmoid(self.beta * x)


class Clip(Layer):
    """x held between ``least`` and ``most``, which may be one number."""

    def __init__(self, *, least: float, most: float) -> None:
        super().__init__()
        self.least, self.most = least, most

    def forward(self, x: Tensor) -> Tensor:
        """Compute it; the shape stays."""
        return x.clamp(self.least, self.most)


class Threshold(Layer):
    """1 where x is above the threshold, else 0."""

    def __init__(self, *, threshold: float) -> None:
        super().__init__()
        self.threshold = threshold

    def forward(self, x: Tensor) -> Tensor:
        """Compute it; the shape stays."""
        return (x > self.threshold).to(x.dtype)


class Power(Layer):
    """(shift + scale * x) ^ power; to the power of 0 everything is 1."""

    def __init__(self, *, power: float, scale: float, shift: float) -> None:
        super().__init__()
        self.power, self.scale, self.shift = power, scale, shift

    def forward(self, x: Tensor) -> Tensor:
        """Compute it; the shape stays."""
        inner = x * self.scale + self.shift
        return inner if self.power == 1 else inner.pow(self.power)


class Exp(Layer):
    """base ^ (shift + scale * x), a base of -1 being e.

    Computed as a factor times e^(rate * x), as ExpLayer does.
    """

    def __init__(self, *, base: float, scale: float, shift: float) -> None:
        super().__init__()
        self.base, self.scale, self.shift = base, scale, shift
        self._rate, self._factor = self.numbers()

    def numbers(self) -> tuple[float, float]:
        """Give the rate and the factor."""
        log_base = 1.0 if self.base == NATURAL else math.log(self.base)
        return log_base * self.scale, math.exp(log_base * self.shift)

    def forward(self, x: Tensor) -> Tensor:
        """Compute it; the shape stays."""
        return (x * self._rate).exp() * self._factor


class Log(Layer):
    """log(shift + scale * x) to the base, -1 being e."""

    def __init__(self, *, base: float, scale: float, shift: float) -> None:
        super().__init__()
        self.base, self.scale, self.shift = base, scale, shift

    def factor(self) -> float:
        """Tell what a natural logarithm is multiplied by."""
        return 1.0 if self.base == NATURAL else 1 / math.log(self.base)

    def forward(self, x: Tensor) -> Tensor:
        """Compute it; the shape stays."""
        return (x * self.scale + self.shift).log() * self.factor()


class UnscaledDropout(Layer):
    """Dropout that leaves what it keeps in training alone, and so scales at prediction.

    ``scale_train: false`` of Faster R-CNN's fork: x * (1 - ratio) outside training.
    """

    def __init__(self, *, ratio: float) -> None:
        super().__init__()
        self.ratio = ratio

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training, scale otherwise; the shape stays."""
        kept = functional.dropout(x, self.ratio) if self.training else x
        return kept * (1 - self.ratio)
