"""Which ONNX nodes compute what each of the zoo's own layers computes.

Sizes of maps are asked of the graph where ONNX can, so that a network which takes pictures of every
size does so after export too; a row that writes one in pins its axis.
"""

from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from typing import Any

from onnx import TensorProto
from torch import nn

from zoo.export.sheet import BATCH, CHANNELS, Place, Values
from zoo.networks import layers

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
FAR = 2**31 - 1  # behind the end of every axis
HEIGHT, WIDTH = 2, 3  # axes
MAP = 4  # axes of N x C x H x W
FLAT = 2


def _apply(place: Place, value: str, steps: Iterable[tuple[str, float, float]]) -> str:
    """Write ``value operator number`` for each step, but for numbers that change nothing."""
    for operator, number, inert in steps:
        if number != inert:
            name = operator.lower()
            value = place.step(name, operator, value, place.number(f"{name}_by", number))
    return value


def _abs_val(place: Place, _module: layers.AbsVal) -> str:
    return place.add("Abs")


def _swish(place: Place, module: layers.Swish) -> str:
    inner = _apply(place, place.reads[0], [("Mul", module.beta, 1)])
    return place.add("Mul", place.step("sigmoid", "Sigmoid", inner))


def _clip(place: Place, module: layers.Clip) -> str:
    return place.add("Clip", place.number("least", module.least), place.number("most", module.most))


def _threshold(place: Place, module: layers.Threshold) -> str:
    limit = place.number("threshold", module.threshold)
    return place.end("Cast", place.step("above", "Greater", *place.reads, limit), to=FLOAT)


def _power(place: Place, module: layers.Power) -> str:
    steps = [("Mul", module.scale, 1), ("Add", module.shift, 0), ("Pow", module.power, 1)]
    return _apply(place, place.reads[0], steps)


def _exp(place: Place, module: layers.Exp) -> str:
    rate, factor = module.numbers()
    value = place.step("exp", "Exp", _apply(place, place.reads[0], [("Mul", rate, 1)]))
    return place.end("Mul", value, place.number("factor", factor))


def _log(place: Place, module: layers.Log) -> str:
    inner = _apply(place, place.reads[0], [("Mul", module.scale, 1), ("Add", module.shift, 0)])
    value = place.step("log", "Log", inner)
    return place.end("Mul", value, place.number("factor", module.factor()))


def _unscaled_dropout(place: Place, module: layers.UnscaledDropout) -> str:
    return place.add("Mul", place.number("kept", 1 - module.ratio))


def window(module: Any) -> dict[str, Any]:  # noqa: ANN401  # poolings of torch and of our own
    """Give the attributes of a pooling's windows."""
    return {
        "kernel_shape": pair(module.kernel_size),
        "strides": pair(module.stride),
        "pads": pair(getattr(module, "padding", 0)) * 2,
        "ceil_mode": int(module.ceil_mode),
    }


def pair(value: Any) -> list[int]:  # noqa: ANN401  # torch's int, or tuple of them
    """Give height and width, which may be one number."""
    return [value, value] if isinstance(value, int) else list(value)


def write_pool(place: Place, operator: str, module: Any, **more: Any) -> str:  # noqa: ANN401  # poolings of torch and of our own
    """Write a pooling, less the windows that would begin in the padding at the far edge."""
    chosen = window(module) | more
    pooled = place.step("pool", operator, *place.reads, **chosen)
    return drop_empty(place, [pooled], chosen)[0]


def drop_empty(
    place: Place, pooled: list[str], chosen: Mapping[str, Any], name: str = "windows"
) -> list[str]:
    """Cut off windows that begin in the padding at the far edge, where there can be such.

    Runtimes leave them out already, but not all of them, and ONNX's own inference of shapes does
    not know that. There can be some where rounding up adds more than a kernel less its padding.
    """
    windows = zip(chosen["kernel_shape"], chosen["strides"], chosen["pads"], strict=False)
    may_be_empty = chosen["ceil_mode"] and any(
        pad > 0 and pad + stride > kernel for kernel, stride, pad in windows
    )
    if not may_be_empty:
        return pooled
    reach = [pad + step - 1 for pad, step in zip(chosen["pads"], chosen["strides"], strict=False)]
    size = _map_size(place, place.reads[0], f"{name}/size")
    grown = place.step(f"{name}/grown", "Add", size, place.integers(f"{name}/reach", *reach))
    steps = place.integers(f"{name}/strides", *chosen["strides"])
    ends = place.step(f"{name}/ends", "Div", grown, steps)
    starts = place.integers(f"{name}/starts", 0, 0)
    axes = place.integers(f"{name}/axes", HEIGHT, WIDTH)
    return [
        place.step(f"{name}/{number}", "Slice", each, starts, ends, axes)
        for number, each in enumerate(pooled)
    ]


