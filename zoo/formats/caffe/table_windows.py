"""Reading the layers that move a window over a map, or make it larger or smaller."""

from zoo.errors import Unsupported
from zoo.formats.caffe.net import (
    SPP,
    Convolution,
    Deconvolution,
    Interp,
    Pooling,
    Upsample,
)
from zoo.formats.caffe.tree import Message
from zoo.formats.caffe.values import (
    LARGEST_WINDOW,
    read_pair,
    read_positive,
    read_size,
    read_spatial,
)

METHODS = {0: "MAX", 1: "AVE", 2: "STOCHASTIC"}
ROUNDINGS = {0: "CEIL", 1: "FLOOR"}
TALLEST_PYRAMID = 15  # levels; 2^15 bins are LARGEST_WINDOW


def read_convolution(layer: Message) -> Convolution:
    """Read a Convolution in two dimensions."""
    chosen = _filters(layer)
    return Convolution(
        num_output=read_positive(chosen, "num_output"),
        kernel=read_pair(chosen, "kernel_size", "kernel", least=1),
        stride=read_pair(chosen, "stride", "stride", least=1, absent=1),
        pad=read_pair(chosen, "pad", "pad", least=0, absent=0),
        dilation=read_spatial(chosen, "dilation", least=1, absent=1),
        group=read_positive(chosen, "group", absent=1),
        has_bias=chosen.flag("bias_term", default=True),
    )


def read_depthwise(layer: Message) -> Convolution:
    """Read a ConvolutionDepthwise of forks: a group a channel, whatever ``group`` says."""
    read = read_convolution(layer)
    return Convolution(
        num_output=read.num_output,
        kernel=read.kernel,
        stride=read.stride,
        pad=read.pad,
        dilation=read.dilation,
        has_bias=read.has_bias,
        is_depthwise=True,
    )


def read_deconvolution(layer: Message) -> Deconvolution:
    """Read a Deconvolution in two dimensions."""
    read = read_convolution(layer)
    return Deconvolution(
        num_output=read.num_output,
        kernel=read.kernel,
        stride=read.stride,
        pad=read.pad,
        dilation=read.dilation,
        group=read.group,
        has_bias=read.has_bias,
    )


def read_pooling(layer: Message) -> Pooling:
    """Read a Pooling; forks spell the rounding ``ceil_mode``."""
    chosen = layer.message("pooling_param")
    chosen.skip("engine")
    method = chosen.choice("pool", METHODS, "MAX")
    if method not in METHODS.values():
        raise Unsupported(f"Pooling {method}")
    if chosen.flag("avg_include_pad", default=True) is False:
        raise Unsupported("Pooling with avg_include_pad: false")
    stride = read_pair(chosen, "stride", "stride", least=1, absent=1)
    pad = read_pair(chosen, "pad", "pad", least=0, absent=0)
    has_ceil = _has_ceil(chosen)
    if method == "STOCHASTIC" and pad != (0, 0):
        raise chosen.refuse("STOCHASTIC pooling takes no pad")
    if not chosen.flag("global_pooling", default=False):
        kernel = read_pair(chosen, "kernel_size", "kernel", least=1)
        return Pooling(method=method, kernel=kernel, stride=stride, pad=pad, has_ceil=has_ceil)
    if any(chosen.has(key) for key in ("kernel_size", "kernel_h", "kernel_w")):
        raise chosen.refuse("global_pooling takes no kernel size")
    if stride != (1, 1) or pad != (0, 0):
        raise chosen.refuse("global_pooling takes no pad and a stride of 1")
    return Pooling(method=method, is_global=True, has_ceil=has_ceil)


def read_spp(layer: Message) -> SPP:
    """Read an SPP."""
    chosen = layer.message("spp_param")
    chosen.skip("engine")
    method = chosen.choice("pool", METHODS, "MAX")
    if method not in {"MAX", "AVE"}:
        raise Unsupported(f"SPP {method}")
    height = read_positive(chosen, "pyramid_height")
    if height > TALLEST_PYRAMID:
        raise chosen.refuse(f"pyramid_height is {height}; it must be at most {TALLEST_PYRAMID}")
    return SPP(pyramid_height=height, method=method)


def read_interp(layer: Message) -> Interp:
    """Read an Interp: one factor alone wins over a size, a size over both factors."""
    chosen = layer.message("interp_param")
    size = read_size(chosen, "height", "width")
    factors = chosen.has("shrink_factor"), chosen.has("zoom_factor")
    if size == (0, 0) and not any(factors) and len(layer.texts("bottom")) == 1:
        raise chosen.refuse("an Interp needs a height and width, or a factor")
    shrink, zoom = (
        _factor(chosen, key) if size == (0, 0) or factors.count(True) == 1 else 1
        for key in ("shrink_factor", "zoom_factor")
    )
    if factors.count(True) == 1:
        size = (0, 0)
    chosen.skip("shrink_factor", "zoom_factor")
    pads = chosen.integer("pad_beg", 0), chosen.integer("pad_end", 0)
    if not -LARGEST_WINDOW <= min(pads) <= max(pads) <= 0:
        raise chosen.refuse(f"pad_beg and pad_end are {pads}; they cut, so they are 0 or less")
    return Interp(size=size, shrink=shrink, zoom=zoom, pad_begin=pads[0], pad_end=pads[1])


def read_upsample(layer: Message) -> Upsample:
    """Read an Upsample: of YOLO's forks with one bottom, of SegNet's with a mask as the second."""
    chosen = layer.message("upsample_param")
    if chosen.flag("pad_out_h", default=False) or chosen.flag("pad_out_w", default=False):
        raise Unsupported("Upsample with pad_out_h or pad_out_w")
    has_mask = len(layer.texts("bottom")) > 1
    scale = _factor(chosen, "scale", absent=2 if has_mask else 1)
    scales = tuple(_factor(chosen, key, absent=scale) for key in ("scale_h", "scale_w"))
    if chosen.has("stride"):
        raise Unsupported("Upsample with a stride")
    size = read_size(chosen, "upsample_h", "upsample_w")
    if size != (0, 0) and not has_mask:
        raise Unsupported("Upsample to a size without a mask")
    return Upsample(scale=(scales[0], scales[1]), size=size)


def read_upsample_darknet(layer: Message) -> Upsample:
    """Read a fork's UpsampleDarknet, whose scale is called a stride."""
    scale = _factor(layer.message("upsample_darknet_param"), "stride", absent=1)
    return Upsample(scale=(scale, scale))


def _filters(layer: Message) -> Message:
    chosen = layer.message("convolution_param")
    chosen.skip("weight_filler", "bias_filler", "engine", "force_nd_im2col")
    if chosen.integer("axis", 1) not in {1, -3}:
        raise Unsupported("Convolution along an axis other than 1")
    return chosen


def _has_ceil(chosen: Message) -> bool:
    rounding = chosen.choice("round_mode", ROUNDINGS, "CEIL")
    if rounding not in ROUNDINGS.values():
        raise Unsupported(f"Pooling that rounds {rounding}")
    return rounding == "CEIL" and chosen.flag("ceil_mode", default=True)


def _factor(chosen: Message, key: str, absent: int = 1) -> int:
    factor = chosen.integer(key, absent)
    if not 1 <= factor <= LARGEST_WINDOW:
        raise chosen.refuse(f"{key} is {factor}; it must be from 1 to {LARGEST_WINDOW}")
    return factor
