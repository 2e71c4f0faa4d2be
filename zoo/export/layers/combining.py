"""Layers that bring several blobs together."""

from zoo.export.layers.base import FLAT, Rows, pin_covered, spread_axes
from zoo.export.sheet import Place
from zoo.networks import layers


def _spread_second(place: Place, axis: int) -> str:
    axes = place.axes(1)
    behind = range(axes, axes + spread_axes(place, axis, axes))
    if not behind:
        return place.reads[1]
    return place.step("spread", "Unsqueeze", place.reads[1], place.integers("behind", *behind))


def _scale_by(place: Place, module: layers.ScaleBy) -> str:
    other = _spread_second(place, module.axis)
    if module.bias is None:
        return place.end("Mul", place.reads[0], other)
    axes = module.bias.dim()
    pin_covered(place, module.axis, axes)
    behind = spread_axes(place, module.axis, axes)
    product = place.step("product", "Mul", place.reads[0], other)
    return place.end("Add", product, *place.keep(end_axes=behind, bias=module.bias))


def _bias_by(place: Place, module: layers.BiasBy) -> str:
    return place.end("Add", place.reads[0], _spread_second(place, module.axis))


def _axpy(place: Place, _module: layers.Axpy) -> str:
    a, x, y = place.reads
    shape = place.integers("shape", 0, 0, *(1,) * (place.axes(1) - FLAT))
    factor = place.step("factor", "Reshape", a, shape)
    return place.end("Add", place.step("product", "Mul", factor, x), y)


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


ROWS: Rows = {
    layers.Axpy: _axpy,
    layers.BiasBy: _bias_by,
    layers.Eltwise: _eltwise,
    layers.ScaleBy: _scale_by,
}
