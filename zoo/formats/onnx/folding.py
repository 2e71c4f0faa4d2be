"""Computing with constants before a network runs: the arithmetic that exporters leave in a graph.

Only what is needed to find shapes and weights. Results are bounded before they are made.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from zoo.domain.weights import Array
from zoo.formats.onnx.model import Node
from zoo.formats.onnx.sizes import Size, Sizes, add, divide, multiply, subtract

MOST_FOLDED = 2**22  # numbers in one result
MOST_SIZES = 64  # of a shape that is known in part
AXES_FROM_INPUT = 13  # the version from which Squeeze and Unsqueeze read their axes

DTYPES = {
    1: "f4",
    2: "u1",
    3: "i1",
    5: "i2",
    6: "i4",
    7: "i8",
    9: "?",
    10: "f4",
    11: "f8",
    16: "f4",
}


class NotFolded(Exception):
    """A node's result is not computed in advance; the message says why."""


Arrays = Sequence[Array | None]


def fold_array(node: Node, arrays: Arrays, opset: int) -> Array:
    """Compute a node of constants.

    Raises:
        NotFolded: it is not one of those that are computed, its result would be large, or it makes
            no sense.
    """
    if node.op_type not in ARRAYS:
        raise NotFolded("computes with constants in a way that is not known")
    try:
        with np.errstate(all="ignore"):
            found = np.asarray(ARRAYS[node.op_type](node, arrays, opset))
    except (ValueError, IndexError, TypeError, OverflowError, ZeroDivisionError) as error:
        raise NotFolded(f"cannot be computed of its constants: {error}") from error
    _check_size(found.size)
    return found


def _check_size(size: int) -> None:
    if size > MOST_FOLDED and size:
        raise NotFolded(f"computes a constant of {size} numbers, more than {MOST_FOLDED}")


def _given(arrays: Arrays, index: int = 0) -> Array:
    array = arrays[index]
    if array is None:
        raise NotFolded(f"lacks its input {index}")
    return array


def _whole(arrays: Arrays, index: int) -> list[int]:
    return [int(one) for one in _given(arrays, index).reshape(-1).tolist()]


def _axes(node: Node, arrays: Arrays, opset: int) -> tuple[int, ...] | None:
    if opset >= AXES_FROM_INPUT and len(arrays) > 1 and arrays[1] is not None:
        return tuple(_whole(arrays, 1))
    axes = node.attributes.get("axes")
    return tuple(axes) if axes is not None else None


def _pairwise(
    operation: Callable[[Array, Array], Array],
) -> Callable[[Node, Arrays, int], Array]:
    def fold(_node: Node, arrays: Arrays, _opset: int) -> Array:
        first, second = _given(arrays), _given(arrays, 1)
        _check_size(math.prod(np.broadcast_shapes(first.shape, second.shape)))
        return operation(first, second)

    return fold


def _single(operation: Callable[[Array], Array]) -> Callable[[Node, Arrays, int], Array]:
    def fold(_node: Node, arrays: Arrays, _opset: int) -> Array:
        _check_size(_given(arrays).size)
        return operation(_given(arrays))

    return fold


def _divided(first: Array, second: Array) -> Array:
    if first.dtype.kind in "iu":
        return np.asarray(np.trunc(np.true_divide(first, second))).astype(first.dtype)
    return np.asarray(np.divide(first, second, dtype=first.dtype))


def _same(_node: Node, arrays: Arrays, _opset: int) -> Array:
    return _given(arrays)


def _cast(node: Node, arrays: Arrays, _opset: int) -> Array:
    dtype = DTYPES.get(node.attributes.get("to", 0))
    if dtype is None:
        raise NotFolded("casts to a type that is not read")
    array = _given(arrays)
    if array.dtype == np.dtype(dtype):
        return array
    _check_size(array.size)
    return array.astype(dtype)


def _transpose(node: Node, arrays: Arrays, _opset: int) -> Array:
    return np.transpose(_given(arrays), node.attributes.get("perm"))


def _unsqueeze(node: Node, arrays: Arrays, opset: int) -> Array:
    return np.expand_dims(_given(arrays), _axes(node, arrays, opset) or ())


def _squeeze(node: Node, arrays: Arrays, opset: int) -> Array:
    return np.squeeze(_given(arrays), _axes(node, arrays, opset))


def _reshape(_node: Node, arrays: Arrays, _opset: int) -> Array:
    array, sizes = _given(arrays), _whole(arrays, 1)
    return array.reshape([array.shape[i] if size == 0 else size for i, size in enumerate(sizes)])


def _shape(_node: Node, arrays: Arrays, _opset: int) -> Array:
    return np.array(_given(arrays).shape, np.int64)


def _concat(node: Node, arrays: Arrays, _opset: int) -> Array:
    parts = [_given(arrays, index) for index in range(len(arrays))]
    _check_size(sum(part.size for part in parts))
    return np.concatenate(parts, node.attributes.get("axis", 0))


def _gather(node: Node, arrays: Arrays, _opset: int) -> Array:
    array, indices = _given(arrays), _given(arrays, 1).astype(np.int64)
    axis = node.attributes.get("axis", 0)
    rest = array.size // max(array.shape[axis], 1)
    _check_size(rest * indices.size)
    return np.take(array, indices, axis)