def _widely_padded_pool(place: Place, module: layers.WidelyPaddedPool2d) -> str:
    if module.is_average:
        return write_pool(place, "AveragePool", module, count_include_pad=1)
    return write_pool(place, "MaxPool", module)


def _masked_max_pool(place: Place, module: layers.MaskedMaxPool2d) -> tuple[str, str]:
    """ONNX counts places through the whole batch; the rest of a map's area is left of them."""
    chosen = window(module)
    if not any(module.kernel_size):
        chosen["kernel_shape"] = [place.size(HEIGHT), place.size(WIDTH)]
    both = [f"{place.writes}/pool", f"{place.writes}/places"]
    place.sheet.add_all("MaxPool", place.reads, both, **chosen)
    pooled, places = drop_empty(place, both, chosen)
    area = place.step("area", "ReduceProd", _map_size(place, place.reads[0]), keepdims=1)
    mask = place.step("place", "Mod", places, area)
    return pooled, place.step("mask", "Cast", mask, to=FLOAT)


def _map_size(place: Place, value: str, name: str = "size") -> str:
    """Ask the graph for a blob's height and width."""
    return place.step(name, "Shape", value, start=HEIGHT, end=MAP)


def _stochastic_pool(place: Place, module: layers.StochasticPool2d) -> str:
    (x,) = place.reads
    is_whole = not any(module.kernel_size)
    operator = "GlobalAveragePool" if is_whole else "AveragePool"
    chosen = {} if is_whole else window(module)
    square = place.step("square", "Mul", x, x)
    squares = place.step("squares", operator, square, **chosen)
    total = place.step("total", operator, x, **chosen)
    nothing = place.number("nothing", 0)
    drawn = place.step("drawn", "Div", squares, total)
    is_positive = place.step("is_positive", "Greater", total, nothing)
    return place.end("Where", is_positive, drawn, nothing)


def _spp(place: Place, module: layers.SPP) -> str:
    pooled = []
    for number, (kernel, pads) in enumerate(
        module.windows((place.size(HEIGHT), place.size(WIDTH)))
    ):
        chosen = {
            "kernel_shape": kernel,
            "strides": kernel,
            "pads": pads * 2,
            "ceil_mode": 1,
        }
        if module.is_average:
            chosen["count_include_pad"] = 1
        operator = "AveragePool" if module.is_average else "MaxPool"
        level = place.step(f"level_{number}", operator, *place.reads, **chosen)
        pooled += drop_empty(place, [level], chosen, f"windows_{number}")
    if len(pooled) == 1:
        return pooled[0]
    rows = [place.step(f"row_{n}", "Flatten", level, axis=1) for n, level in enumerate(pooled)]
    return place.end("Concat", *rows, axis=1)


