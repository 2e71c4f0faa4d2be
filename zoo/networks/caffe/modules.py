"""The module of each type of layer, of its parameters and of the shapes it reads and writes."""

import math
from collections.abc import Callable
from typing import Any

from torch import nn

from zoo.formats.caffe import net
from zoo.formats.caffe.shapes import LayerShapes, Shape
from zoo.networks import layers

# Numbers come from a checkpoint; drawing random ones first would only cost time, and a weight
# that was never loaded should fail loudly instead of predicting.
UNSET = "meta"
BATCH_NORMS: dict[int, type[nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d]] = {
    2: nn.BatchNorm1d,
    3: nn.BatchNorm1d,
    4: nn.BatchNorm2d,
    5: nn.BatchNorm3d,
}


def _convolution(chosen: net.Convolution, shapes: LayerShapes) -> nn.Module:
    channels = shapes.bottoms[0][1]
    return nn.Conv2d(
        channels,
        chosen.num_output,
        chosen.kernel,
        chosen.stride,
        chosen.pad,
        chosen.dilation,
        channels if chosen.is_depthwise else chosen.group,
        bias=chosen.has_bias,
        device=UNSET,
    )


def _deconvolution(chosen: net.Deconvolution, shapes: LayerShapes) -> nn.Module:
    return nn.ConvTranspose2d(
        shapes.bottoms[0][1],
        chosen.num_output,
        chosen.kernel,
        chosen.stride,
        chosen.pad,
        groups=chosen.group,
        dilation=chosen.dilation,
        bias=chosen.has_bias,
        device=UNSET,
    )


def _pooling(chosen: net.Pooling, shapes: LayerShapes) -> nn.Module:
    kernel, stride, ceil = chosen.kernel, chosen.stride, chosen.has_ceil
    is_average = chosen.method == "AVE"
    if chosen.method == "STOCHASTIC":
        return layers.StochasticPool2d(kernel_size=kernel, stride=stride, ceil_mode=ceil)
    if len(shapes.tops) > 1:
        return layers.MaskedMaxPool2d(
            kernel_size=kernel, stride=stride, padding=chosen.pad, ceil_mode=ceil
        )
    if chosen.is_global:
        return nn.AdaptiveAvgPool2d(1) if is_average else nn.AdaptiveMaxPool2d(1)
    if any(2 * pad > size for pad, size in zip(chosen.pad, kernel, strict=True)):
        return layers.WidelyPaddedPool2d(
            is_average=is_average,
            kernel_size=kernel,
            stride=stride,
            padding=chosen.pad,
            ceil_mode=ceil,
        )
    if is_average:
        return nn.AvgPool2d(kernel, stride, chosen.pad, ceil_mode=ceil, count_include_pad=True)
    return nn.MaxPool2d(kernel, stride, chosen.pad, ceil_mode=ceil)


def _spp(chosen: net.SPP, _shapes: LayerShapes) -> nn.Module:
    return layers.SPP(pyramid_height=chosen.pyramid_height, is_average=chosen.method == "AVE")


def _inner_product(chosen: net.InnerProduct, shapes: LayerShapes) -> nn.Module:
    bottom = shapes.bottoms[0]
    inputs = math.prod(bottom[chosen.axis % len(bottom) :])
    return nn.Linear(inputs, chosen.num_output, bias=chosen.has_bias, device=UNSET)


def _embed(chosen: net.Embed, _shapes: LayerShapes) -> nn.Module:
    return layers.Embed(chosen.input_dim, chosen.num_output, bias=chosen.has_bias, device=UNSET)


def _relu(chosen: net.ReLU, _shapes: LayerShapes) -> nn.Module:
    return nn.LeakyReLU(chosen.negative_slope) if chosen.negative_slope else nn.ReLU()


def _prelu(chosen: net.PReLU, shapes: LayerShapes) -> nn.Module:
    return nn.PReLU(1 if chosen.is_shared else shapes.bottoms[0][1], device=UNSET)


