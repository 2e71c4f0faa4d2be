"""Layers that change the size of maps."""

from zoo.export.layers.base import FAR, HEIGHT, INT64, WIDTH, Rows, cut, map_size
from zoo.export.sheet import Place
from zoo.networks import layers


def _interp(place: Place, module: layers.Interp) -> str:
    value, *like = place.reads
    begin, end = module.cut
    if any(module.cut):
        far = -end if end else FAR
        axes = [HEIGHT, WIDTH]
        value = cut(place, "inner", value, starts=[begin] * 2, ends=[far] * 2, axes=axes)
    if like:
        size = map_size(place, like[0])
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


ROWS: Rows = {
    layers.Interp: _interp,
    layers.Unpool: _unpool,
}
