"""Layers that work on each number by itself."""

from zoo.export.layers.base import FLOAT, Rows, apply_steps
from zoo.export.sheet import Place
from zoo.networks import layers


def _abs_val(place: Place, _module: layers.AbsVal) -> str:
    return place.add("Abs")


def _swish(place: Place, module: layers.Swish) -> str:
    inner = apply_steps(place, place.reads[0], [("Mul", module.beta, 1)])
    return place.add("Mul", place.step("sigmoid", "Sigmoid", inner))


def _clip(place: Place, module: layers.Clip) -> str:
    return place.add("Clip", place.number("least", module.least), place.number("most", module.most))


def _threshold(place: Place, module: layers.Threshold) -> str:
    limit = place.number("threshold", module.threshold)
    return place.end("Cast", place.step("above", "Greater", *place.reads, limit), to=FLOAT)


def _power(place: Place, module: layers.Power) -> str:
    steps = [("Mul", module.scale, 1), ("Add", module.shift, 0), ("Pow", module.power, 1)]
    return apply_steps(place, place.reads[0], steps)


def _exp(place: Place, module: layers.Exp) -> str:
    rate, factor = module.numbers()
    value = place.step("exp", "Exp", apply_steps(place, place.reads[0], [("Mul", rate, 1)]))
    return place.end("Mul", value, place.number("factor", factor))


def _log(place: Place, module: layers.Log) -> str:
    inner = apply_steps(place, place.reads[0], [("Mul", module.scale, 1), ("Add", module.shift, 0)])
    value = place.step("log", "Log", inner)
    return place.end("Mul", value, place.number("factor", module.factor()))


def _unscaled_dropout(place: Place, module: layers.UnscaledDropout) -> str:
    return place.add("Mul", place.number("kept", 1 - module.ratio))


ROWS: Rows = {
    layers.AbsVal: _abs_val,
    layers.Clip: _clip,
    layers.Exp: _exp,
    layers.Log: _log,
    layers.Power: _power,
    layers.Swish: _swish,
    layers.Threshold: _threshold,
    layers.UnscaledDropout: _unscaled_dropout,
}
