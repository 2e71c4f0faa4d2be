"""Which layers are known, and how each is read from a prototxt.

Names, defaults and limits are those of BVLC's caffe.proto and of the layers' ``LayerSetUp``.
A reader raises MalformedPrototxt for what Caffe refuses too, and Unsupported for what only the zoo
cannot do. What has no meaning for prediction is skipped by name, so that the rest can be told.
"""

from collections.abc import Callable

from zoo.errors import Unsupported
from zoo.formats.caffe.net import (
    LRN,
    BatchNorm,
    Concat,
    Convolution,
    Dropout,
    Flatten,
    InnerProduct,
    Parameters,
    Pooling,
    ReLU,
    Scale,
    Softmax,
)
from zoo.formats.caffe.tree import Message

METHODS = {0: "MAX", 1: "AVE", 2: "STOCHASTIC"}
ROUNDINGS = {0: "CEIL", 1: "FLOOR"}
REGIONS = {0: "ACROSS_CHANNELS", 1: "WITHIN_CHANNEL"}
LARGEST_WINDOW = 2**15  # pixels; keeps every product of sizes small


def read_convolution(layer: Message) -> Convolution:
    """Read a Convolution in two dimensions."""
    chosen = layer.message("convolution_param")
    chosen.skip("weight_filler", "bias_filler", "engine", "force_nd_im2col")
    if chosen.integer("axis", 1) != 1:
        raise Unsupported("Convolution along an axis other than 1")
    return Convolution(
        num_output=_positive(chosen, "num_output"),
        kernel=_pair(chosen, "kernel_size", "kernel", least=1),
        stride=_pair(chosen, "stride", "stride", least=1, absent=1),
        pad=_pair(chosen, "pad", "pad", least=0, absent=0),
        dilation=_spatial(chosen, "dilation", least=1, absent=1),
        group=_positive(chosen, "group", absent=1),
        has_bias=chosen.flag("bias_term", default=True),
    )


def read_pooling(layer: Message) -> Pooling:
    """Read a Pooling; forks spell the rounding ``ceil_mode``."""
    chosen = layer.message("pooling_param")
    chosen.skip("engine")
    method = chosen.choice("pool", METHODS, "MAX")
    if method not in {"MAX", "AVE"}:
        raise Unsupported(f"Pooling {method}")
    rounding = chosen.choice("round_mode", ROUNDINGS, "CEIL")
    has_ceil = rounding == "CEIL" and chosen.flag("ceil_mode", default=True)
    is_global = chosen.flag("global_pooling", default=False)
    stride = _pair(chosen, "stride", "stride", least=1, absent=1)
    pad = _pair(chosen, "pad", "pad", least=0, absent=0)
    if not is_global:
        kernel = _pair(chosen, "kernel_size", "kernel", least=1)
        return Pooling(method=method, kernel=kernel, stride=stride, pad=pad, has_ceil=has_ceil)
    if any(chosen.has(key) for key in ("kernel_size", "kernel_h", "kernel_w")):
        raise chosen.refuse("global_pooling takes no kernel size")
    if stride != (1, 1) or pad != (0, 0):
        raise chosen.refuse("global_pooling takes no pad and a stride of 1")
    return Pooling(method=method, is_global=True, has_ceil=has_ceil)


def read_inner_product(layer: Message) -> InnerProduct:
    """Read an InnerProduct."""
    chosen = layer.message("inner_product_param")
    chosen.skip("weight_filler", "bias_filler")
    return InnerProduct(
        num_output=_positive(chosen, "num_output"),
        axis=chosen.integer("axis", 1),
        is_transposed=chosen.flag("transpose", default=False),
        has_bias=chosen.flag("bias_term", default=True),
    )


def read_relu(layer: Message) -> ReLU:
    """Read a ReLU."""
    chosen = layer.message("relu_param")
    chosen.skip("engine")
    return ReLU(negative_slope=chosen.number("negative_slope", 0.0))


def read_lrn(layer: Message) -> LRN:
    """Read an LRN; its windows are odd."""
    chosen = layer.message("lrn_param")
    chosen.skip("engine")
    region = chosen.choice("norm_region", REGIONS, "ACROSS_CHANNELS")
    if region not in REGIONS.values():
        raise Unsupported(f"LRN {region}")
    size = _positive(chosen, "local_size", absent=5)
    if size % 2 == 0:
        raise chosen.refuse(f"local_size is {size}; it must be odd")
    return LRN(
        is_within_channel=region == "WITHIN_CHANNEL",
        local_size=size,
        alpha=chosen.number("alpha", 1.0),
        beta=chosen.number("beta", 0.75),
        k=chosen.number("k", 1.0),
    )


