"""Layers that only move numbers: cut, lay otherwise, repeat."""

from itertools import pairwise

from zoo.export.layers.base import FAR, HEIGHT, WIDTH, Rows, cut, map_size
from zoo.export.sheet import BATCH, CHANNELS, Place
from zoo.networks import layers


def _slice(place: Place, module: layers.Slice) -> tuple[str, ...]:
    if not module.points:
        writes = [f"{place.writes}/{number}" for number in range(module.parts)]
        chosen = {"axis": module.axis, "num_outputs": module.parts}
        return place.sheet.add_all("Split", place.reads, writes, **chosen)
    bounds = [0, *module.points, FAR]
    return tuple(
        cut(place, str(number), place.reads[0], starts=[start], ends=[end], axes=[module.axis])
        for number, (start, end) in enumerate(pairwise(bounds))
    )


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
    size = place.step("left", "Add", map_size(place, picture), place.integers("rest", *rest))
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


ROWS: Rows = {
    layers.Crop: _crop,
    layers.CropInside: _crop_inside,
    layers.Permute: _permute,
    layers.Reshape: _reshape,
    layers.ShuffleChannel: _shuffle_channel,
    layers.Slice: _slice,
    layers.Tile: _tile,
}
