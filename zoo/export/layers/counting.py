"""Layers that make less of an axis: sums, places of the largest."""

from zoo.export.layers.base import FAR, FLOAT, Rows, apply_steps
from zoo.export.sheet import Place
from zoo.networks import layers

REDUCTIONS = {
    "ASUM": "ReduceL1",
    "MEAN": "ReduceMean",
    "SUM": "ReduceSum",
    "SUMSQ": "ReduceSumSquare",
}
BACKWARDS = {"from": -1, "to": -FAR}


def _reduction(place: Place, module: layers.Reduction) -> str:
    axes = place.integers("axes", *range(module.axis, place.axes()))
    operator = REDUCTIONS[module.operation]
    value = place.step("reduced", operator, *place.reads, axes, keepdims=0)
    return apply_steps(place, value, [("Mul", module.coefficient, 1)])


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


ROWS: Rows = {
    layers.ArgMax: _arg_max,
    layers.Reduction: _reduction,
}
