"""Which blobs each kind of layer has, how they are shaped, and what they are called as weights.

Sources: ``LayerSetUp`` of the layers in BVLC/caffe and its forks. Shapes are those Caffe gives its
blobs, so that what is written fits Caffe too.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.formats.caffe.axes import Shape, canonical_axis, channels_of
from zoo.formats.caffe.net import (
    BN,
    BatchNorm,
    Bias,
    Convolution,
    Deconvolution,
    Embed,
    InnerProduct,
    Layer,
    Normalize,
    Parameter,
    PReLU,
    Scale,
)
from zoo.formats.caffe.rules_arrangement import broadcast_shape
from zoo.formats.caffe.rules_windows import group_of

Floats = NDArray[np.float32]
Arrays = Mapping[str, Floats]  # by the name of their slot, or of the weight
Shapes = tuple[Shape, ...]
Names = tuple[str, ...]

STATISTICS = {"mean": "running_mean", "variance": "running_var"}
FACTOR = "factor"


def blob_names(layer: Layer) -> Names:
    """Name the blobs of a layer, in their order; none where it has no weights."""
    row = ROWS.get(type(layer.parameters))
    return row.names(layer.parameters, len(layer.bottoms)) if row else ()


def weight_name(layer: Layer, blob: str) -> str:
    """Name a blob as a weight; BatchNorm's factor is none."""
    is_statistic = isinstance(layer.parameters, BatchNorm)
    return STATISTICS.get(blob, "" if blob == FACTOR else blob) if is_statistic else blob


def _with_bias(parameters: Any, _bottoms: int) -> Names:  # noqa: ANN401  # four kinds with has_bias
    return ("weight", "bias") if parameters.has_bias else ("weight",)


def _weight(_parameters: object, _bottoms: int) -> Names:
    return ("weight",)


def _scale_names(parameters: Scale, bottoms: int) -> Names:
    names = ("weight", "bias") if parameters.has_bias else ("weight",)
    return names if bottoms == 1 else names[1:]


def _bias_names(_parameters: Bias, bottoms: int) -> Names:
    return ("bias",) if bottoms == 1 else ()


def _batch_norm_names(parameters: BatchNorm, _bottoms: int) -> Names:
    affine = ("scale", "bias") if parameters.has_affine else ()
    return "mean", "variance", FACTOR, *affine


def _bn_names(parameters: BN, _bottoms: int) -> Names:
    return ("scale", "shift") if parameters.is_folded else ("scale", "shift", "mean", "variance")


def _convolution_shapes(_layer: Layer, parameters: Convolution, bottoms: Shapes) -> Shapes:
    inputs = bottoms[0][1] // group_of(parameters, bottoms[0][1])
    return (parameters.num_output, inputs, *parameters.kernel), (parameters.num_output,)


def _deconvolution_shapes(_layer: Layer, parameters: Deconvolution, bottoms: Shapes) -> Shapes:
    outputs = parameters.num_output // parameters.group
    return (bottoms[0][1], outputs, *parameters.kernel), (parameters.num_output,)


def _inner_product_shapes(layer: Layer, parameters: InnerProduct, bottoms: Shapes) -> Shapes:
    inputs = math.prod(bottoms[0][canonical_axis(layer, parameters.axis, bottoms[0]) :])
    shape = (parameters.num_output, inputs)
    return shape[::-1] if parameters.is_transposed else shape, (parameters.num_output,)


def _embed_shapes(_layer: Layer, parameters: Embed, _bottoms: Shapes) -> Shapes:
    return (parameters.input_dim, parameters.num_output), (parameters.num_output,)


def _broadcast_shapes(layer: Layer, parameters: Scale | Bias, bottoms: Shapes) -> Shapes:
    return (broadcast_shape(layer, parameters, bottoms),) * 2


def _slope_shapes(layer: Layer, parameters: PReLU | Normalize, bottoms: Shapes) -> Shapes:
    return (() if parameters.is_shared else (channels_of(layer, bottoms[0]),),)


