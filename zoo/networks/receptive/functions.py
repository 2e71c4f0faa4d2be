"""How what each function computes lies over the picture, by how what it reads does."""

import operator
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch._ops import OpOverload
from torch.nn import functional

from zoo.networks.receptive.arranging import (
    cut_axes,
    mix_along,
    reduce_axes,
    reorder,
    reshape,
    settle,
    slide_sides,
)
from zoo.networks.receptive.call import Call
from zoo.networks.receptive.laid import (
    ATTENDING,
    BESIDE,
    DIFFERING,
    RESIZING,
    TOKENS,
    UNKNOWN,
    Laid,
)
from zoo.networks.receptive.sides import Window
from zoo.networks.receptive.windows import convolution_windows, pool_windows

aten = torch.ops.aten

# Computed number by number, of one value or of several.
ELEMENTWISE: tuple[object, ...] = (
    functional.elu,
    functional.hardtanh,
    functional.mish,
    functional.softplus,
    operator.add,
    operator.mul,
    operator.neg,
    operator.pow,
    operator.sub,
    operator.truediv,
    torch.Tensor.clamp,
    torch.Tensor.expand_as,
    torch.Tensor.float,
    torch.Tensor.to,
    torch.abs,
    torch.addcmul,
    torch.clamp,
    torch.div,
    torch.exp,
    torch.maximum,
    torch.minimum,
    torch.pow,
    torch.sqrt,
)
# The same of aten's own, which graphs have that were followed for one size of picture.
ELEMENTWISE_NAMES = frozenset(
    {
        "abs",
        "add_",
        "clamp",
        "clamp_max",
        "clamp_min",
        "div",
        "dropout_",
        "elu",
        "erf",
        "exp",
        "feature_dropout",
        "hardtanh",
        "hardtanh_",
        "log_sigmoid",
        "mish",
        "mul_",
        "neg",
        "pow",
        "relu6",
        "rsqrt",
        "softplus",
        "sqrt",
        "sub_",
        "to",
    }
)
REDUCING: tuple[object, ...] = (
    aten.sum.dim_IntList,
    torch.Tensor.amax,
    torch.Tensor.mean,
    torch.Tensor.sum,
    torch.amax,
    torch.amin,
    torch.mean,
    torch.sum,
)
RESHAPING: tuple[object, ...] = (
    torch.Tensor.squeeze,
    torch.Tensor.unsqueeze,
    torch.flatten,
    torch.reshape,
    torch.squeeze,
    torch.unsqueeze,
)
# These leave a map's size as it is, but read all of the map.
READING_ALL: tuple[object, ...] = (functional.group_norm, functional.instance_norm)
MIXING: tuple[object, ...] = (
    aten.matmul.default,
    functional.scaled_dot_product_attention,
    aten.scaled_dot_product_attention.default,
    operator.matmul,
    torch.bmm,
    torch.einsum,
    torch.matmul,
)


def _cat(call: Call) -> Laid:
    """Join along an axis: channels of one size of map, or rows beside the places."""
    whole = call.joined()
    dim = call.argument(1, "dim", 0)
    if whole.is_settled or whole.axes is None or not isinstance(dim, int):
        return whole
    others = [read for read in call.reads if read not in call.laid or call.laid[read].is_settled]
    if dim % len(call.shape(call.node)) in whole.axes:
        return call.lost(TOKENS if others else BESIDE, axes=whole.axes)
    return call.lost(DIFFERING, axes=whole.axes) if others else whole


def _stack(call: Call) -> Laid:
    whole, dim = call.joined_as(call.axes_read), call.argument(1, "dim", 0)
    if whole.axes is None or not isinstance(dim, int):
        return whole
    at = dim % (call.axes_read + 1)
    return whole.moved(
        (whole.axes[0] + (whole.axes[0] >= at), whole.axes[1] + (whole.axes[1] >= at))
    )


def _parts(call: Call) -> Laid:
    """Take a value apart along an axis; all its parts lie alike."""
    return mix_along(call, [call.argument(2, "dim", 0)])


def _unbind(call: Call) -> Laid:
    return cut_axes(call, {call.argument(1, "dim", 0) % call.axes_read: 0})


def _get_item(call: Call) -> Laid:
    """Take one of several values, or index one as Python does."""
    index = call.node.args[1]
    if not call.shape(call.reads[0]):
        return call.first
    given = index if isinstance(index, tuple) else (index,)
    if not all(part is None or part is Ellipsis or isinstance(part, int | slice) for part in given):
        return call.lost(UNKNOWN)
    count = sum(part is not None and part is not Ellipsis for part in given)
    at = given.index(Ellipsis) if Ellipsis in given else len(given)
    rest = (slice(None),) * (call.axes_read - count)
    parts = (*given[:at], *rest, *given[at + 1 :])
    old = [part for part in parts if part is not None]
    taken = cut_axes(call, dict(enumerate(old)))
    kept = [part for part in parts if not isinstance(part, int)]
    if taken.axes is None:
        return taken
    places = [axis for axis, part in enumerate(kept) if part is not None]
    return taken.moved((places[taken.axes[0]], places[taken.axes[1]]))


