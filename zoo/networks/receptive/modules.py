"""How what each module computes lies over the picture, by how what it reads does."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from zoo.networks import layers
from zoo.networks.onnx import layers as onnx
from zoo.networks.receptive.arranging import (
    cut_axes,
    mix_along,
    reduce_axes,
    reorder,
    reshape,
    settle,
)
from zoo.networks.receptive.call import Call
from zoo.networks.receptive.laid import ATTENDING, COVERING, RESIZING, UNKNOWN, Laid, join_laid
from zoo.networks.receptive.sides import keep_inside
from zoo.networks.receptive.windows import WINDOWED
from zoo.networks.tracing import StochasticDepth

# Each number after these depends on the number at its own place alone.
POINTWISE: tuple[type[nn.Module], ...] = (
    nn.CELU,
    nn.Dropout,
    nn.ELU,
    nn.GELU,
    nn.Hardsigmoid,
    nn.Hardswish,
    nn.Hardtanh,
    nn.Identity,
    nn.LeakyReLU,
    nn.Mish,
    nn.ReLU,
    nn.ReLU6,
    nn.SiLU,
    nn.Sigmoid,
    nn.Softplus,
    nn.Softsign,
    nn.Tanh,
    StochasticDepth,
    layers.AbsVal,
    layers.Clip,
    layers.Exp,
    layers.Log,
    layers.Power,
    layers.Swish,
    layers.Threshold,
    layers.UnscaledDropout,
    onnx.Clip,
    onnx.Pointwise,
    onnx.SlopedSigmoid,
)
# Each number after these depends on the channels, axis 1, of its own place.
CHANNELWISE: tuple[type[nn.Module], ...] = (
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.BatchNorm3d,
    nn.LocalResponseNorm,
    nn.PReLU,
    layers.ShuffleChannel,
)
# These leave a map's size as it is, but read all of the map.
READING_ALL: tuple[type[nn.Module], ...] = (
    nn.GroupNorm,
    nn.InstanceNorm1d,
    nn.InstanceNorm2d,
    nn.InstanceNorm3d,
    layers.BatchStatistics,
    layers.MVN,
)
AROUND = "pads a map with what is at its other end"
RESIZERS: tuple[type[nn.Module], ...] = (
    nn.ConvTranspose2d,
    nn.Upsample,
    layers.Interp,
    layers.Unpool,
    onnx.DepthToSpace,
    onnx.Resize,
)


def reads_all(module: nn.Module | None) -> bool:
    """Tell whether a module reads all of a map and leaves its size as it is."""
    is_across = isinstance(module, layers.Normalize) and module.is_across_spatial
    return is_across or isinstance(module, READING_ALL)


def _linear(call: Call, _module: nn.Linear) -> Laid:
    return mix_along(call, [-1])


def _layer_norm(call: Call, module: nn.LayerNorm) -> Laid:
    return mix_along(call, [-1 - axis for axis in range(len(module.normalized_shape))])


def _softmax(call: Call, module: nn.Softmax | nn.LogSoftmax) -> Laid:
    return mix_along(call, [-1 if module.dim is None else module.dim])


def _adaptive(call: Call, module: Any) -> Laid:  # noqa: ANN401  # torch's adaptive poolings
    size = module.output_size
    is_whole = all(side is not None for side in size) if isinstance(size, tuple) else bool(size)
    return settle(call) if is_whole else call.lost(ATTENDING)


def _flatten(call: Call, _module: nn.Module) -> Laid:
    return reshape(call)


def _permute(call: Call, module: layers.Permute | onnx.Permute) -> Laid:
    return reorder(call, module.order)


def _slice_channels(call: Call, module: layers.Slice) -> Laid:
    return mix_along(call, [module.axis])


def _slice(call: Call, module: onnx.Slice) -> Laid:
    parts = {module.axis: slice(module.start, module.end, module.step)}
    return cut_axes(call, parts)


def _select(call: Call, module: onnx.Select) -> Laid:
    if isinstance(module.places, int):
        return cut_axes(call, {module.axis: module.places})
    return mix_along(call, [module.axis])


def _tile(call: Call, module: layers.Tile) -> Laid:
    return mix_along(call, [module.axis])


def _reduction(call: Call, module: layers.Reduction) -> Laid:
    return reduce_axes(call, range(module.axis, call.axes_read), keeps=False)


def _reduce(call: Call, module: onnx.Reduce) -> Laid:
    return reduce_axes(call, module.axes, keeps=module.keeps)


def _arg_max(call: Call, module: layers.ArgMax) -> Laid:
    return settle(call).moved(None) if module.axis is None else mix_along(call, [module.axis])


def _learned(call: Call, module: Any) -> Laid:  # noqa: ANN401  # modules with numbers along axes
    """Multiply or add numbers of the module's own, which may lie along height or width."""
    numbers = next(module.parameters())
    return _covered(call, module.axis, tuple(numbers.shape))


