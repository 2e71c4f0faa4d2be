"""Reading the layers that change numbers one by one, or normalise them."""

from collections.abc import Callable

from zoo.errors import Unsupported
from zoo.formats.caffe.net import (
    BN,
    ELU,
    LRN,
    MVN,
    BatchNorm,
    Bias,
    Clip,
    Dropout,
    Exp,
    Log,
    Normalize,
    Parameters,
    Power,
    PReLU,
    ReLU,
    Scale,
    Softmax,
    Swish,
    Threshold,
)
from zoo.formats.caffe.tree import Message
from zoo.formats.caffe.values import read_eps, read_positive

REGIONS = {0: "ACROSS_CHANNELS", 1: "WITHIN_CHANNEL"}
MODES = {0: "LEARN", 1: "INFERENCE"}  # SegNet's BN


def read_relu(layer: Message) -> ReLU:
    """Read a ReLU."""
    chosen = layer.message("relu_param")
    chosen.skip("engine")
    return ReLU(negative_slope=chosen.number("negative_slope", 0.0))


def read_relu6(layer: Message) -> Clip:
    """Read a fork's ReLU6."""
    layer.message("relu_param").skip("engine")
    layer.skip("relu6_param")
    return Clip(least=0.0, most=6.0)


def read_prelu(layer: Message) -> PReLU:
    """Read a PReLU."""
    chosen = layer.message("prelu_param")
    chosen.skip("filler")
    return PReLU(is_shared=chosen.flag("channel_shared", default=False))


def read_elu(layer: Message) -> ELU:
    """Read an ELU."""
    return ELU(alpha=layer.message("elu_param").number("alpha", 1.0))


def read_swish(layer: Message) -> Swish:
    """Read a Swish."""
    return Swish(beta=layer.message("swish_param").number("beta", 1.0))


def read_clip(layer: Message) -> Clip:
    """Read a Clip; both its limits are required."""
    chosen = layer.message("clip_param")
    least, most = chosen.number("min", None), chosen.number("max", None)
    if least is None or most is None:
        raise chosen.refuse("a Clip needs min and max")
    if least > most:
        raise chosen.refuse(f"min is {least}, above max {most}")
    return Clip(least=least, most=most)


def read_threshold(layer: Message) -> Threshold:
    """Read a Threshold."""
    return Threshold(threshold=layer.message("threshold_param").number("threshold", 0.0))


def read_power(layer: Message) -> Power:
    """Read a Power."""
    chosen = layer.message("power_param")
    return Power(
        power=chosen.number("power", 1.0),
        scale=chosen.number("scale", 1.0),
        shift=chosen.number("shift", 0.0),
    )


def read_exp(layer: Message) -> Exp:
    """Read an Exp."""
    base, scale, shift = _exponent(layer.message("exp_param"))
    return Exp(base=base, scale=scale, shift=shift)


def read_log(layer: Message) -> Log:
    """Read a Log."""
    chosen = layer.message("log_param")
    base, scale, shift = _exponent(chosen)
    if base == 1:
        raise chosen.refuse("base is 1; there is no logarithm to it")
    return Log(base=base, scale=scale, shift=shift)


def read_lrn(layer: Message) -> LRN:
    """Read an LRN; its windows are odd, and within a channel there is no ``k``."""
    chosen = layer.message("lrn_param")
    chosen.skip("engine")
    region = chosen.choice("norm_region", REGIONS, "ACROSS_CHANNELS")
    if region not in REGIONS.values():
        raise Unsupported(f"LRN {region}")
    size = read_positive(chosen, "local_size", absent=5)
    if size % 2 == 0:
        raise chosen.refuse(f"local_size is {size}; it must be odd")
    return LRN(
        is_within_channel=region == "WITHIN_CHANNEL",
        local_size=size,
        alpha=chosen.number("alpha", 1.0),
        beta=chosen.number("beta", 0.75),
        k=chosen.number("k", 1.0),
    )