def _parameter_shapes(_layer: Layer, parameters: Parameter, _bottoms: Shapes) -> Shapes:
    return (parameters.shape,)


def _batch_norm_shapes(_layer: Layer, _parameters: BatchNorm, bottoms: Shapes) -> Shapes:
    channels = bottoms[0][1] if len(bottoms[0]) > 1 else 1
    return (channels,), (channels,), (1,), (channels,), (channels,)


def _bn_shapes(layer: Layer, _parameters: BN, bottoms: Shapes) -> Shapes:
    return ((1, channels_of(layer, bottoms[0]), 1, 1),) * 4


def _as_they_are(_parameters: object, arrays: Arrays) -> Arrays:
    return arrays


def _turned(parameters: InnerProduct, arrays: Arrays) -> Arrays:
    """Turn a transposed weight; doing so twice gives the first again."""
    if not parameters.is_transposed or "weight" not in arrays:
        return arrays
    return {**arrays, "weight": np.ascontiguousarray(arrays["weight"].T)}


def _slope_named(_parameters: object, arrays: Arrays) -> Arrays:
    return {name: array.reshape(-1) for name, array in arrays.items()}


def _slope_listed(parameters: PReLU | Normalize, weights: Arrays) -> Arrays:
    is_single = parameters.is_shared
    return {
        name: array.reshape(()) if is_single and array.size == 1 else array
        for name, array in weights.items()
    }


def _batch_norm_named(_parameters: BatchNorm, arrays: Arrays) -> Arrays:
    """Divide the running sums by their factor; a factor of 0 means nothing was summed yet."""
    if not arrays:  # All of them are another layer's.
        return {}
    (factor,) = arrays[FACTOR]
    with np.errstate(all="ignore"):  # Numbers that are no statistics stay what they are.
        scale = np.float32(0 if factor == 0 else 1 / np.float64(factor))
        return {
            STATISTICS.get(name, name): array * scale if name in STATISTICS else array
            for name, array in arrays.items()
            if name != FACTOR
        }


def _batch_norm_listed(_parameters: BatchNorm, weights: Arrays) -> Arrays:
    arrays = {blob: weights[name] for blob, name in STATISTICS.items() if name in weights} | {
        name: array for name, array in weights.items() if name in {"scale", "bias"}
    }
    return {**arrays, FACTOR: np.ones(1, np.float32)} if arrays else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What a kind of layer has for blobs, and what they are as weights."""

    # Each takes the parameters of the row's key; a mapping cannot say so, hence Any.
    names: Callable[[Any, int], Names]
    shapes: Callable[[Layer, Any, Shapes], Shapes]  # at least as many as there are names
    named: Callable[[Any, Arrays], Arrays] = _as_they_are
    listed: Callable[[Any, Arrays], Arrays] = _as_they_are


ROWS: dict[type, Row] = {
    BN: Row(names=_bn_names, shapes=_bn_shapes),
    BatchNorm: Row(
        names=_batch_norm_names,
        shapes=_batch_norm_shapes,
        named=_batch_norm_named,
        listed=_batch_norm_listed,
    ),
    Bias: Row(names=_bias_names, shapes=_broadcast_shapes),
    Convolution: Row(names=_with_bias, shapes=_convolution_shapes),
    Deconvolution: Row(names=_with_bias, shapes=_deconvolution_shapes),
    Embed: Row(names=_with_bias, shapes=_embed_shapes),
    InnerProduct: Row(
        names=_with_bias, shapes=_inner_product_shapes, named=_turned, listed=_turned
    ),
    Normalize: Row(names=_weight, shapes=_slope_shapes, named=_slope_named, listed=_slope_listed),
    PReLU: Row(names=_weight, shapes=_slope_shapes, named=_slope_named, listed=_slope_listed),
    Parameter: Row(names=_weight, shapes=_parameter_shapes),
    Scale: Row(names=_scale_names, shapes=_broadcast_shapes),
}