def _permute(call: Call) -> Laid:
    order = call.argument(1, "dims")
    return reorder(call, order if isinstance(order, list | tuple) else call.node.args[1:])  # type: ignore[arg-type]  # numbers


def _transpose(call: Call) -> Laid:
    count = call.axes_read
    order = list(range(count))
    one, other = call.argument(1, "dim0") % count, call.argument(2, "dim1") % count
    order[one], order[other] = order[other], order[one]
    return reorder(call, order)


def _reduce(call: Call) -> Laid:
    return _reduce_along(call, call.argument(1, "dim"), call.argument(2, "keepdim", default=False))


def _norm(call: Call) -> Laid:
    return _reduce_along(call, call.argument(2, "dim"), call.argument(3, "keepdim", default=False))


def _reduce_along(call: Call, dims: Any, keeps: Any) -> Laid:  # noqa: ANN401  # any arguments
    axes = dims if isinstance(dims, list | tuple) else [dims]
    if dims is None or not all(isinstance(axis, int) for axis in axes):
        return settle(call).moved(None)
    return reduce_axes(call, axes, keeps=bool(keeps))


def _softmax(call: Call) -> Laid:
    return mix_along(call, [call.argument(1, "dim", -1)])


def _normalize(call: Call) -> Laid:
    return mix_along(call, [call.argument(2, "dim", 1)])


def _last(call: Call) -> Laid:
    return mix_along(call, [-1])


def _channels(call: Call) -> Laid:
    return mix_along(call, [1])


def _pad(call: Call) -> Laid:
    """Pad the last axes, the last one first."""
    pads, first, count = call.argument(1, "pad"), call.first, call.axes_read
    if first.axes is None or first.sides is None:
        return first
    if not all(isinstance(number, int) for number in pads):
        return call.lost(UNKNOWN)
    windows = {
        count - 1 - number: Window(before=pads[2 * number], after=pads[2 * number + 1])
        for number in range(len(pads) // 2)
    }
    high, wide = (windows.get(axis, Window()) for axis in first.axes)
    return slide_sides(first, high, wide)


def _convolution(call: Call) -> Laid:
    weight = call.shape(call.argument(1, "weight"))
    stride, padding = call.argument(3, "stride", 1), call.argument(4, "padding", 0)
    dilation = call.argument(5, "dilation", 1)
    return call.slid(*convolution_windows(weight[2:], stride, padding, dilation))


def _max_pool(call: Call) -> Laid:
    dilation, ceil = call.argument(4, "dilation", 1), call.argument(5, "ceil_mode", default=False)
    return _pool(call, dilation, ceil)


def _average_pool(call: Call) -> Laid:
    return _pool(call, 1, call.argument(4, "ceil_mode", default=False))


def _pool(call: Call, dilation: Any, ceil: Any) -> Laid:  # noqa: ANN401  # any arguments
    kernel = call.argument(1, "kernel_size")
    stride, padding = call.argument(2, "stride"), call.argument(3, "padding", 0)
    return call.slid(*pool_windows(kernel, stride, padding, dilation, rounds_up=bool(ceil)))


RULES: Mapping[object, Callable[[Call], Laid]] = {
    **dict.fromkeys(MIXING, lambda call: call.lost(ATTENDING)),
    **dict.fromkeys(READING_ALL, lambda call: call.first),
    **dict.fromkeys(REDUCING, _reduce),
    **dict.fromkeys(RESHAPING, reshape),
    aten.pad.default: _pad,
    functional.adaptive_avg_pool2d: settle,
    functional.adaptive_max_pool2d: settle,
    functional.avg_pool2d: _average_pool,
    functional.batch_norm: _channels,
    functional.conv2d: _convolution,
    functional.interpolate: lambda call: call.lost(RESIZING, axes=call.first.axes),
    functional.layer_norm: _last,
    functional.linear: _last,
    functional.max_pool2d: _max_pool,
    functional.normalize: _normalize,
    functional.pad: _pad,
    operator.getitem: _get_item,
    torch.Tensor.expand: Call.joined,
    torch.Tensor.norm: _norm,
    torch.cat: _cat,
    torch.chunk: _parts,
    torch.norm: _norm,
    torch.permute: _permute,
    torch.softmax: _softmax,
    torch.split: _parts,
    torch.stack: _stack,
    torch.tensor_split: _parts,
    torch.transpose: _transpose,
    torch.unbind: _unbind,
}


def lay_function(call: Call) -> Laid | None:
    """Tell how a function's value lies; None where nothing is known of the function."""
    if is_elementwise(call.node.target):
        return call.joined()
    rule = RULES.get(call.node.target)
    return None if rule is None else rule(call)


def is_elementwise(target: object) -> bool:
    """Tell whether a function computes number by number."""
    is_own = isinstance(target, OpOverload) and target.overloadpacket.__name__ in ELEMENTWISE_NAMES
    return is_own or target in ELEMENTWISE
