"""Operations that move numbers and compute nothing: reshape, transpose, slice, join."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo.domain.weights import Array
from zoo.formats.onnx.model import Node, Tensor
from zoo.formats.onnx.reducing import find_axes
from zoo.formats.onnx.scene import Refused, Scene, Value, normal_axis
from zoo.formats.onnx.sizes import ONE, Batch, Size, Sizes, broadcast, product, told

FLOAT_TYPES = {1, 10, 11, 16}  # float32, float16, float64, bfloat16
MAPS, FLAT = 4, 2  # axes of N x C x H x W, and of N x C
MOST_PADDED = 2**13  # on one side of an axis
END = 2**31 - 1  # of a slice that goes to the end


def identity(scene: Scene, node: Node) -> None:
    """Let a value be its input."""
    value = scene.find(node, 0)
    if value is None:
        raise Refused("has no input")
    scene.hand_on(node, value)


def cast(scene: Scene, node: Node) -> None:
    """Let a value be its input: the network computes with float32 whatever the file says."""
    if scene.try_fold(node):
        return
    if node.attributes.get("to") not in FLOAT_TYPES:
        raise Refused("makes other numbers than floats of its input")
    scene.hand_on(node, scene.read(node))


def constant(scene: Scene, node: Node) -> None:
    """Keep a constant."""
    for name, dtype in {"value_float": "f4", "value_floats": "f4"}.items():
        if name in node.attributes:
            scene.keep(node, np.array(node.attributes[name], dtype))
            return
    for name in ("value_int", "value_ints"):
        if name in node.attributes:
            scene.keep(node, np.array(node.attributes[name], np.int64))
            return
    tensor = node.attributes.get("value")
    if not isinstance(tensor, Tensor):
        raise Refused("is a constant of no numbers")
    name = node.outputs[0]
    scene.values[name] = Value(name=name, shape=tensor.shape, tensor=tensor)


def shape(scene: Scene, node: Node) -> None:
    """Find the sizes of a value before the network runs, as far as they are known."""
    value = scene.find(node, 0)
    if value is None or value.shape is None:
        raise Refused("asks for a shape that is unknown")
    start, end = node.attributes.get("start", 0), node.attributes.get("end", len(value.shape))
    sizes = value.shape[slice(start, end)]
    scene.keep_sizes(node, sizes, (len(sizes),))


def flatten(scene: Scene, node: Node) -> None:
    """Put all axes of a picture into one."""
    if scene.try_fold(node):
        return
    x = scene.read(node)
    axis = node.attributes.get("axis", 1)
    if normal_axis(axis, x.rank) != 1:
        raise Refused(f"flattens {told(x.sizes)} at axis {axis}")
    _flatten(scene, node, x)


def _flatten(scene: Scene, node: Node, x: Value) -> None:
    if x.rank == FLAT:
        scene.hand_on(node, x)
        return
    flat = product(x.sizes[1:])
    scene.add(node, "Flatten", [x], (x.sizes[0], flat))


def reshape(scene: Scene, node: Node) -> None:
    """Give numbers another shape, whatever the size of the batch."""
    if scene.try_fold(node):
        return
    x = scene.read(node)
    wanted = _wanted(scene, node)
    if node.attributes.get("allowzero") and 0 in wanted:
        raise Refused("makes an axis of no length")
    found = _follow(scene, x.sizes, wanted)
    if len(found) == FLAT and found[0] == x.sizes[0] == ONE:
        _flatten(scene, node, x)
        return
    options = {"sizes": _told_to_torch(x.sizes, found)}
    scene.add(node, "Reshape", [x], found, options=options)


def _wanted(scene: Scene, node: Node) -> Sizes:
    value = scene.find(node, 1)
    if value is not None and value.numbers is not None:
        return value.numbers
    return scene.ints(node, 1, "shape") or ()


def _follow(scene: Scene, sizes: Sizes, wanted: Sizes) -> Sizes:
    """Find the shape a reshape gives, whatever the batch.

    Raises:
        Refused: the batch is lost, sizes do not fit, or are unknown in two places.
    """
    found = [sizes[i] if size == 0 and i < len(sizes) else size for i, size in enumerate(wanted)]
    total = product(sizes)
    if not any(isinstance(size, Batch) for size in found):
        found = _with_batch(scene, sizes, found)
    if sum(isinstance(size, Batch) for size in found) > 1 or found.count(-1) > 1:
        raise Refused(f"cannot make {told(wanted)} of {told(sizes)}")
    if -1 in found:
        found[found.index(-1)] = _missing(total, [size for size in found if size != -1])
    made = product(found)
    if found.count(None) > 1 or (made is not None and total is not None and made != total):
        raise Refused(f"cannot make {told(wanted)} of {told(sizes)}")
    return tuple(found)


def _with_batch(scene: Scene, sizes: Sizes, wanted: Sequence[Size]) -> list[Size]:
    """Find which size of a shape without the batch is to hold it: what is left, or what it was."""
    found = list(wanted)
    was_written = bool(scene.batch) and isinstance(sizes[0], Batch)
    if found and was_written and isinstance(found[0], int) and found[0] > 0:
        times, left = divmod(found[0], scene.batch or 1)
        found[0] = found[0] if left else Batch(times)
    elif found.count(-1) == 1:
        place, total = found.index(-1), product(sizes)
        inner = product([size for size in found if size != -1])
        if isinstance(total, Batch) and isinstance(inner, int) and 0 < inner <= total.times:
            times, left = divmod(total.times, inner)
            found[place] = -1 if left else Batch(times)
    if not any(isinstance(size, Batch) for size in found):
        raise Refused(f"makes {told(wanted)} of {told(sizes)}, without the batch")
    return found


def _missing(total: Size, others: Sequence[Size]) -> Size:
    """Find the one size that a reshape leaves open."""
    known = product(others)
    if not isinstance(total, Batch) or not isinstance(known, Batch):
        return None
    if known.times == 0 or total.times % known.times:
        raise Refused(f"divides {total.times} numbers by {known.times}")
    return total.times // known.times


def _told_to_torch(sizes: Sizes, found: Sizes) -> tuple[int, ...]:
    """Write a shape with 0 where the input's is kept and -1 where it follows, as ONNX does."""
    plain = [
        size if isinstance(size, int) else 0 if _is_kept(sizes, found, i) else -1
        for i, size in enumerate(found)
    ]
    if plain.count(-1) > 1:
        raise Refused(f"has two sizes of {told(found)} that are free")
    return tuple(plain)


