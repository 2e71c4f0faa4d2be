"""What a prototxt says of each kind of layer: its section, and the fields with their defaults."""

from collections.abc import Callable, Iterator
from typing import Any

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
    Log,
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

Fields = Iterator[tuple[str, object, object]]  # name, value, default


def _none(_chosen: object) -> Fields:
    yield from ()


def _pair(both: str, one: str, value: tuple[int, int], default: int | None) -> Fields:
    if value[0] == value[1]:
        yield both, value[0], default
    else:
        yield f"{one}_h", value[0], None
        yield f"{one}_w", value[1], None


def _each(key: str, values: tuple[float, ...]) -> Fields:
    yield from ((key, value, None) for value in values)


def _shape(dims: tuple[int, ...]) -> Fields:
    yield "shape", "{ " + "".join(f"dim: {size} " for size in dims) + "}", None


def _convolution(chosen: Convolution | Deconvolution) -> Fields:
    yield "num_output", chosen.num_output, None
    yield "bias_term", chosen.has_bias, True
    yield from _pair("pad", "pad", chosen.pad, 0)
    yield from _pair("kernel_size", "kernel", chosen.kernel, None)
    yield "group", chosen.group, 1
    yield from _pair("stride", "stride", chosen.stride, 1)
    if chosen.dilation != (1, 1):  # It has no _h and _w forms.
        yield from _each("dilation", chosen.dilation)


def _pooling(chosen: Pooling) -> Fields:
    yield "pool", chosen.method, None
    yield "global_pooling", chosen.is_global, False
    if not chosen.is_global:
        yield from _pair("kernel_size", "kernel", chosen.kernel, None)
        yield from _pair("stride", "stride", chosen.stride, 1)
        yield from _pair("pad", "pad", chosen.pad, 0)
    yield "round_mode", "CEIL" if chosen.has_ceil else "FLOOR", "CEIL"


def _inner_product(chosen: InnerProduct) -> Fields:
    yield "num_output", chosen.num_output, None
    yield "bias_term", chosen.has_bias, True
    yield "axis", chosen.axis, 1
    yield "transpose", chosen.is_transposed, False


def _embed(chosen: Embed) -> Fields:
    yield "num_output", chosen.num_output, None
    yield "input_dim", chosen.input_dim, None
    yield "bias_term", chosen.has_bias, True


def _clip(chosen: Clip) -> Fields:
    yield "min", chosen.least, None
    yield "max", chosen.most, None


def _power(chosen: Power) -> Fields:
    yield "power", chosen.power, 1.0
    yield "scale", chosen.scale, 1.0
    yield "shift", chosen.shift, 0.0


def _exponent(chosen: Exp | Log) -> Fields:
    yield "base", chosen.base, -1.0
    yield "scale", chosen.scale, 1.0
    yield "shift", chosen.shift, 0.0


def _lrn(chosen: LRN) -> Fields:
    yield "local_size", chosen.local_size, 5
    yield "alpha", chosen.alpha, 1.0
    yield "beta", chosen.beta, 0.75
    region = "WITHIN_CHANNEL" if chosen.is_within_channel else "ACROSS_CHANNELS"
    yield "norm_region", region, "ACROSS_CHANNELS"
    yield "k", chosen.k, 1.0


def _mvn(chosen: MVN) -> Fields:
    yield "normalize_variance", chosen.has_variance, True
    yield "across_channels", chosen.is_across_channels, False
    yield "eps", chosen.eps, 1e-9


def _normalize(chosen: Normalize) -> Fields:
    yield "across_spatial", chosen.is_across_spatial, True
    yield "channel_shared", chosen.is_shared, True
    yield "eps", chosen.eps, 1e-10


def _batch_norm(chosen: BatchNorm) -> Fields:
    yield "use_global_stats", chosen.has_statistics, True
    yield "moving_average_fraction", chosen.moving_average_fraction, 0.999
    yield "eps", chosen.eps, 1e-5
    yield "scale_bias", chosen.has_affine, False


def _bn(chosen: BN) -> Fields:
    yield "eps", chosen.eps, 1e-5
    yield "bn_mode", "INFERENCE" if chosen.is_folded else "LEARN", "LEARN"


def _scale(chosen: Scale) -> Fields:
    yield "axis", chosen.axis, 1
    yield "num_axes", chosen.num_axes, 1
    yield "bias_term", chosen.has_bias, False


def _bias(chosen: Bias) -> Fields:
    yield "axis", chosen.axis, 1
    yield "num_axes", chosen.num_axes, 1


def _dropout(chosen: Dropout) -> Fields:
    yield "dropout_ratio", chosen.ratio, 0.5
    yield "scale_train", not chosen.is_scaled_at_test, True


def _axis(chosen: Softmax | Concat) -> Fields:
    yield "axis", chosen.axis, 1


