"""The windows of each layer that has some: along height, and along width."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from zoo.networks import layers
from zoo.networks.onnx import layers as onnx
from zoo.networks.receptive.sides import Window

Windows = tuple[Window, Window]


def pair(value: Any) -> tuple[int, int]:  # noqa: ANN401  # torch's int, or list of one or two
    """Give the numbers for height and width, which may be one."""
    sides = (value,) if isinstance(value, int) else tuple(value)
    return (sides[0], sides[-1])


def convolution_windows(
    kernel: Any,  # noqa: ANN401  # ints, or one for both
    stride: Any,  # noqa: ANN401  # likewise
    padding: Any,  # noqa: ANN401  # likewise, or the name of a padding
    dilation: Any,  # noqa: ANN401  # likewise
) -> Windows:
    """Give the windows of a convolution; ``same`` pads so that the size stays (torch's conv2d)."""
    kernels, strides, dilations = pair(kernel), pair(stride), pair(dilation)
    sizes = [step * (side - 1) + 1 for side, step in zip(kernels, dilations, strict=True)]
    if padding == "same":
        pads = [((size - 1) // 2, size - 1 - (size - 1) // 2) for size in sizes]
    else:
        pads = [(pad, pad) for pad in ((0, 0) if padding == "valid" else pair(padding))]
    return _windows(sizes, strides, pads)


def pool_windows(  # noqa: PLR0913  # as torch's own poolings
    kernel: Any,  # noqa: ANN401  # ints, or one for both
    stride: Any = None,  # noqa: ANN401  # likewise, or none for the kernel's
    padding: Any = 0,  # noqa: ANN401  # likewise
    dilation: Any = 1,  # noqa: ANN401  # likewise
    *,
    rounds_up: bool = False,
    is_clipped: bool = False,
) -> Windows:
    """Give the windows of a pooling."""
    kernels, dilations = pair(kernel), pair(dilation)
    sizes = [step * (side - 1) + 1 for side, step in zip(kernels, dilations, strict=True)]
    pads = [(pad, pad) for pad in pair(padding)]
    strides = pair(kernel if stride is None or stride == [] else stride)
    return _windows(sizes, strides, pads, rounds_up=rounds_up, is_clipped=is_clipped)


def pad_windows(pads: Any) -> Windows:  # noqa: ANN401  # before and after, the last axis first
    """Give the windows of rows put around a map, or taken off where numbers are below 0."""
    left, right, top, bottom = (*pads, 0, 0, 0, 0)[:4]
    return Window(before=top, after=bottom), Window(before=left, after=right)


def _windows(
    sizes: Any,  # noqa: ANN401  # two numbers
    strides: tuple[int, int],
    pads: list[tuple[int, int]],
    **options: bool,
) -> Windows:
    high, wide = (
        Window(size=size, stride=stride, before=before, after=after, **options)
        for size, stride, (before, after) in zip(sizes, strides, pads, strict=True)
    )
    return high, wide


def _torch_pool(module: Any) -> Windows:  # noqa: ANN401  # torch's poolings
    dilation = getattr(module, "dilation", 1)
    kernel, stride, padding = module.kernel_size, module.stride, module.padding
    return pool_windows(kernel, stride, padding, dilation, rounds_up=module.ceil_mode)


def _own_pool(module: Any) -> Windows | None:  # noqa: ANN401  # the zoo's poolings
    """Give a pooling's windows; None where it reads the whole map."""
    if not any(module.kernel_size):
        return None
    padding = getattr(module, "padding", 0)
    return pool_windows(
        module.kernel_size,
        module.stride,
        padding,
        rounds_up=module.ceil_mode,
        is_clipped=hasattr(module, "padding"),
    )


def _counted_pool(module: onnx.CountedAvgPool2d) -> Windows:
    left, right, top, bottom = module.pads
    return _windows(module.kernel_size, module.stride, [(top, bottom), (left, right)])


def _within_channel(module: layers.WithinChannelLRN) -> Windows:
    return pool_windows(module.size, 1, (module.size - 1) // 2)


# The values take a module of their key; a mapping cannot say so, hence Any.
WINDOWED: Mapping[type[nn.Module], Callable[[Any], Windows | None]] = {
    nn.AvgPool2d: _torch_pool,
    nn.Conv2d: lambda it: convolution_windows(it.kernel_size, it.stride, it.padding, it.dilation),
    nn.MaxPool2d: _torch_pool,
    nn.ZeroPad2d: lambda it: pad_windows(it.padding),
    layers.MaskedMaxPool2d: _own_pool,
    layers.StochasticPool2d: _own_pool,
    layers.WidelyPaddedPool2d: _own_pool,
    layers.WithinChannelLRN: _within_channel,
    onnx.CountedAvgPool2d: _counted_pool,
    onnx.Pad: lambda it: pad_windows(it.pads),
}