def _is_kept(sizes: Sizes, found: Sizes, axis: int) -> bool:
    """Tell whether an axis holds the batch before and after; of what is unknown nobody can say."""
    return axis < len(sizes) and isinstance(found[axis], Batch) and sizes[axis] == found[axis]


def squeeze(scene: Scene, node: Node) -> None:
    """Drop axes of size 1."""
    if scene.try_fold(node):
        return
    x = scene.read(node)
    axes = find_axes(scene, node, x)
    if axes is None:
        if None in x.sizes:
            raise Refused(f"drops the axes of size 1 of {told(x.sizes)}")
        axes = tuple(index for index, size in enumerate(x.sizes) if size == 1)
    if any(x.sizes[axis] not in {1, None} for axis in axes):
        raise Refused(f"drops axes {axes} of {told(x.sizes)}")
    if x.rank == MAPS and set(axes) == {2, 3}:
        scene.add(node, "Flatten", [x], x.sizes[:2])
        return
    kept = tuple(size for index, size in enumerate(x.sizes) if index not in axes)
    scene.add(node, "Squeeze", [x], kept, options={"axes": axes})


def unsqueeze(scene: Scene, node: Node) -> None:
    """Add axes of size 1."""
    if scene.try_fold(node):
        return
    x = scene.read(node)
    axes = scene.ints(node, 1, "axes") or ()
    rank = x.rank + len(axes)
    places = tuple(sorted({normal_axis(axis, rank) for axis in axes}))
    if len(places) != len(axes):
        raise Refused(f"adds axes {axes} to {told(x.sizes)}")
    rest = iter(x.sizes)
    sizes = tuple(1 if index in places else next(rest) for index in range(rank))
    scene.add(node, "Unsqueeze", [x], sizes, options={"axes": places})


def transpose(scene: Scene, node: Node) -> None:
    """Put axes in another order."""
    if scene.try_fold(node):
        return
    x = scene.read(node)
    order = tuple(node.attributes.get("perm") or range(x.rank)[::-1])
    if sorted(order) != list(range(x.rank)):
        raise Refused(f"orders {told(x.sizes)} as {order}")
    sizes = tuple(x.sizes[axis] for axis in order)
    scene.add(node, "Permute", [x], sizes, options={"order": order})


