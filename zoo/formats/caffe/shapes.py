"""The shape of every blob, by Caffe's rules, in plain arithmetic and before anything is allocated.

Sources: ``compute_output_shape`` of ConvolutionLayer, ``Reshape`` of PoolingLayer and their
siblings in BVLC/caffe; the largest blob is Caffe's own limit.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from zoo.errors import MalformedPrototxt
from zoo.formats.caffe.net import (
    LRN,
    BatchNorm,
    Concat,
    Convolution,
    Dropout,
    Flatten,
    InnerProduct,
    Layer,
    Net,
    Pooling,
    ReLU,
    Scale,
    Softmax,
)

LARGEST_BLOB = 2**31 - 1  # elements; "blob size exceeds INT_MAX" in Caffe's Blob::Reshape

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerShapes:
    """The shapes a layer reads and writes, in the order of its bottoms and tops."""

    bottoms: tuple[Shape, ...]
    tops: tuple[Shape, ...]


def infer_shapes(net: Net, batch: int = 1) -> Mapping[str, LayerShapes]:
    """Tell what every layer reads and writes, by layer name, for ``batch`` pictures at once.

    Raises:
        MalformedPrototxt: a layer reads a blob that is not there, or its sizes cannot be.
    """
    blobs = {}
    for given in net.inputs:
        blobs[given.blob] = (batch, *given.shape[1:])
        _check_sizes(blobs[given.blob], f"Input {given.blob!r}")
    shapes = {}
    for layer in net.layers:
        shapes[layer.name] = _layer_shapes(layer, blobs)
        blobs |= zip(layer.tops, shapes[layer.name].tops, strict=True)
    return shapes


def canonical_axis(layer: Layer, axis: int, bottom: Shape) -> int:
    """Count a negative axis from the end, as Caffe's CanonicalAxisIndex does."""
    if not -len(bottom) <= axis < len(bottom):
        raise _refusal(layer, f"axis {axis} does not exist in its bottom of shape {bottom}")
    return axis % len(bottom)


def _layer_shapes(layer: Layer, blobs: Mapping[str, Shape]) -> LayerShapes:
    for bottom in layer.bottoms:
        if bottom not in blobs:
            raise _refusal(layer, f"it reads the blob {bottom!r}, which no layer above it writes")
    if not layer.bottoms:
        raise _refusal(layer, "it has no bottom")
    bottoms = tuple(blobs[bottom] for bottom in layer.bottoms)
    top = RULES[type(layer.parameters)](layer, layer.parameters, bottoms)
    _check_sizes(top, _title(layer))
    return LayerShapes(bottoms=bottoms, tops=(top,) * len(layer.tops))


def _check_sizes(shape: Shape, owner: str) -> None:
    if min(shape, default=1) < 1:
        raise MalformedPrototxt(
            f"{owner}: its shape would be {shape}; every size must be at least 1.",
            hint="The input is too small for this network, or a kernel, stride or pad is wrong.",
            shape=shape,
        )
    if math.prod(shape) > LARGEST_BLOB:
        raise MalformedPrototxt(
            f"{owner}: its shape would be {shape}, more than {LARGEST_BLOB} numbers.",
            hint="Check num_output and the input's dimensions.",
            shape=shape,
        )


def _same(_layer: Layer, _parameters: object, bottoms: tuple[Shape, ...]) -> Shape:
    return bottoms[0]


def _along_axis(layer: Layer, parameters: Scale | Softmax, bottoms: tuple[Shape, ...]) -> Shape:
    canonical_axis(layer, parameters.axis, bottoms[0])
    return bottoms[0]


def _convolution(layer: Layer, parameters: Convolution, bottoms: tuple[Shape, ...]) -> Shape:
    number, channels, height, width = _four_axes(layer, bottoms[0])
    if channels % parameters.group or parameters.num_output % parameters.group:
        raise _refusal(
            layer,
            f"{channels} channels in and {parameters.num_output} out do not split"
            f" into {parameters.group} groups",
        )
    sizes = [
        (size + 2 * pad - (dilation * (kernel - 1) + 1)) // stride + 1
        for size, pad, dilation, kernel, stride in zip(
            (height, width),
            parameters.pad,
            parameters.dilation,
            parameters.kernel,
            parameters.stride,
            strict=True,
        )
    ]
    return number, parameters.num_output, *sizes


