"""The operations of ONNX that torch.nn has no module for; everything else is a standard module."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.networks.layers.base import Layer

Shape = tuple[int, ...]
Pair = tuple[int, int]

POINTWISE: dict[str, Callable[[Tensor], Tensor]] = {
    "Abs": torch.abs,
    "Erf": torch.erf,
    "Exp": torch.exp,
    "Floor": torch.floor,
    "Log": torch.log,
    "Neg": torch.neg,
    "Reciprocal": torch.reciprocal,
    "Sqrt": torch.sqrt,
}
PAIRWISE: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "Add": torch.add,
    "Div": torch.div,
    "Max": torch.maximum,
    "Min": torch.minimum,
    "Mul": torch.mul,
    "Pow": torch.pow,
    "Sub": torch.sub,
}
LEARNED = {"Add", "Mul"}  # whose constants are weights like any other; those of others stay


class Pointwise(Layer):
    """A function of every number by itself, called as ONNX calls it."""

    def __init__(self, operator: str) -> None:
        super().__init__()
        self.operator = operator

    def forward(self, x: Tensor) -> Tensor:
        """Compute it; the shape stays."""
        return POINTWISE[self.operator](x)


class WithConstant(Layer):
    """Compute with a constant: one ``number``, or an array of ``shape``, ``value``.

    The constant comes second, or first if ``is_reversed``.
    """

    value: Tensor | None

    def __init__(
        self,
        operator: str,
        *,
        number: float | None = None,
        shape: Shape | None = None,
        is_reversed: bool = False,
        device: str | None = None,
    ) -> None:
        super().__init__()
        self.operator, self.number, self.is_reversed = operator, number, is_reversed
        value = None if shape is None else torch.zeros(shape, device=device)
        if value is not None and operator in LEARNED:
            self.value = nn.Parameter(value)
        else:
            self.register_buffer("value", value)

    def forward(self, x: Tensor) -> Tensor:
        """Compute it; the constant is broadcast."""
        constant = self.value if self.value is not None else x.new_tensor(self.number)
        pair = (constant, x) if self.is_reversed else (x, constant)
        return PAIRWISE[self.operator](*pair)


class SlopedSigmoid(Layer):
    """max(0, min(1, alpha x + beta)): HardSigmoid with numbers of its own."""

    def __init__(self, *, alpha: float, beta: float) -> None:
        super().__init__()
        self.alpha, self.beta = alpha, beta

    def forward(self, x: Tensor) -> Tensor:
        """Compute it; the shape stays."""
        return (x * self.alpha + self.beta).clamp(0, 1)


class Clip(Layer):
    """x held above ``low`` and below ``high``, of which one may be None."""

    def __init__(self, *, low: float | None, high: float | None) -> None:
        super().__init__()
        self.low, self.high = low, high

    def forward(self, x: Tensor) -> Tensor:
        """Compute it; the shape stays. Where the bounds cross, the upper one holds."""
        above = x if self.low is None else x.clamp(min=self.low)
        return above if self.high is None else above.clamp(max=self.high)


class Reduce(Layer):
    """One number for all along some axes: ReduceSum, ReduceMean and the like."""

    def __init__(self, operator: str, *, axes: Shape, keeps: bool) -> None:
        super().__init__()
        self.operator, self.axes, self.keeps = operator, axes, keeps

    def forward(self, x: Tensor) -> Tensor:
        """Reduce; the axes stay, of size 1, if ``keeps``."""
        return REDUCTIONS[self.operator](x, self.axes, self.keeps)


def _sum(x: Tensor, axes: Shape, keeps: bool) -> Tensor:  # noqa: FBT001  # as torch calls it
    return x.sum(axes, keeps)


def _mean(x: Tensor, axes: Shape, keeps: bool) -> Tensor:  # noqa: FBT001  # as torch calls it
    return x.mean(axes, keeps)


def _length(x: Tensor, axes: Shape, keeps: bool) -> Tensor:  # noqa: FBT001  # as torch calls it
    return (x * x).sum(axes, keeps).sqrt()


REDUCTIONS: dict[str, Callable[[Tensor, Shape, bool], Tensor]] = {
    "ReduceL2": _length,
    "ReduceMax": torch.amax,
    "ReduceMean": _mean,
    "ReduceMin": torch.amin,
    "ReduceSum": _sum,
}


class Reshape(Layer):
    """Another shape for the same numbers: 0 keeps an axis, -1 is what is left."""

    def __init__(self, sizes: Shape) -> None:
        super().__init__()
        self.sizes = sizes

    def forward(self, x: Tensor) -> Tensor:
        """Shape anew; the numbers keep their order."""
        return x.reshape([x.shape[i] if size == 0 else size for i, size in enumerate(self.sizes)])


class Squeeze(Layer):
    """Drop axes of size 1."""

    def __init__(self, axes: Shape) -> None:
        super().__init__()
        self.axes = axes

    def forward(self, x: Tensor) -> Tensor:
        """Drop them."""
        return x.squeeze(self.axes)


class Unsqueeze(Layer):
    """Add axes of size 1 at these places of the result."""

    def __init__(self, axes: Shape) -> None:
        super().__init__()
        self.axes = axes

    def forward(self, x: Tensor) -> Tensor:
        """Add them."""
        for axis in self.axes:
            x = x.unsqueeze(axis)
        return x


class Permute(Layer):
    """All axes in another order."""

    def __init__(self, order: Shape) -> None:
        super().__init__()
        self.order = order

    def forward(self, x: Tensor) -> Tensor:
        """Reorder the axes."""
        return x.permute(self.order)


class Slice(Layer):
    """A range of an axis, as Python slices."""

    def __init__(self, *, axis: int, start: int, end: int, step: int) -> None:
        super().__init__()
        self.axis, self.start, self.end, self.step = axis, start, end, step

    def forward(self, x: Tensor) -> Tensor:
        """Take it."""
        before = (slice(None),) * self.axis
        return x[(*before, slice(self.start, self.end, self.step))]


class Select(Layer):
    """Entries of an axis by their places; one place alone drops the axis."""

    def __init__(self, *, axis: int, places: int | Shape) -> None:
        super().__init__()
        self.axis, self.places = axis, places

    def forward(self, x: Tensor) -> Tensor:
        """Take them."""
        if isinstance(self.places, int):
            return x.select(self.axis, self.places)
        size = x.shape[self.axis]
        places = [place % size for place in self.places]
        return x.index_select(self.axis, torch.tensor(places, device=x.device))


class Pad(Layer):
    """Numbers around the last axes: ``pads`` are before and after, the last axis first."""

    def __init__(self, *, pads: Shape, mode: str, value: float) -> None:
        super().__init__()
        self.pads, self.mode, self.value = pads, mode, value

    def forward(self, x: Tensor) -> Tensor:
        """Pad."""
        if self.mode == "constant":
            return functional.pad(x, self.pads, value=self.value)
        return functional.pad(x, self.pads, mode=PADDINGS[self.mode])


PADDINGS = {"edge": "replicate", "reflect": "reflect"}


class Resize(Layer):
    """Larger maps: by whole factors or to a size; pixels repeated or drawn between."""

    def __init__(
        self, *, mode: str, factors: Shape | None = None, size: Shape | None = None
    ) -> None:
        super().__init__()
        self.mode, self.factors, self.size = mode, factors, size

    def forward(self, x: Tensor) -> Tensor:
        """Resize N x C x H x W."""
        size = self.size or [
            side * factor for side, factor in zip(x.shape[2:], self.factors or (1, 1), strict=True)
        ]
        if self.mode == "nearest":
            return functional.interpolate(x, size, mode="nearest")
        has_corners = self.mode == "bilinear_corners"
        return functional.interpolate(x, size, mode="bilinear", align_corners=has_corners)


class DepthToSpace(Layer):
    """Channels moved into height and width; ``mode`` says which axis of the channels is first.

    Of C = block x block x c channels, DCR takes the blocks first, CRD the c (onnx, DepthToSpace).
    """

    def __init__(self, *, block: int, mode: str) -> None:
        super().__init__()
        self.block, self.mode = block, mode

    def forward(self, x: Tensor) -> Tensor:
        """Move them: N x C x H x W to N x c x block H x block W."""
        if self.mode == "CRD":
            return functional.pixel_shuffle(x, self.block)
        count, channels, height, width = x.shape
        block, left = self.block, channels // self.block**2
        parts = x.reshape(count, block, block, left, height, width).permute(0, 3, 4, 1, 5, 2)
        return parts.reshape(count, left, height * block, width * block)


class Repeat(Layer):
    """A learned row, the same for every picture, such as the class token of a transformer."""

    def __init__(self, shape: Shape, *, device: str | None = None) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.zeros(shape, device=device))

    def forward(self, x: Tensor) -> Tensor:
        """Give it as often as there are pictures."""
        return self.value.expand(len(x), *self.value.shape[1:])


class CountedAvgPool2d(Layer):
    """An average over the numbers under a window that are no padding, which may be uneven.

    ``pads`` are left, right, top, bottom.
    """

    def __init__(self, *, kernel_size: Pair, stride: Pair, pads: Shape) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.pads = kernel_size, stride, pads

    def forward(self, x: Tensor) -> Tensor:
        """Pool N x C x H x W."""
        area = math.prod(self.kernel_size)
        padded = functional.pad(x, self.pads)
        total = functional.avg_pool2d(padded, self.kernel_size, self.stride) * area
        ones = functional.pad(torch.ones_like(x[:1, :1]), self.pads)
        count = functional.avg_pool2d(ones, self.kernel_size, self.stride) * area
        return total / count