def read_dropout(layer: Message) -> Dropout:
    """Read a Dropout; the fork's form that scales at prediction is another function."""
    chosen = layer.message("dropout_param")
    if not chosen.flag("scale_train", default=True):
        raise Unsupported("Dropout with scale_train: false")
    ratio = chosen.number("dropout_ratio", 0.5)
    if not 0 <= ratio < 1:
        raise chosen.refuse(f"dropout_ratio is {ratio}; it must be from 0 to below 1")
    return Dropout(ratio=ratio)


def read_softmax(layer: Message) -> Softmax:
    """Read a Softmax."""
    chosen = layer.message("softmax_param")
    chosen.skip("engine")
    return Softmax(axis=chosen.integer("axis", 1))


def read_concat(layer: Message) -> Concat:
    """Read a Concat; ``concat_dim`` is the old name of its axis."""
    chosen = layer.message("concat_param")
    if chosen.has("axis") and chosen.has("concat_dim"):
        raise chosen.refuse("axis and concat_dim exclude each other")
    return Concat(axis=chosen.integer("axis", chosen.integer("concat_dim", 1)))


def read_flatten(layer: Message) -> Flatten:
    """Read a Flatten."""
    chosen = layer.message("flatten_param")
    return Flatten(axis=chosen.integer("axis", 1), end_axis=chosen.integer("end_axis", -1))


def read_batch_norm(layer: Message) -> BatchNorm:
    """Read a BatchNorm that uses its stored statistics, as prediction does by default."""
    chosen = layer.message("batch_norm_param")
    if not chosen.flag("use_global_stats", default=True):
        raise Unsupported("BatchNorm with use_global_stats: false at prediction")
    eps = chosen.number("eps", 1e-5)
    if eps < 0:
        raise chosen.refuse(f"eps is {eps}; it must not be negative")
    fraction = chosen.number("moving_average_fraction", 0.999)
    return BatchNorm(eps=eps, moving_average_fraction=fraction)


def read_scale(layer: Message) -> Scale:
    """Read a Scale with one number per channel and one bottom."""
    chosen = layer.message("scale_param")
    chosen.skip("filler", "bias_filler")
    if chosen.integer("num_axes", 1) != 1:
        raise Unsupported("Scale over other than one axis")
    return Scale(axis=chosen.integer("axis", 1), has_bias=chosen.flag("bias_term", default=False))


TABLE: dict[str, Callable[[Message], Parameters]] = {
    "BatchNorm": read_batch_norm,
    "Concat": read_concat,
    "Convolution": read_convolution,
    "Dropout": read_dropout,
    "Flatten": read_flatten,
    "InnerProduct": read_inner_product,
    "LRN": read_lrn,
    "Pooling": read_pooling,
    "ReLU": read_relu,
    "Scale": read_scale,
    "Softmax": read_softmax,
}


def _positive(chosen: Message, key: str, absent: int | None = None) -> int:
    value = chosen.integer(key, absent)
    if value is None:
        raise chosen.refuse(f"{key} is missing")
    if value < 1:
        raise chosen.refuse(f"{key} is {value}; it must be at least 1")
    return value


def _pair(
    chosen: Message, both: str, one: str, *, least: int, absent: int | None = None
) -> tuple[int, int]:
    """Read (height, width) from ``pad`` or from ``pad_h`` and ``pad_w``, which exclude it."""
    high, wide = chosen.integer(f"{one}_h", None), chosen.integer(f"{one}_w", None)
    if high is None and wide is None:
        return _spatial(chosen, both, least=least, absent=absent)
    if chosen.has(both):
        raise chosen.refuse(f"{both} excludes {one}_h and {one}_w")
    pair = high or 0, wide or 0
    _check_window(chosen, f"{one}_h and {one}_w", pair, least)
    return pair


def _spatial(
    chosen: Message, key: str, *, least: int, absent: int | None = None
) -> tuple[int, int]:
    """Read a repeated field: one value for both axes, or height and width."""
    values = chosen.integers(key)
    if not values and absent is not None:
        values = [absent]
    if not values:
        raise chosen.refuse(f"{key} is missing")
    if len(values) > len(("height", "width")):
        raise Unsupported(f"{len(values)} spatial axes")
    pair = values[0], values[-1]
    _check_window(chosen, key, pair, least)
    return pair


def _check_window(chosen: Message, key: str, pair: tuple[int, int], least: int) -> None:
    if not least <= min(pair) <= max(pair) <= LARGEST_WINDOW:
        raise chosen.refuse(f"{key} must be from {least} to {LARGEST_WINDOW}, found {pair}")