def _pooling(layer: Layer, parameters: Pooling, bottoms: tuple[Shape, ...]) -> Shape:
    number, channels, height, width = _four_axes(layer, bottoms[0])
    if parameters.is_global:
        return number, channels, 1, 1
    sizes = [
        _pooled_size(layer, size, *window, has_ceil=parameters.has_ceil)
        for size, *window in zip(
            (height, width), parameters.kernel, parameters.stride, parameters.pad, strict=True
        )
    ]
    return number, channels, *sizes


def _pooled_size(  # noqa: PLR0913  # the five numbers of Caffe's formula
    layer: Layer, size: int, kernel: int, stride: int, pad: int, *, has_ceil: bool
) -> int:
    """Count the windows along one axis: rounded up, less one that lies in the padding alone."""
    if pad >= kernel:
        raise _refusal(layer, f"its pad {pad} is not smaller than its kernel {kernel}")
    span = size + 2 * pad - kernel
    pooled = (-(-span // stride) if has_ceil else span // stride) + 1
    if pad > 0 and (pooled - 1) * stride >= size + pad:
        pooled -= 1
    if (pooled - 1) * stride >= size + pad:
        # Caffe keeps this window and fills it with garbage; no other framework has it.
        raise _refusal(
            layer,
            f"kernel {kernel} and stride {stride} leave an empty window at the edge of {size}",
        )
    return pooled


def _inner_product(layer: Layer, parameters: InnerProduct, bottoms: tuple[Shape, ...]) -> Shape:
    axis = canonical_axis(layer, parameters.axis, bottoms[0])
    return *bottoms[0][:axis], parameters.num_output


def _concat(layer: Layer, parameters: Concat, bottoms: tuple[Shape, ...]) -> Shape:
    axis = canonical_axis(layer, parameters.axis, bottoms[0])
    others = {(*shape[:axis], *shape[axis + 1 :]) for shape in bottoms}
    if len(others) > 1 or len({len(shape) for shape in bottoms}) > 1:
        raise _refusal(layer, f"its bottoms {list(bottoms)} differ beside axis {axis}")
    total = sum(shape[axis] for shape in bottoms)
    return *bottoms[0][:axis], total, *bottoms[0][axis + 1 :]


def _flatten(layer: Layer, parameters: Flatten, bottoms: tuple[Shape, ...]) -> Shape:
    start = canonical_axis(layer, parameters.axis, bottoms[0])
    end = canonical_axis(layer, parameters.end_axis, bottoms[0])
    if end < start:
        raise _refusal(layer, f"its end_axis {end} lies before its axis {start}")
    flat = math.prod(bottoms[0][start : end + 1])
    return *bottoms[0][:start], flat, *bottoms[0][end + 1 :]


def _four_axes(layer: Layer, bottom: Shape) -> Shape:
    if len(bottom) != len("NCHW"):
        raise _refusal(layer, f"its bottom has shape {bottom}, not number x channels x h x w")
    return bottom


def _lrn(layer: Layer, _parameters: LRN, bottoms: tuple[Shape, ...]) -> Shape:
    return _four_axes(layer, bottoms[0])


def _title(layer: Layer) -> str:
    return f"Layer {layer.name!r} ({layer.type})"


def _refusal(layer: Layer, reason: str) -> MalformedPrototxt:
    return MalformedPrototxt(
        f"{_title(layer)}: {reason}.",
        hint="Compare this layer and the input's size with the publisher's prototxt.",
        layer=layer.name,
    )


# The values take the parameters of their key; a mapping cannot say so, hence Any.
RULES: dict[type, Callable[[Layer, Any, tuple[Shape, ...]], Shape]] = {
    BatchNorm: _same,
    Concat: _concat,
    Convolution: _convolution,
    Dropout: _same,
    Flatten: _flatten,
    InnerProduct: _inner_product,
    LRN: _lrn,
    Pooling: _pooling,
    ReLU: _same,
    Scale: _along_axis,
    Softmax: _along_axis,
}
