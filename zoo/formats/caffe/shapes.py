"""The shape of every blob, by Caffe's rules, in plain arithmetic and before anything is allocated.

Each rule follows ``Reshape`` of the layer in BVLC/caffe or in the fork the layer is of; the largest
blob is Caffe's own limit.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from zoo.errors import MalformedPrototxt
from zoo.formats.caffe import axes
from zoo.formats.caffe.net import (
    BN,
    BNLL,
    ELU,
    LRN,
    MVN,
    SPP,
    AbsVal,
    ArgMax,
    Axpy,
    BatchNorm,
    Bias,
    Clip,
    Concat,
    Convolution,
    Crop,
    Deconvolution,
    Dropout,
    Eltwise,
    Embed,
    Exp,
    Flatten,
    InnerProduct,
    Interp,
    Layer,
    Log,
    Net,
    Normalize,
    Parameter,
    Permute,
    Pooling,
    Power,
    PReLU,
    Reduction,
    ReLU,
    Reshape,
    Scale,
    ShuffleChannel,
    Sigmoid,
    Slice,
    Softmax,
    Swish,
    TanH,
    Threshold,
    Tile,
    Upsample,
)
from zoo.formats.caffe.rules_arrangement import (
    shape_along_axis,
    shape_arg_max,
    shape_axpy,
    shape_broadcast,
    shape_channels,
    shape_concat,
    shape_crop,
    shape_eltwise,
    shape_embed,
    shape_flatten,
    shape_inner_product,
    shape_parameter,
    shape_permute,
    shape_reduction,
    shape_reshape,
    shape_same,
    shape_slice,
    shape_tile,
)
from zoo.formats.caffe.rules_windows import (
    shape_convolution,
    shape_deconvolution,
    shape_interp,
    shape_pooling,
    shape_spp,
    shape_upsample,
)

LARGEST_BLOB = 2**31 - 1  # elements; "blob size exceeds INT_MAX" in Caffe's Blob::Reshape
MOST_AXES = 32  # kMaxBlobAxes in Caffe

Shape = axes.Shape


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


def _layer_shapes(layer: Layer, blobs: Mapping[str, Shape]) -> LayerShapes:
    for bottom in layer.bottoms:
        if bottom not in blobs:
            raise axes.refusal(
                layer, f"it reads the blob {bottom!r}, which no layer above it writes"
            )
    if not layer.bottoms and not isinstance(layer.parameters, Parameter):
        raise axes.refusal(layer, "it has no bottom")
    bottoms = tuple(blobs[bottom] for bottom in layer.bottoms)
    tops = RULES[type(layer.parameters)](layer, layer.parameters, bottoms)
    for top in tops:
        _check_sizes(top, axes.describe(layer))
    return LayerShapes(bottoms=bottoms, tops=tops)


def _check_sizes(shape: Shape, owner: str) -> None:
    if min(shape, default=1) < 1 or len(shape) > MOST_AXES:
        raise MalformedPrototxt(
            f"{owner}: its shape would be {shape}; every size must be at least 1, of"
            f" {MOST_AXES} axes at most.",
            hint="The input is too small for this network, or a kernel, stride or pad is wrong.",
            shape=shape,
        )
    if math.prod(shape) > LARGEST_BLOB:
        raise MalformedPrototxt(
            f"{owner}: its shape would be {shape}, more than {LARGEST_BLOB} numbers.",
            hint="Check num_output and the input's dimensions.",
            shape=shape,
        )


def _lrn(layer: Layer, _parameters: LRN, bottoms: tuple[Shape, ...]) -> tuple[Shape, ...]:
    return (axes.four_axes(layer, bottoms[0]),)


# The values take the parameters of their key; a mapping cannot say so, hence Any.
RULES: dict[type, Callable[[Layer, Any, tuple[Shape, ...]], tuple[Shape, ...]]] = {
    AbsVal: shape_same,
    ArgMax: shape_arg_max,
    Axpy: shape_axpy,
    BN: shape_channels,
    BNLL: shape_same,
    BatchNorm: shape_same,
    Bias: shape_broadcast,
    Clip: shape_same,
    Concat: shape_concat,
    Convolution: shape_convolution,
    Crop: shape_crop,
    Deconvolution: shape_deconvolution,
    Dropout: shape_same,
    ELU: shape_same,
    Eltwise: shape_eltwise,
    Embed: shape_embed,
    Exp: shape_same,
    Flatten: shape_flatten,
    InnerProduct: shape_inner_product,
    Interp: shape_interp,
    LRN: _lrn,
    Log: shape_same,
    MVN: shape_channels,
    Normalize: shape_channels,
    PReLU: shape_channels,
    Parameter: shape_parameter,
    Permute: shape_permute,
    Pooling: shape_pooling,
    Power: shape_same,
    ReLU: shape_same,
    Reduction: shape_reduction,
    Reshape: shape_reshape,
    SPP: shape_spp,
    Scale: shape_broadcast,
    ShuffleChannel: shape_channels,
    Sigmoid: shape_same,
    Slice: shape_slice,
    Softmax: shape_along_axis,
    Swish: shape_same,
    TanH: shape_same,
    Threshold: shape_same,
    Tile: shape_tile,
    Upsample: shape_upsample,
}