def _arg_max(chosen: ArgMax) -> Fields:
    yield "out_max_val", chosen.has_values, False
    yield "top_k", chosen.top_k, 1
    yield "axis", chosen.axis, None


def _eltwise(chosen: Eltwise) -> Fields:
    yield "operation", chosen.operation, "SUM"
    yield from _each("coeff", chosen.coefficients)


def _slice(chosen: Slice) -> Fields:
    yield "axis", chosen.axis, 1
    yield from _each("slice_point", chosen.points)


def _crop(chosen: Crop) -> Fields:
    yield "axis", chosen.axis, 2
    yield from _each("offset", chosen.offsets)


def _flatten(chosen: Flatten) -> Fields:
    yield "axis", chosen.axis, 1
    yield "end_axis", chosen.end_axis, -1


def _reshape(chosen: Reshape) -> Fields:
    yield from _shape(chosen.dims)
    yield "axis", chosen.axis, 0
    yield "num_axes", chosen.num_axes, -1


def _reduction(chosen: Reduction) -> Fields:
    yield "operation", chosen.operation, "SUM"
    yield "axis", chosen.axis, 0
    yield "coeff", chosen.coefficient, 1.0


def _tile(chosen: Tile) -> Fields:
    yield "axis", chosen.axis, 1
    yield "tiles", chosen.tiles, None


def _spp(chosen: SPP) -> Fields:
    yield "pyramid_height", chosen.pyramid_height, None
    yield "pool", chosen.method, "MAX"


def _interp(chosen: Interp) -> Fields:
    if chosen.size == (0, 0):
        yield "shrink_factor", chosen.shrink, None
        yield "zoom_factor", chosen.zoom, None
    else:
        yield "height", chosen.size[0], None
        yield "width", chosen.size[1], None
    yield "pad_beg", chosen.pad_begin, 0
    yield "pad_end", chosen.pad_end, 0


def _upsample(chosen: Upsample) -> Fields:
    yield from _pair("scale", "scale", chosen.scale, None)
    if chosen.size != (0, 0):
        yield "upsample_h", chosen.size[0], None
        yield "upsample_w", chosen.size[1], None


def _one(key: str, attribute: str, default: float) -> Callable[[object], Fields]:
    def fields(chosen: object) -> Fields:
        yield key, getattr(chosen, attribute), default

    return fields


# The values take the parameters of their key; a mapping cannot say so, hence Any.
FIELDS: dict[type, tuple[str, Callable[[Any], Fields]]] = {
    AbsVal: ("", _none),
    ArgMax: ("argmax_param", _arg_max),
    Axpy: ("", _none),
    BN: ("bn_param", _bn),
    BNLL: ("", _none),
    BatchNorm: ("batch_norm_param", _batch_norm),
    Bias: ("bias_param", _bias),
    Clip: ("clip_param", _clip),
    Concat: ("concat_param", _axis),
    Convolution: ("convolution_param", _convolution),
    Crop: ("crop_param", _crop),
    Deconvolution: ("convolution_param", _convolution),
    Dropout: ("dropout_param", _dropout),
    ELU: ("elu_param", _one("alpha", "alpha", 1.0)),
    Eltwise: ("eltwise_param", _eltwise),
    Embed: ("embed_param", _embed),
    Exp: ("exp_param", _exponent),
    Flatten: ("flatten_param", _flatten),
    InnerProduct: ("inner_product_param", _inner_product),
    Interp: ("interp_param", _interp),
    LRN: ("lrn_param", _lrn),
    Log: ("log_param", _exponent),
    MVN: ("mvn_param", _mvn),
    Normalize: ("norm_param", _normalize),
    PReLU: ("prelu_param", _one("channel_shared", "is_shared", default=False)),
    Parameter: ("parameter_param", lambda chosen: _shape(chosen.shape)),
    Permute: ("permute_param", lambda chosen: _each("order", chosen.order)),
    Pooling: ("pooling_param", _pooling),
    Power: ("power_param", _power),
    ReLU: ("relu_param", _one("negative_slope", "negative_slope", 0.0)),
    Reduction: ("reduction_param", _reduction),
    Reshape: ("reshape_param", _reshape),
    SPP: ("spp_param", _spp),
    Scale: ("scale_param", _scale),
    ShuffleChannel: ("shuffle_channel_param", _one("group", "group", 1)),
    Sigmoid: ("", _none),
    Slice: ("slice_param", _slice),
    Softmax: ("softmax_param", _axis),
    Swish: ("swish_param", _one("beta", "beta", 1.0)),
    TanH: ("", _none),
    Threshold: ("threshold_param", _one("threshold", "threshold", 0.0)),
    Tile: ("tile_param", _tile),
    Upsample: ("upsample_param", _upsample),
}