def _within_channel_lrn(place: Place, module: layers.WithinChannelLRN) -> str:
    (x,) = place.reads
    square = place.step("square", "Mul", x, x)
    average = place.step(
        "average",
        "AveragePool",
        square,
        kernel_shape=pair(module.size),
        pads=[(module.size - 1) // 2] * 4,
        count_include_pad=1,
    )
    weighted = place.step("weighted", "Mul", average, place.number("alpha", module.alpha))
    total = place.step("total", "Add", weighted, place.number("one", 1))
    factor = place.step("factor", "Pow", total, place.number("power", -module.beta))
    return place.add("Mul", factor)


def _mvn(place: Place, module: layers.MVN) -> str:
    kept = [0] if module.is_across_channels else [0, 0]
    rows = place.step("rows", "Reshape", *place.reads, place.integers("row", *kept, -1))
    axis = place.integers("last", -1)
    value = place.step("centred", "Sub", rows, place.step("mean", "ReduceMean", rows, axis))
    if module.has_variance:
        square = place.step("square", "Mul", value, value)
        variance = place.step("variance", "ReduceMean", square, axis)
        deviation = place.step("deviation", "Sqrt", variance)
        divisor = place.step("divisor", "Add", deviation, place.number("eps", module.eps))
        value = place.step("divided", "Div", value, divisor)
    return place.end("Reshape", value, place.step("shape", "Shape", *place.reads))


def _normalize(place: Place, module: layers.Normalize) -> str:
    (x,) = place.reads
    axes = range(1, place.axes()) if module.is_across_spatial else [1]
    square = place.step("square", "Mul", x, x)
    total = place.step("total", "ReduceSum", square, place.integers("axes", *axes), keepdims=1)
    added = place.step("added", "Add", total, place.number("eps", module.eps))
    divided = place.step("divided", "Div", x, place.step("norm", "Sqrt", added))
    (weight,) = place.keep(end_axes=place.axes() - FLAT, weight=module.weight)
    return place.end("Mul", divided, weight)


def _batch_statistics(place: Place, module: layers.BatchStatistics) -> str:
    (x,) = place.reads
    others = [axis for axis in range(place.axes()) if axis != CHANNELS]
    axes = place.integers("axes", *others)
    centred = place.step("centred", "Sub", x, place.step("mean", "ReduceMean", x, axes))
    square = place.step("square", "Mul", centred, centred)
    variance = place.step("variance", "ReduceMean", square, axes)
    added = place.step("added", "Add", variance, place.number("eps", module.eps))
    return place.end("Div", centred, place.step("deviation", "Sqrt", added))


def _spread_axes(place: Place, axis: int, axes: int) -> int:
    """Count the axes to put behind numbers for ``axes`` axes, so that they meet x from ``axis``."""
    return place.axes() - axis - axes


def _scale(place: Place, module: layers.Scale) -> str:
    axes = module.weight.dim()
    _pin_covered(place, module.axis, axes)
    behind = _spread_axes(place, module.axis, axes)
    names = place.keep(end_axes=behind, weight=module.weight, bias=module.bias)
    if module.bias is None:
        return place.add("Mul", *names)
    weight, bias = names
    return place.end("Add", place.step("product", "Mul", *place.reads, weight), bias)


def _bias(place: Place, module: layers.Bias) -> str:
    axes = module.bias.dim()
    _pin_covered(place, module.axis, axes)
    behind = _spread_axes(place, module.axis, axes)
    return place.add("Add", *place.keep(end_axes=behind, bias=module.bias))


def _pin_covered(place: Place, axis: int, axes: int) -> None:
    """Pin the axes a weight has numbers for; of channels there are always as many."""
    place.pin(*(covered for covered in range(axis, axis + axes) if covered != CHANNELS))


def _spread_second(place: Place, axis: int) -> str:
    axes = place.axes(1)
    behind = range(axes, axes + _spread_axes(place, axis, axes))
    if not behind:
        return place.reads[1]
    return place.step("spread", "Unsqueeze", place.reads[1], place.integers("behind", *behind))


def _scale_by(place: Place, module: layers.ScaleBy) -> str:
    other = _spread_second(place, module.axis)
    if module.bias is None:
        return place.end("Mul", place.reads[0], other)
    axes = module.bias.dim()
    _pin_covered(place, module.axis, axes)
    behind = _spread_axes(place, module.axis, axes)
    product = place.step("product", "Mul", place.reads[0], other)
    return place.end("Add", product, *place.keep(end_axes=behind, bias=module.bias))


def _bias_by(place: Place, module: layers.BiasBy) -> str:
    return place.end("Add", place.reads[0], _spread_second(place, module.axis))


def _axpy(place: Place, _module: layers.Axpy) -> str:
    a, x, y = place.reads
    shape = place.integers("shape", 0, 0, *(1,) * (place.axes(1) - FLAT))
    factor = place.step("factor", "Reshape", a, shape)
    return place.end("Add", place.step("product", "Mul", factor, x), y)


def _embed(place: Place, module: layers.Embed) -> str:
    numbers = place.step("numbers", "Cast", *place.reads, to=INT64)
    weight, *bias = place.keep(weight=module.weight, bias=module.bias)
    if not bias:
        return place.end("Gather", weight, numbers)
    return place.end("Add", place.step("rows", "Gather", weight, numbers), *bias)


def _parameter(place: Place, module: layers.Parameter) -> str:
    return place.keep(weight=module.weight)[0]


def _eltwise(place: Place, module: layers.Eltwise) -> str:
    values = list(place.reads)
    for number, by in enumerate(module.coefficients):
        factor = place.number(f"coefficient_{number}", by)
        values[number] = place.step(f"weighted_{number}", "Mul", values[number], factor)
    if module.operation != "PROD":
        return place.end(module.operation.capitalize(), *values)
    value = values[0]
    for number, other in enumerate(values[1:]):
        value = place.step(f"product_{number}", "Mul", value, other)
    return value


def _slice(place: Place, module: layers.Slice) -> tuple[str, ...]:
    if not module.points:
        writes = [f"{place.writes}/{number}" for number in range(module.parts)]
        chosen = {"axis": module.axis, "num_outputs": module.parts}
        return place.sheet.add_all("Split", place.reads, writes, **chosen)
    bounds = [0, *module.points, FAR]
    return tuple(
        _cut(place, str(number), place.reads[0], starts=[start], ends=[end], axes=[module.axis])
        for number, (start, end) in enumerate(pairwise(bounds))
    )


def _cut(place: Place, name: str, value: str, **bounds: list[int]) -> str:
    """Cut a value from ``starts`` to ``ends`` along ``axes``."""
    named = [place.integers(f"{name}/{key}", *bounds[key]) for key in ("starts", "ends", "axes")]
    return place.step(name, "Slice", value, *named)


def _crop(place: Place, module: layers.Crop) -> str:
    x, like = place.reads
    starts = place.integers("starts", *module.offsets)
    sizes = place.step("sizes", "Shape", like, start=module.axis)
    ends = place.step("ends", "Add", starts, sizes)
    axes = place.integers("axes", *range(module.axis, place.axes()))
    return place.end("Slice", x, starts, ends, axes)


def _crop_inside(place: Place, module: layers.CropInside) -> str:
    """Count the cells before the cut as floor((size - reach) / stride) + 1 does.

    ONNX rounds towards 0 instead: below it, what is left is less than the first cell anyway.
    """
    x, picture = place.reads
    rest = [step - reach for step, reach in zip(module.stride, module.reach, strict=True)]
    size = place.step("left", "Add", _map_size(place, picture), place.integers("rest", *rest))
    counts = place.step("counts", "Div", size, place.integers("strides", *module.stride))
    starts = place.integers("starts", *module.first)
    ends = place.step("ends", "Max", counts, starts)
    return place.end("Slice", x, starts, ends, place.integers("axes", HEIGHT, WIDTH))


def _reshape(place: Place, module: layers.Reshape) -> str:
    end = module.end(place.axes())
    is_shifted = end != module.axis + len(module.dims)
    # A 0 copies the size at its own place, so those behind have to be known if that moves.
    behind = [place.size(axis) if is_shifted else 0 for axis in range(end, place.axes())]
    dims = place.integers("dims", *(0,) * module.axis, *module.dims, *behind)
    return place.add("Reshape", dims)


def _permute(place: Place, module: layers.Permute) -> str:
    if module.order[0] != BATCH:
        place.pin(BATCH)  # Whoever writes a size in may write that of the batch, from now on.
    return place.add("Transpose", perm=module.order)


def _tile(place: Place, module: layers.Tile) -> str:
    repeats = [module.tiles if axis == module.axis else 1 for axis in range(place.axes())]
    return place.add("Tile", place.integers("repeats", *repeats))


def _shuffle_channel(place: Place, module: layers.ShuffleChannel) -> str:
    columns = place.shapes[0][CHANNELS] // module.groups
    grid = place.integers("grid", 0, module.groups, columns, -1)
    apart = place.step("apart", "Reshape", *place.reads, grid)
    turned = place.step("turned", "Transpose", apart, perm=[0, 2, 1, 3])
    return place.end("Reshape", turned, place.step("shape", "Shape", *place.reads))


REDUCTIONS = {
    "ASUM": "ReduceL1",
    "MEAN": "ReduceMean",
    "SUM": "ReduceSum",
    "SUMSQ": "ReduceSumSquare",
}


def _reduction(place: Place, module: layers.Reduction) -> str:
    axes = place.integers("axes", *range(module.axis, place.axes()))
    operator = REDUCTIONS[module.operation]
    value = place.step("reduced", operator, *place.reads, axes, keepdims=0)
    return _apply(place, value, [("Mul", module.coefficient, 1)])


def _arg_max(place: Place, module: layers.ArgMax) -> str:
    if module.axis is not None:
        places, values = _find_largest(place, module, place.reads[0], module.axis)
        return values if module.has_values else places
    flat = place.step("flat", "Flatten", *place.reads, axis=1)
    found = _find_largest(place, module, flat, 1)
    rows = found if module.has_values else found[:1]
    axis = place.integers("row", 1)
    named = [place.step(f"row_{n}", "Unsqueeze", row, axis) for n, row in enumerate(rows)]
    joined = place.step("rows", "Concat", *named, axis=1)
    behind = range(len(("N", "rows", "k")), place.axes())
    if not behind:
        return joined
    return place.end("Unsqueeze", joined, place.integers("behind", *behind))


def _find_largest(place: Place, module: layers.ArgMax, value: str, axis: int) -> tuple[str, str]:
    """Search from the end: of equal numbers TopK gives the first that it meets."""
    one = place.integers("one", 1)
    back = [place.integers(name, number) for name, number in BACKWARDS.items()]
    axes = place.integers("along", axis)
    turned = place.step("turned", "Slice", value, *back, axes, place.integers("backwards", -1))
    values, found = place.sheet.add_all(
        "TopK",
        [turned, place.integers("k", module.top_k)],
        [f"{place.writes}/values", f"{place.writes}/found"],
        axis=axis,
    )
    count = place.step("count", "Shape", turned, start=axis, end=axis + 1)
    last = place.step("last", "Sub", count, one)
    return place.step("places", "Cast", place.step("place", "Sub", last, found), to=FLOAT), values


BACKWARDS = {"from": -1, "to": -FAR}


def _interp(place: Place, module: layers.Interp) -> str:
    value, *like = place.reads
    begin, end = module.cut
    if any(module.cut):
        far = -end if end else FAR
        axes = [HEIGHT, WIDTH]
        value = _cut(place, "inner", value, starts=[begin] * 2, ends=[far] * 2, axes=axes)
    if like:
        size = _map_size(place, like[0])
    elif any(module.size):
        size = place.integers("size", *module.size)
    else:
        sides = place.size(HEIGHT) - begin - end, place.size(WIDTH) - begin - end
        size = place.integers("size", *module.resized(sides))
    return place.end(
        "Resize",
        value,
        "",
        "",
        size,
        axes=[HEIGHT, WIDTH],
        mode="linear",
        coordinate_transformation_mode="align_corners",
    )


def _unpool(place: Place, module: layers.Unpool) -> str:
    x, mask = place.reads
    high, wide = module.resized((place.size(HEIGHT), place.size(WIDTH)))
    row = place.integers("row", 0, 0, -1)
    values = place.step("values", "Reshape", x, row)
    flat = place.step("flat", "Reshape", mask, row)
    places = place.step("places", "Cast", flat, to=INT64)
    rows = place.step("rows", "Shape", x, start=0, end=HEIGHT)
    area = place.integers("area", high * wide)
    empty = place.step(
        "empty", "ConstantOfShape", place.step("shape", "Concat", rows, area, axis=0)
    )
    filled = place.step("filled", "ScatterElements", empty, places, values, axis=2)
    return place.end("Reshape", filled, place.integers("map", 0, 0, high, wide))


# The values take a module of their key; a mapping cannot say so, hence Any.
LAYERS: dict[type[nn.Module], Callable[[Place, Any], Values]] = {
    layers.AbsVal: _abs_val,
    layers.ArgMax: _arg_max,
    layers.Axpy: _axpy,
    layers.BatchStatistics: _batch_statistics,
    layers.Bias: _bias,
    layers.BiasBy: _bias_by,
    layers.Clip: _clip,
    layers.Crop: _crop,
    layers.CropInside: _crop_inside,
    layers.Eltwise: _eltwise,
    layers.Embed: _embed,
    layers.Exp: _exp,
    layers.Interp: _interp,
    layers.Log: _log,
    layers.MVN: _mvn,
    layers.MaskedMaxPool2d: _masked_max_pool,
    layers.Normalize: _normalize,
    layers.Parameter: _parameter,
    layers.Permute: _permute,
    layers.Power: _power,
    layers.Reduction: _reduction,
    layers.Reshape: _reshape,
    layers.SPP: _spp,
    layers.Scale: _scale,
    layers.ScaleBy: _scale_by,
    layers.ShuffleChannel: _shuffle_channel,
    layers.Slice: _slice,
    layers.StochasticPool2d: _stochastic_pool,
    layers.Swish: _swish,
    layers.Threshold: _threshold,
    layers.Tile: _tile,
    layers.UnscaledDropout: _unscaled_dropout,
    layers.Unpool: _unpool,
    layers.WidelyPaddedPool2d: _widely_padded_pool,
    layers.WithinChannelLRN: _within_channel_lrn,
}