def _spread(call: Call, module: layers.ScaleBy | layers.BiasBy) -> Laid:
    """Multiply or add another value that has the axes from the module's on."""
    x, *others = (read for read in call.reads if read in call.laid)
    if all(call.laid[read].is_settled for read in others):
        return _covered(call, module.axis, call.shape(call.reads[-1]))
    return call.joined() if len(call.shape(others[0])) == len(call.shape(x)) else call.lost(UNKNOWN)


def _axpy(call: Call, _module: layers.Axpy) -> Laid:
    """Add maps of which one is weighed channel by channel."""
    weights, *maps = call.reads
    whole = join_laid(call.node, (call.laid[read] for read in maps if read in call.laid))
    is_point = weights not in call.laid or call.laid[weights].is_settled
    return whole if is_point else whole.lost(call.node, UNKNOWN)


def _with_constant(call: Call, module: onnx.WithConstant) -> Laid:
    shape = () if module.value is None else tuple(module.value.shape)
    return _covered(call, call.axes_read - len(shape), shape)


def _covered(call: Call, axis: int, shape: tuple[int, ...]) -> Laid:
    first = call.first
    places = first.axes or ()
    is_covered = any(axis <= at < axis + len(shape) and shape[at - axis] > 1 for at in places)
    return call.lost(COVERING, axes=first.axes) if is_covered else first


def _crop_inside(call: Call, module: layers.CropInside) -> Laid:
    first, picture = (call.laid[read] for read in call.reads)
    if first.sides is None or picture.sides is None:
        return first
    high, wide = (
        keep_inside(side, like, reach=reach, first=begin)
        for side, like, reach, begin in zip(
            first.sides, picture.sides, module.reach, module.first, strict=True
        )
    )
    return Laid(axes=first.axes, sides=(high, wide))


def _joined(call: Call, _module: nn.Module) -> Laid:
    return call.joined()


# The values take a module of their key; a mapping cannot say so, hence Any.
RULES: Mapping[type[nn.Module], Callable[[Call, Any], Laid]] = {
    **dict.fromkeys(POINTWISE, lambda call, _module: call.first),
    **dict.fromkeys(CHANNELWISE, lambda call, _module: mix_along(call, [1])),
    **dict.fromkeys(READING_ALL, lambda call, _module: call.first),
    **dict.fromkeys(RESIZERS, lambda call, _module: call.lost(RESIZING, axes=call.first.axes)),
    nn.AdaptiveAvgPool2d: _adaptive,
    nn.AdaptiveMaxPool2d: _adaptive,
    nn.Flatten: _flatten,
    nn.LayerNorm: _layer_norm,
    nn.Linear: _linear,
    nn.LogSoftmax: _softmax,
    nn.MultiheadAttention: lambda call, _module: call.lost(ATTENDING, axes=call.first.axes),
    nn.Softmax: _softmax,
    layers.ArgMax: _arg_max,
    layers.Axpy: _axpy,
    layers.Bias: _learned,
    layers.BiasBy: _spread,
    layers.CropInside: _crop_inside,
    layers.Eltwise: _joined,
    layers.Normalize: lambda call, _module: mix_along(call, [1]),
    layers.Permute: _permute,
    layers.Reduction: _reduction,
    layers.Reshape: _flatten,
    layers.SPP: lambda call, _module: settle(call).moved(None),
    layers.Scale: _learned,
    layers.ScaleBy: _spread,
    layers.Slice: _slice_channels,
    layers.Tile: _tile,
    onnx.Permute: _permute,
    onnx.Reduce: _reduce,
    onnx.Reshape: _flatten,
    onnx.Select: _select,
    onnx.Slice: _slice,
    onnx.Squeeze: _flatten,
    onnx.Unsqueeze: _flatten,
    onnx.WithConstant: _with_constant,
}


def lay_module(call: Call, module: nn.Module) -> Laid | None:
    """Tell how a module's value lies; None where nothing is known of the module."""
    kind = type(module)
    if getattr(module, "padding_mode", "zeros") == "circular":
        return call.lost(AROUND)
    if kind in WINDOWED:
        windows = WINDOWED[kind](module)
        return settle(call) if windows is None else call.slid(*windows)
    return RULES[kind](call, module) if kind in RULES else None