def _lrn(chosen: net.LRN, _shapes: LayerShapes) -> nn.Module:
    size, alpha, beta = chosen.local_size, chosen.alpha, chosen.beta
    if chosen.is_within_channel:
        return layers.WithinChannelLRN(size=size, alpha=alpha, beta=beta)
    return nn.LocalResponseNorm(size, alpha=alpha, beta=beta, k=chosen.k)


def _mvn(chosen: net.MVN, _shapes: LayerShapes) -> nn.Module:
    return layers.MVN(
        has_variance=chosen.has_variance,
        is_across_channels=chosen.is_across_channels,
        eps=chosen.eps,
    )


def _normalize(chosen: net.Normalize, shapes: LayerShapes) -> nn.Module:
    return layers.Normalize(
        1 if chosen.is_shared else shapes.bottoms[0][1],
        is_across_spatial=chosen.is_across_spatial,
        eps=chosen.eps,
        device=UNSET,
    )


def _batch_norm(chosen: net.BatchNorm, shapes: LayerShapes) -> nn.Module:
    bottom, momentum = shapes.bottoms[0], 1 - chosen.moving_average_fraction
    if not chosen.has_statistics:
        return layers.BatchStatistics(bottom[1], eps=chosen.eps, momentum=momentum, device=UNSET)
    return BATCH_NORMS[len(bottom)](
        bottom[1], eps=chosen.eps, momentum=momentum, affine=False, device=UNSET
    )


def _scale(chosen: net.Scale, shapes: LayerShapes) -> nn.Module:
    bottom, *others = shapes.bottoms
    axis = chosen.axis % len(bottom)
    if others:
        bias = others[0] if chosen.has_bias else None
        return layers.ScaleBy(axis=axis, bias=bias, device=UNSET)
    shape = _covered(bottom, axis, chosen.num_axes)
    return layers.Scale(shape, axis=axis, bias=chosen.has_bias, device=UNSET)


def _bias(chosen: net.Bias, shapes: LayerShapes) -> nn.Module:
    bottom, *others = shapes.bottoms
    axis = chosen.axis % len(bottom)
    if others:
        return layers.BiasBy(axis=axis)
    return layers.Bias(_covered(bottom, axis, chosen.num_axes), axis=axis, device=UNSET)


def _covered(bottom: Shape, axis: int, num_axes: int) -> Shape:
    """Give the sizes of the axes that a Scale or Bias has numbers for."""
    return bottom[axis:] if num_axes < 0 else bottom[axis : axis + num_axes]


def _dropout(chosen: net.Dropout, _shapes: LayerShapes) -> nn.Module:
    if chosen.is_scaled_at_test:
        return layers.UnscaledDropout(ratio=chosen.ratio)
    return nn.Dropout(chosen.ratio)


def _flatten(chosen: net.Flatten, shapes: LayerShapes) -> nn.Module:
    axes = len(shapes.bottoms[0])
    # Torch's own words for the usual case: from an axis to the end.
    end = -1 if chosen.end_axis % axes == axes - 1 else chosen.end_axis % axes
    return nn.Flatten(chosen.axis % axes, end)


def _reshape(chosen: net.Reshape, shapes: LayerShapes) -> nn.Module:
    # A negative axis counts from one behind the last (ReshapeLayer::Reshape).
    axis = chosen.axis + (len(shapes.bottoms[0]) + 1 if chosen.axis < 0 else 0)
    return layers.Reshape(chosen.dims, axis=axis, num_axes=chosen.num_axes)


def _permute(chosen: net.Permute, shapes: LayerShapes) -> nn.Module:
    others = (axis for axis in range(len(shapes.bottoms[0])) if axis not in chosen.order)
    return layers.Permute((*chosen.order, *others))


def _slice(chosen: net.Slice, shapes: LayerShapes) -> nn.Module:
    axis = chosen.axis % len(shapes.bottoms[0])
    return layers.Slice(axis=axis, parts=len(shapes.tops), points=chosen.points)


def _crop(chosen: net.Crop, shapes: LayerShapes) -> nn.Module:
    axes = len(shapes.bottoms[0])
    axis = chosen.axis % axes
    offsets = chosen.offsets or (0,)
    if len(offsets) == 1:
        offsets *= axes - axis
    return layers.Crop(axis=axis, offsets=offsets)