def concat(scene: Scene, node: Node) -> None:
    """Join values along an axis; a constant among them is repeated for every picture."""
    if scene.try_fold(node):
        return
    parts = [_variable(scene, node, index) for index in range(len(node.inputs))]
    first = parts[0]
    axis = normal_axis(node.attributes.get("axis", 0), first.rank)
    if isinstance(first.sizes[axis], Batch) or any(part.rank != first.rank for part in parts):
        raise Refused("joins pictures, or values of other axes")
    if len(parts) == 1:
        scene.hand_on(node, first)
        return
    joined = [part.sizes[axis] for part in parts]
    length = sum(size for size in joined if isinstance(size, int))
    sizes = tuple(
        (length if None not in joined else None) if index == axis else _agreed(parts, index)
        for index in range(first.rank)
    )
    scene.add(node, "cat", parts, sizes, options={"dim": axis})


def _agreed(parts: Sequence[Value], axis: int) -> Size:
    found = {part.sizes[axis] for part in parts} - {None}
    if len(found) > 1:
        raise Refused(f"joins {' and '.join(told(part.sizes) for part in parts)}")
    return next(iter(found), None)


def _variable(scene: Scene, node: Node, index: int) -> Value:
    value = scene.find(node, index)
    if value is None or not value.is_known:
        return scene.read(node, index)
    tensor = scene.need(node, index)
    return _repeat(scene, node, tensor, step=f"constant{index}")


def _repeat(scene: Scene, node: Node, tensor: Tensor, *, step: str) -> Value:
    """Repeat a constant of one row for every picture of the batch."""
    if len(tensor.shape) < 2 or tensor.shape[0] != 1:  # noqa: PLR2004  # a row, and its numbers
        raise Refused(f"has a constant of {told(tensor.shape)}, not of one row a picture")
    reads = [scene.get(scene.first_input)]
    options, weights = {"shape": tensor.shape}, {"value": tensor}
    sizes: Sizes = (ONE, *tensor.shape[1:])
    return scene.add(node, "Repeat", reads, sizes, options=options, weights=weights, step=step)


def expand(scene: Scene, node: Node) -> None:
    """Repeat a constant for every picture; other repetitions are refused."""
    if _is_folded(scene, node):
        return
    value, wanted = scene.find(node, 0), scene.find(node, 1)
    sizes = _wanted(scene, node) if wanted is not None else ()
    if value is None or value.tensor is None or not sizes or sizes[0] != ONE:
        raise Refused("repeats what is no constant, or not for every picture")
    tensor = scene.need(node, 0)
    if broadcast(tensor.shape, sizes) != (ONE, *tensor.shape[1:]):
        raise Refused(f"repeats {told(tensor.shape)} to {told(sizes)}")
    _repeat(scene, node, tensor, step="")


def _is_folded(scene: Scene, node: Node) -> bool:
    """Compute an expansion to a shape that is wholly known."""
    wanted = scene.find(node, 1)
    return wanted is not None and wanted.tensor is not None and scene.try_fold(node)


def slice_(scene: Scene, node: Node) -> None:
    """Take a range of some axes."""
    if scene.try_fold(node):
        return
    x = scene.read(node)
    starts, ends = scene.ints(node, 1, "starts") or (), scene.ints(node, 2, "ends") or ()
    axes = scene.ints(node, 3, "axes") or tuple(range(len(starts)))
    steps = scene.ints(node, 4) or (1,) * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps) or min(steps, default=1) < 1:
        raise Refused("slices backwards, or by lists of other lengths")
    value, count = x, len(axes)
    for index, axis in enumerate(axes):
        one = {
            "axis": normal_axis(axis, x.rank),
            "start": _near(starts[index]),
            "end": _near(ends[index]),
        }
        step = "" if index == count - 1 else str(index)
        value = _take(scene, node, value, one | {"step": steps[index]}, step=step)
    if not axes:
        scene.hand_on(node, x)


def _near(place: int) -> int:
    """Bring a place far behind the end, or far before the start, into what torch can count."""
    return max(min(place, END), -END)