def read_mvn(layer: Message) -> MVN:
    """Read an MVN."""
    chosen = layer.message("mvn_param")
    return MVN(
        has_variance=chosen.flag("normalize_variance", default=True),
        is_across_channels=chosen.flag("across_channels", default=False),
        eps=read_eps(chosen, 1e-9),
    )


def read_normalize(layer: Message) -> Normalize:
    """Read SSD's Normalize."""
    chosen = layer.message("norm_param")
    chosen.skip("scale_filler")
    return Normalize(
        is_across_spatial=chosen.flag("across_spatial", default=True),
        is_shared=chosen.flag("channel_shared", default=True),
        eps=read_eps(chosen, 1e-10),
    )


def read_batch_norm(layer: Message) -> BatchNorm:
    """Read a BatchNorm; NVIDIA's, with ``scale_bias``, have an affine part of their own."""
    chosen = layer.message("batch_norm_param")
    chosen.skip("scale_filler", "bias_filler", "engine")
    return BatchNorm(
        eps=read_eps(chosen, 1e-5),
        moving_average_fraction=chosen.number("moving_average_fraction", 0.999),
        has_statistics=chosen.flag("use_global_stats", default=True),
        has_affine=chosen.flag("scale_bias", default=False),
    )


def read_bn(layer: Message) -> BN:
    """Read SegNet's or PSPNet's BN."""
    chosen = layer.message("bn_param")
    chosen.skip("scale_filler", "shift_filler", "slope_filler", "bias_filler")
    chosen.skip("momentum", "frozen", "engine")
    mode = chosen.choice("bn_mode", MODES, "LEARN")
    if mode not in MODES.values():
        raise Unsupported(f"BN {mode}")
    return BN(eps=read_eps(chosen, 1e-5), is_folded=mode == "INFERENCE")


def read_scale(layer: Message) -> Scale:
    """Read a Scale."""
    chosen = layer.message("scale_param")
    chosen.skip("filler", "bias_filler")
    return Scale(
        axis=chosen.integer("axis", 1),
        num_axes=_axis_count(layer, chosen),
        has_bias=chosen.flag("bias_term", default=False),
    )


def read_bias(layer: Message) -> Bias:
    """Read a Bias."""
    chosen = layer.message("bias_param")
    chosen.skip("filler")
    return Bias(axis=chosen.integer("axis", 1), num_axes=_axis_count(layer, chosen))


def read_dropout(layer: Message) -> Dropout:
    """Read a Dropout; a fork's ``scale_train: false`` scales at prediction."""
    chosen = layer.message("dropout_param")
    chosen.skip("engine")
    ratio = chosen.number("dropout_ratio", 0.5)
    if not 0 <= ratio < 1:
        raise chosen.refuse(f"dropout_ratio is {ratio}; it must be from 0 to below 1")
    is_scaled = not chosen.flag("scale_train", default=True)
    return Dropout(ratio=ratio, is_scaled_at_test=is_scaled)


def read_softmax(layer: Message) -> Softmax:
    """Read a Softmax."""
    chosen = layer.message("softmax_param")
    chosen.skip("engine")
    return Softmax(axis=chosen.integer("axis", 1))


def bare(parameters: Parameters, section: str) -> Callable[[Message], Parameters]:
    """Make the reader of a layer that states nothing but the engine it is to run on."""

    def read(layer: Message) -> Parameters:
        layer.message(section).skip("engine")
        return parameters

    return read


def _exponent(chosen: Message) -> tuple[float, float, float]:
    base = chosen.number("base", -1.0)
    if base != -1 and base <= 0:
        raise chosen.refuse(f"base is {base}; it must be above 0, or -1 for e")
    return base, chosen.number("scale", 1.0), chosen.number("shift", 0.0)


def _axis_count(layer: Message, chosen: Message) -> int:
    """Read over how many axes a learned blob goes; a given one has its own."""
    count = chosen.integer("num_axes", 1)
    if count < -1:
        raise chosen.refuse(f"num_axes is {count}; it must be -1 or more")
    return count if len(layer.texts("bottom")) == 1 else 1
