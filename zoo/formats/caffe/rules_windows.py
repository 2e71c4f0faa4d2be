"""Shapes of the layers that move a window over a map, or make it larger or smaller.

Sources: ``compute_output_shape`` of ConvolutionLayer and DeconvolutionLayer, ``Reshape`` of
PoolingLayer and SPPLayer in BVLC/caffe, of InterpLayer and UpsampleLayer in its forks.
"""

from zoo.formats.caffe.axes import Shape, channels_of, four_axes, refusal
from zoo.formats.caffe.net import (
    SPP,
    Convolution,
    Deconvolution,
    Interp,
    Layer,
    Pooling,
    Upsample,
)

Shapes = tuple[Shape, ...]


def group_of(parameters: Convolution | Deconvolution, channels: int) -> int:
    """Count the groups, of which a depthwise convolution has one a channel."""
    is_depthwise = isinstance(parameters, Convolution) and parameters.is_depthwise
    return channels if is_depthwise else parameters.group


def shape_convolution(layer: Layer, parameters: Convolution, bottoms: Shapes) -> Shapes:
    """Round down."""
    number, _, *sizes = _grouped(layer, parameters, bottoms[0])
    windows = zip(sizes, *_windows(parameters), strict=True)
    sizes = [
        (size + 2 * pad - (dilation * (kernel - 1) + 1)) // stride + 1
        for size, pad, dilation, kernel, stride in windows
    ]
    return ((number, parameters.num_output, *sizes),)


def shape_deconvolution(layer: Layer, parameters: Deconvolution, bottoms: Shapes) -> Shapes:
    """Turn the convolution's sizes round."""
    number, _, *sizes = _grouped(layer, parameters, bottoms[0])
    windows = zip(sizes, *_windows(parameters), strict=True)
    sizes = [
        stride * (size - 1) + dilation * (kernel - 1) + 1 - 2 * pad
        for size, pad, dilation, kernel, stride in windows
    ]
    return ((number, parameters.num_output, *sizes),)


def shape_pooling(layer: Layer, parameters: Pooling, bottoms: Shapes) -> Shapes:
    """Round up less the windows that lie in the padding; a mask has the same shape."""
    number, channels, height, width = four_axes(layer, bottoms[0])
    if parameters.is_global:
        return ((number, channels, 1, 1),) * len(layer.tops)
    sizes = [
        _pooled_size(layer, size, *window, has_ceil=parameters.has_ceil)
        for size, *window in zip(
            (height, width), parameters.kernel, parameters.stride, parameters.pad, strict=True
        )
    ]
    return ((number, channels, *sizes),) * len(layer.tops)


def shape_spp(layer: Layer, parameters: SPP, bottoms: Shapes) -> Shapes:
    """Count the bins of all levels; one level alone is not flattened."""
    number, channels, height, width = four_axes(layer, bottoms[0])
    for level in range(parameters.pyramid_height):
        bins = 2**level
        if bins > min(height, width):
            raise refusal(layer, f"its {bins} x {bins} bins are more than its map has pixels")
    if parameters.pyramid_height == 1:
        return ((number, channels, 1, 1),)
    return ((number, channels * sum(4**level for level in range(parameters.pyramid_height))),)


def shape_interp(layer: Layer, parameters: Interp, bottoms: Shapes) -> Shapes:
    """Take the size stated, or the second bottom's, or shrink and zoom."""
    number, channels, *sizes = four_axes(layer, bottoms[0])
    padded = [size + parameters.pad_begin + parameters.pad_end for size in sizes]
    if min(padded) < 1:
        raise refusal(layer, f"its pads leave nothing of {bottoms[0]}")
    if len(bottoms) > 1:
        sizes = list(four_axes(layer, bottoms[1])[2:])
    elif parameters.size != (0, 0):
        sizes = list(parameters.size)
    else:
        shrunk = [(size - 1) // parameters.shrink + 1 for size in padded]
        sizes = [size + (size - 1) * (parameters.zoom - 1) for size in shrunk]
    return ((number, channels, *sizes),)


def shape_upsample(layer: Layer, parameters: Upsample, bottoms: Shapes) -> Shapes:
    """Take the size stated, or so many times the bottom's."""
    number, channels, *sizes = four_axes(layer, bottoms[0])
    if len(bottoms) > 1 and bottoms[1] != bottoms[0]:
        raise refusal(layer, f"its mask has shape {bottoms[1]}, its bottom {bottoms[0]}")
    if parameters.size != (0, 0):
        return ((number, channels, *parameters.size),)
    scaled = (size * scale for size, scale in zip(sizes, parameters.scale, strict=True))
    return ((number, channels, *scaled),)


def _grouped(layer: Layer, parameters: Convolution | Deconvolution, bottom: Shape) -> Shape:
    """Check that channels split into groups."""
    four_axes(layer, bottom)
    channels = channels_of(layer, bottom)
    group = group_of(parameters, channels)
    if channels % group or parameters.num_output % group:
        raise refusal(
            layer,
            f"{channels} channels in and {parameters.num_output} out do not split"
            f" into {group} groups",
        )
    return bottom


def _windows(parameters: Convolution | Deconvolution) -> tuple[tuple[int, int], ...]:
    return parameters.pad, parameters.dilation, parameters.kernel, parameters.stride


def _pooled_size(  # noqa: PLR0913  # the five numbers of Caffe's formula
    layer: Layer, size: int, kernel: int, stride: int, pad: int, *, has_ceil: bool
) -> int:
    """Count the windows along one axis: rounded up, less one that lies in the padding alone."""
    if pad >= kernel:
        raise refusal(layer, f"its pad {pad} is not smaller than its kernel {kernel}")
    span = size + 2 * pad - kernel
    pooled = (-(-span // stride) if has_ceil else span // stride) + 1
    if pad > 0 and (pooled - 1) * stride >= size + pad:
        pooled -= 1
    if (pooled - 1) * stride >= size + pad:
        # Caffe keeps this window and fills it with garbage; no other framework has it.
        raise refusal(
            layer,
            f"kernel {kernel} and stride {stride} leave an empty window at the edge of {size}",
        )
    return pooled