def _take(  # noqa: PLR0913  # the parts of a layer
    scene: Scene,
    node: Node,
    x: Value,
    options: dict[str, int],
    *,
    step: str = "",
    writes: str = "",
) -> Value:
    axis, size = options["axis"], x.sizes[options["axis"]]
    if isinstance(size, Batch):
        raise Refused("takes some pictures of a batch")
    length: Size = None
    if isinstance(size, int):
        length = len(range(*slice(options["start"], options["end"], options["step"]).indices(size)))
        if not length:
            raise Refused(f"takes nothing of {told(x.sizes)}")
    sizes = (*x.sizes[:axis], length, *x.sizes[axis + 1 :])
    return scene.add(node, "Slice", [x], sizes, options=options, step=step, writes=writes)


def split(scene: Scene, node: Node) -> None:
    """Divide an axis; every part is a slice."""
    x = scene.read(node)
    axis = normal_axis(node.attributes.get("axis", 0), x.rank)
    size, count = x.sizes[axis], len(node.outputs)
    lengths = scene.ints(node, 1, "split")
    if lengths is None:
        if not isinstance(size, int):
            raise Refused("divides an axis of unknown length")
        part = math.ceil(size / count)
        lengths = tuple(max(min(part, size - part * index), 0) for index in range(count))
    if len(lengths) != count or (isinstance(size, int) and sum(lengths) != size):
        raise Refused(f"divides {told([size])} into {lengths}")
    start = 0
    for index, (name, length) in enumerate(zip(node.outputs, lengths, strict=True)):
        options = {"axis": axis, "start": start, "end": start + length, "step": 1}
        start += length
        if name:
            _take(scene, node, x, options, step=str(index), writes=name)


def gather(scene: Scene, node: Node) -> None:
    """Take entries of an axis by constant indices."""
    if scene.try_fold(node):
        return
    x = scene.read(node)
    indices = scene.find(node, 1)
    axis = normal_axis(node.attributes.get("axis", 0), x.rank)
    if indices is None or indices.tensor is None or isinstance(x.sizes[axis], Batch):
        raise Refused("computes its indices, or takes some pictures of a batch")
    array = indices.tensor.array()
    size = x.sizes[axis]
    if array.ndim > 1 or array.dtype.kind not in "iu" or _reaches_out(array, size):
        raise Refused(f"takes {told(array.shape)} entries of {told(x.sizes)}")
    places = array.tolist()
    sizes = (*x.sizes[:axis], *array.shape, *x.sizes[axis + 1 :])
    options: dict[str, Any] = {
        "axis": axis,
        "places": tuple(places) if isinstance(places, list) else places,
    }
    scene.add(node, "Select", [x], sizes, options=options)


def _reaches_out(array: Array, size: Size) -> bool:
    if not array.size:
        return True
    if not isinstance(size, int):
        return int(array.min()) < 0
    return int(array.min()) < -size or int(array.max()) >= size


def pad(scene: Scene, node: Node) -> None:
    """Put numbers around maps, or around other axes than the batch."""
    x = scene.read(node)
    pads = scene.ints(node, 1, "pads") or ()
    mode, value = node.attributes.get("mode", "constant"), scene.number(node, 2, "value") or 0.0
    axes = scene.ints(node, 3) or tuple(range(x.rank))
    if len(pads) != 2 * len(axes) or mode not in {"constant", "reflect", "edge"}:
        raise Refused(f"pads by {pads} in the mode {mode}")
    both = {
        normal_axis(axis, x.rank): (pads[index], pads[index + len(axes)])
        for index, axis in enumerate(axes)
    }
    pads_batch = any(
        ends != (0, 0) and isinstance(x.sizes[axis], Batch) for axis, ends in both.items()
    )
    if pads_batch or min(pads, default=0) < 0 or max(pads, default=0) > MOST_PADDED:
        raise Refused(f"pads by {pads}")
    padded = [axis for axis in both if both[axis] != (0, 0)]
    if not padded:
        scene.hand_on(node, x)
        return
    if mode != "constant" and (x.rank != MAPS or min(padded) < 2):  # noqa: PLR2004  # channels
        raise Refused(f"pads {told(x.sizes)} in the mode {mode}")
    order = [both.get(axis, (0, 0)) for axis in range(min(*padded, x.rank - 2), x.rank)]
    sizes = tuple(
        size + sum(both.get(axis, (0, 0))) if isinstance(size, int) else size
        for axis, size in enumerate(x.sizes)
    )
    flat = tuple(one for ends in reversed(order) for one in ends)
    options = {"pads": flat, "mode": mode, "value": value}
    scene.add(node, "Pad", [x], sizes, options=options)