def _tile(chosen: net.Tile, shapes: LayerShapes) -> nn.Module:
    return layers.Tile(axis=chosen.axis % len(shapes.bottoms[0]), tiles=chosen.tiles)


def _reduction(chosen: net.Reduction, shapes: LayerShapes) -> nn.Module:
    return layers.Reduction(
        operation=chosen.operation,
        axis=chosen.axis % len(shapes.bottoms[0]),
        coefficient=chosen.coefficient,
    )


def _arg_max(chosen: net.ArgMax, shapes: LayerShapes) -> nn.Module:
    axis = None if chosen.axis is None else chosen.axis % len(shapes.bottoms[0])
    return layers.ArgMax(axis=axis, top_k=chosen.top_k, has_values=chosen.has_values)


def _interp(chosen: net.Interp, _shapes: LayerShapes) -> nn.Module:
    return layers.Interp(
        size=chosen.size,
        shrink=chosen.shrink,
        zoom=chosen.zoom,
        cut=(-chosen.pad_begin, -chosen.pad_end),
    )


def _upsample(chosen: net.Upsample, shapes: LayerShapes) -> nn.Module:
    if len(shapes.bottoms) > 1:
        return layers.Unpool(scale=chosen.scale, size=chosen.size)
    return nn.Upsample(scale_factor=chosen.scale, mode="nearest")


# The values take the parameters of their key; a mapping cannot say so, hence Any.
MODULES: dict[type, Callable[[Any, LayerShapes], nn.Module]] = {
    net.AbsVal: lambda _chosen, _shapes: layers.AbsVal(),
    net.ArgMax: _arg_max,
    net.Axpy: lambda _chosen, _shapes: layers.Axpy(),
    net.BNLL: lambda _chosen, _shapes: nn.Softplus(),
    net.BatchNorm: _batch_norm,
    net.Bias: _bias,
    net.Clip: lambda chosen, _shapes: layers.Clip(least=chosen.least, most=chosen.most),
    net.Convolution: _convolution,
    net.Crop: _crop,
    net.Deconvolution: _deconvolution,
    net.Dropout: _dropout,
    net.ELU: lambda chosen, _shapes: nn.ELU(chosen.alpha),
    net.Eltwise: lambda chosen, _shapes: layers.Eltwise(
        operation=chosen.operation, coefficients=chosen.coefficients
    ),
    net.Embed: _embed,
    net.Exp: lambda chosen, _shapes: layers.Exp(
        base=chosen.base, scale=chosen.scale, shift=chosen.shift
    ),
    net.Flatten: _flatten,
    net.InnerProduct: _inner_product,
    net.Interp: _interp,
    net.LRN: _lrn,
    net.Log: lambda chosen, _shapes: layers.Log(
        base=chosen.base, scale=chosen.scale, shift=chosen.shift
    ),
    net.MVN: _mvn,
    net.Normalize: _normalize,
    net.PReLU: _prelu,
    net.Parameter: lambda chosen, _shapes: layers.Parameter(chosen.shape, device=UNSET),
    net.Permute: _permute,
    net.Pooling: _pooling,
    net.Power: lambda chosen, _shapes: layers.Power(
        power=chosen.power, scale=chosen.scale, shift=chosen.shift
    ),
    net.ReLU: _relu,
    net.Reduction: _reduction,
    net.Reshape: _reshape,
    net.SPP: _spp,
    net.Scale: _scale,
    net.ShuffleChannel: lambda chosen, _shapes: layers.ShuffleChannel(chosen.group),
    net.Sigmoid: lambda _chosen, _shapes: nn.Sigmoid(),
    net.Slice: _slice,
    net.Softmax: lambda chosen, _shapes: nn.Softmax(dim=chosen.axis),
    net.Swish: lambda chosen, _shapes: layers.Swish(beta=chosen.beta),
    net.TanH: lambda _chosen, _shapes: nn.Tanh(),
    net.Threshold: lambda chosen, _shapes: layers.Threshold(threshold=chosen.threshold),
    net.Tile: _tile,
    net.Upsample: _upsample,
}
