"""Layers that divide by what a map, a channel or a picture holds."""

from zoo.export.layers.base import FLAT, Rows, pair
from zoo.export.sheet import CHANNELS, Place
from zoo.networks import layers


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


ROWS: Rows = {
    layers.BatchStatistics: _batch_statistics,
    layers.MVN: _mvn,
    layers.Normalize: _normalize,
    layers.WithinChannelLRN: _within_channel_lrn,
}