def _slice(node: Node, arrays: Arrays, _opset: int) -> Array:
    array = _given(arrays)
    if len(arrays) < 3:  # noqa: PLR2004  # before version 10, attributes
        starts, ends = node.attributes["starts"], node.attributes["ends"]
        axes, steps = node.attributes.get("axes"), None
    else:
        starts, ends = _whole(arrays, 1), _whole(arrays, 2)
        axes = _whole(arrays, 3) if len(arrays) > 3 and arrays[3] is not None else None  # noqa: PLR2004
        steps = _whole(arrays, 4) if len(arrays) > 4 and arrays[4] is not None else None  # noqa: PLR2004
    chosen = [slice(None)] * array.ndim
    for index, axis in enumerate(axes if axes is not None else range(len(starts))):
        step = steps[index] if steps else 1
        if step < 1:
            raise NotFolded("slices backwards")
        chosen[axis] = slice(starts[index], ends[index], step)
    return np.asarray(array[tuple(chosen)])


def _constant_of_shape(node: Node, arrays: Arrays, _opset: int) -> Array:
    sizes = _whole(arrays, 0)
    _check_size(math.prod(sizes))
    value = node.attributes.get("value")
    number = value.array().reshape(-1)[0] if value is not None else np.float32(0)
    return np.full(sizes, number)


def _expand(_node: Node, arrays: Arrays, _opset: int) -> Array:
    array = _given(arrays)
    shape = np.broadcast_shapes(array.shape, tuple(_whole(arrays, 1)))
    _check_size(math.prod(shape))
    return np.array(np.broadcast_to(array, shape))


def _range(_node: Node, arrays: Arrays, _opset: int) -> Array:
    start, limit, delta = (_given(arrays, index).reshape(-1)[0] for index in range(3))
    count = max(math.ceil((limit - start) / delta), 0)
    _check_size(count)
    return np.asarray(start + delta * np.arange(count)).astype(_given(arrays).dtype)


ARRAYS: dict[str, Callable[[Node, Arrays, int], Array]] = {
    "Add": _pairwise(np.add),
    "Cast": _cast,
    "Ceil": _single(np.ceil),
    "Concat": _concat,
    "ConstantOfShape": _constant_of_shape,
    "Div": _pairwise(_divided),
    "Exp": _single(np.exp),
    "Expand": _expand,
    "Floor": _single(np.floor),
    "Gather": _gather,
    "Identity": _same,
    "Mul": _pairwise(np.multiply),
    "Neg": _single(np.negative),
    "Pow": _pairwise(np.power),
    "Range": _range,
    "Reciprocal": _single(np.reciprocal),
    "Reshape": _reshape,
    "Shape": _shape,
    "Slice": _slice,
    "Sqrt": _single(np.sqrt),
    "Squeeze": _squeeze,
    "Sub": _pairwise(np.subtract),
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}


def fold_sizes(
    node: Node, numbers: Sequence[list[Size]], shapes: Sequence[tuple[int, ...]]
) -> tuple[Sizes, Sizes]:
    """Compute a node of sizes that are known in part; give the result's numbers and its shape.

    Raises:
        NotFolded: it is not one of those that are computed.
    """
    if node.op_type in ARITHMETIC:
        return _arithmetic(node, numbers, shapes)
    if node.op_type not in ARRANGING:
        raise NotFolded("computes with the sizes of its input in a way that is not known")
    # The order is the same for sizes as for their places, which numpy can put in order.
    places: list[Array | None] = []
    start = 0
    for index, (found, shape) in enumerate(zip(numbers, shapes, strict=True)):
        if index == 0 or node.op_type == "Concat":
            places.append(np.arange(start, start + len(found)).reshape(shape))
            start += len(found)
        else:
            places.append(np.array([one for one in found if isinstance(one, int)], np.int64))
            if places[-1] is None or places[-1].size != len(found):
                raise NotFolded("arranges sizes by sizes that are unknown")
            places[-1] = places[-1].reshape(shape)
    flat: list[Size] = [one for found in numbers for one in found]
    order = fold_array(node, places, AXES_FROM_INPUT)
    if order.size > MOST_SIZES:
        raise NotFolded("computes with too many sizes")
    return tuple(flat[int(place)] for place in order.reshape(-1)), tuple(order.shape)


def _arithmetic(
    node: Node, numbers: Sequence[list[Size]], shapes: Sequence[tuple[int, ...]]
) -> tuple[Sizes, Sizes]:
    first, second = numbers
    shape = max(shapes, key=len)
    count = max(len(first), len(second))
    if {len(first), len(second)} - {1, count}:
        raise NotFolded("computes with sizes of two lengths")
    left = first * count if len(first) == 1 else first
    right = second * count if len(second) == 1 else second
    operation = ARITHMETIC[node.op_type]
    return tuple(operation(a, b) for a, b in zip(left, right, strict=True)), shape


ARITHMETIC: dict[str, Callable[[Size, Size], Size]] = {
    "Add": add,
    "Div": divide,
    "Mul": multiply,
    "Sub": subtract,
}
ARRANGING = {"Cast", "Concat", "Gather", "Identity", "Reshape", "Slice", "Squeeze", "Unsqueeze"}
