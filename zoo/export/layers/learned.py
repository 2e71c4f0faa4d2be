"""Layers that hold numbers of their own."""

from zoo.export.layers.base import INT64, Rows, pin_covered, spread_axes
from zoo.export.sheet import Place
from zoo.networks import layers


def _scale(place: Place, module: layers.Scale) -> str:
    axes = module.weight.dim()
    pin_covered(place, module.axis, axes)
    behind = spread_axes(place, module.axis, axes)
    names = place.keep(end_axes=behind, weight=module.weight, bias=module.bias)
    if module.bias is None:
        return place.add("Mul", *names)
    weight, bias = names
    return place.end("Add", place.step("product", "Mul", *place.reads, weight), bias)


def _bias(place: Place, module: layers.Bias) -> str:
    axes = module.bias.dim()
    pin_covered(place, module.axis, axes)
    behind = spread_axes(place, module.axis, axes)
    return place.add("Add", *place.keep(end_axes=behind, bias=module.bias))


def _embed(place: Place, module: layers.Embed) -> str:
    numbers = place.step("numbers", "Cast", *place.reads, to=INT64)
    weight, *bias = place.keep(weight=module.weight, bias=module.bias)
    if not bias:
        return place.end("Gather", weight, numbers)
    return place.end("Add", place.step("rows", "Gather", weight, numbers), *bias)


def _parameter(place: Place, module: layers.Parameter) -> str:
    return place.keep(weight=module.weight)[0]


ROWS: Rows = {
    layers.Bias: _bias,
    layers.Embed: _embed,
    layers.Parameter: _parameter,
    layers.Scale: _scale,
}
