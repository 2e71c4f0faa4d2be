"""Which ONNX nodes compute what each function that a graph calls computes.

Numbers that a network computes from the sizes of its maps are rows of int64 here, one number long
each; so sizes that depend on the number of pictures stay free.
"""

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.fx import Node
from torch.fx.node import map_aggregate, map_arg
from torch.nn import functional

from zoo.export.onnx_rows import ONNX_FUNCTIONS
from zoo.export.sheet import CHANNELS, Place, Values

FAR = 2**31 - 1  # behind the end of every axis
ATTENDING = ("batch", "heads", "length", "width")  # the axes of what attention reads
ARITHMETIC: Mapping[object, str] = {
    operator.add: "Add",
    operator.floordiv: "Div",  # of sizes alone, which are above 0
    operator.mul: "Mul",
    operator.sub: "Sub",
    operator.truediv: "Div",
}


def is_size(node: Node) -> bool:
    """Tell whether a node computes a size, or several, rather than a tensor."""
    if node.op != "call_function":
        return False
    if node.target is torch.Tensor.size:
        return True
    if node.target is getattr:
        return node.args[1:] == ("shape",)
    if node.target in ARITHMETIC or node.target is operator.getitem:
        return bool(node.all_input_nodes) and all(map(is_size, node.all_input_nodes))
    return False


def _told(place: Place, node: Node) -> tuple[list[Any], dict[str, Any]]:
    """Give a node's arguments, with the names of what was computed in the place of nodes."""
    nodes: list[Node] = []
    map_arg((node.args, node.kwargs), nodes.append)
    place.refuse_if(len(nodes) != len(place.reads), "it reads one of several values")
    names = dict(zip(nodes, place.reads, strict=True))
    args, kwargs = map_aggregate(
        (node.args, node.kwargs), lambda leaf: names[leaf] if isinstance(leaf, Node) else leaf
    )
    return list(args), dict(kwargs)


def _argument(node: Node, index: int, name: str, default: Any = None) -> Any:  # noqa: ANN401  # any argument
    """Give an argument that stands at a place or under a name."""
    return node.args[index] if len(node.args) > index else node.kwargs.get(name, default)


def _whole(place: Place, value: object) -> int:
    """Give an argument that has to be a number written in the network."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise place.refusal("its axes or sizes are computed")
    return value


def _wholes(place: Place, value: object) -> list[int]:
    every = value if isinstance(value, list | tuple) else [value]
    return [_whole(place, one) for one in every]


def _sizes(place: Place, told: Any, *, kept: int | None = None) -> str:  # noqa: ANN401  # names and numbers
    """Write down a row of sizes, of numbers and of names; ``kept`` is written for -1."""
    if isinstance(told, str):
        return told
    place.pin(CHANNELS)
    rows = [kept if size == -1 and kept is not None else size for size in told]
    if all(isinstance(size, int) for size in rows):
        return place.integers("sizes", *rows)
    pieces = [
        size if isinstance(size, str) else place.integers(f"size_{index}", _whole(place, size))
        for index, size in enumerate(rows)
    ]
    return place.step("sizes", "Concat", *pieces, axis=0)


def _concat(place: Place, node: Node) -> str:
    return place.add("Concat", axis=_whole(place, _argument(node, 1, "dim", 0)))


def _calculate(place: Place, node: Node) -> str:
    """Write arithmetic of sizes, or of tensors with each other and with numbers."""
    is_of_sizes = is_size(node)
    place.refuse_if(node.target is operator.floordiv and not is_of_sizes, "it rounds down")
    args, _ = _told(place, node)
    names = [
        value if isinstance(value, str) else _number(place, f"by_{index}", value, is_of_sizes)
        for index, value in enumerate(args)
    ]
    return place.end(ARITHMETIC[node.target], *names)


def _number(place: Place, name: str, value: Any, is_size: bool) -> str:  # noqa: ANN401, FBT001  # a number
    place.refuse_if(not isinstance(value, int | float), "it reads what is no number")
    return place.integers(name, value) if is_size else place.number(name, value)


def _shape(place: Place, node: Node) -> str:
    """Write ``x.shape`` and ``x.size()``, or the one size that is asked for."""
    place.refuse_if(node.target is getattr and not is_size(node), "it asks for other than a shape")
    axis = _argument(node, 1, "dim") if node.target is torch.Tensor.size else None
    if axis is None:
        return place.end("Shape", place.reads[0])
    shape = place.step("shape", "Shape", place.reads[0])
    return place.end("Gather", shape, place.integers("axis", _whole(place, axis)))


def _get_item(place: Place, node: Node) -> str:
    index = node.args[1]
    if isinstance(index, slice) and is_size(node):
        return _slice(place, place.reads[0], {0: index})
    if is_size(node):
        return place.add("Gather", place.integers("index", _whole(place, index)))
    return _index(place, index if isinstance(index, tuple) else (index,))


def _index(place: Place, index: tuple[Any, ...]) -> str:
    """Write ``x[:, 1:, 0, None]``: first the slices, then the single places, then new axes."""
    count = sum(part is not None and part is not Ellipsis for part in index)
    rest = (slice(None),) * (place.axes() - count)
    at = index.index(Ellipsis) if Ellipsis in index else len(index)
    parts = (*index[:at], *rest, *index[at + 1 :])
    olds = [part for part in parts if part is not None]
    slices = {axis: part for axis, part in enumerate(olds) if isinstance(part, slice)}
    singles = {axis: _whole(place, part) for axis, part in enumerate(olds) if axis not in slices}
    news = [axis for axis, part in enumerate(_drop_singles(parts)) if part is None]
    value = _slice(place, place.reads[0], slices)
    for axis, single in sorted(singles.items(), reverse=True):
        at_name = place.sheet.keep(f"{place.writes}/at_{axis}", np.array(single, np.int64))
        value = place.step(f"single_{axis}", "Gather", value, at_name, axis=axis)
    if not news:
        return value
    return place.end("Unsqueeze", value, place.integers("axes", *news))


def _drop_singles(parts: Iterable[Any]) -> list[Any]:
    return [part for part in parts if part is None or isinstance(part, slice)]


def _slice(place: Place, value: str, slices: Mapping[int, slice]) -> str:
    """Cut along the axes whose slice is not everything."""
    cut = {axis: part for axis, part in slices.items() if part != slice(None)}
    if not cut:
        return value
    bounds = [(part.start or 0, part.stop, part.step or 1) for part in cut.values()]
    place.refuse_if(any(step < 1 for *_, step in bounds), "it reads backwards")
    return place.step(
        "slice",
        "Slice",
        value,
        place.integers("starts", *(_whole(place, start) for start, _, _ in bounds)),
        place.integers(
            "ends", *(FAR if stop is None else _whole(place, stop) for _, stop, _ in bounds)
        ),
        place.integers("cut_axes", *cut),
        place.integers("steps", *(step for *_, step in bounds)),
    )


def _reshape(place: Place, node: Node) -> str:
    args, kwargs = _told(place, node)
    return place.end("Reshape", args[0], _sizes(place, args[1] if args[1:] else kwargs["shape"]))


def _expand(place: Place, node: Node) -> str:
    args, _ = _told(place, node)
    return place.end("Expand", args[0], _sizes(place, args[1], kept=1))


def _permute(place: Place, node: Node) -> str:
    axes = place.axes()
    order = _wholes(place, _argument(node, 1, "dims"))
    return place.add("Transpose", perm=[axis % axes for axis in order])


def _transpose(place: Place, node: Node) -> str:
    order = list(range(place.axes()))
    first, second = (_whole(place, axis) for axis in node.args[1:3])
    order[first], order[second] = order[second], order[first]
    return place.add("Transpose", perm=order)


def _chunk(place: Place, node: Node) -> tuple[str, ...]:
    axis = _whole(place, _argument(node, 2, "dim", 0)) % place.axes()
    pieces = torch.empty(_size_at(place, axis)).chunk(_whole(place, _argument(node, 1, "chunks")))
    return _split_to(place, [len(piece) for piece in pieces], axis)


def _split(place: Place, node: Node) -> tuple[str, ...]:
    axis = _whole(place, _argument(node, 2, "dim", 0)) % place.axes()
    wanted = _argument(node, 1, "split_size_or_sections", node.kwargs.get("split_size"))
    told = _wholes(place, wanted)
    pieces = torch.empty(_size_at(place, axis)).split(
        told if isinstance(wanted, Sequence) else told[0]
    )
    return _split_to(place, [len(piece) for piece in pieces], axis)


def _size_at(place: Place, axis: int) -> int:
    """Give a size that is written into the graph; it is never the number of pictures.

    Attention lays its three parts along the first axis; the batch is behind it then.
    """
    place.pin(axis or CHANNELS)
    return place.shapes[0][axis]


def _split_to(place: Place, sizes: Sequence[int], axis: int) -> tuple[str, ...]:
    names = [f"{place.writes}/{number}" for number in range(len(sizes))]
    rows = place.integers("parts", *sizes)
    return place.sheet.add_all("Split", [place.reads[0], rows], names, axis=axis)


def _unbind(place: Place, node: Node) -> tuple[str, ...]:
    axis = _whole(place, _argument(node, 1, "dim", 0)) % place.axes()
    pieces = _split_to(place, [1] * _size_at(place, axis), axis)
    axes = place.integers("axes", axis)
    return tuple(
        place.step(f"row_{number}", "Squeeze", piece, axes) for number, piece in enumerate(pieces)
    )


def _mean(place: Place, node: Node) -> str:
    place.refuse_if(node.kwargs.get("dtype") is not None, "it changes the type of numbers")
    axes = _wholes(place, _argument(node, 1, "dim"))
    is_kept = bool(_argument(node, 2, "keepdim", default=False))
    return place.add("ReduceMean", place.integers("axes", *axes), keepdims=int(is_kept))


def _squeeze(place: Place, node: Node) -> str:
    return place.add("Squeeze", place.integers("axes", *_wholes(place, _argument(node, 1, "dim"))))


def _unsqueeze(place: Place, node: Node) -> str:
    return place.add("Unsqueeze", place.integers("axes", _whole(place, _argument(node, 1, "dim"))))


def _pad(place: Place, node: Node) -> str:
    """Pad with a number; torch states the last axis first."""
    place.refuse_if(_argument(node, 2, "mode", "constant") != "constant", "it pads by copying")
    told = _wholes(place, _argument(node, 1, "pad"))
    ends = [told[index : index + 2] for index in range(0, len(told), 2)][::-1]
    ends = [[0, 0]] * (place.axes() - len(ends)) + ends
    sizes = [first for first, _ in ends] + [last for _, last in ends]
    value = place.number("padding", _argument(node, 3, "value") or 0.0)
    return place.add("Pad", place.integers("pads", *sizes), value)


def _attention(place: Place, node: Node) -> str:
    """Write softmax(q k^T * scale + mask) v."""
    place.refuse_if(bool(_argument(node, 5, "is_causal", default=False)), "it hides what follows")
    place.refuse_if(place.axes() != len(ATTENDING), "it does not read N x heads x length x width")
    place.refuse_if(bool(node.kwargs.get("enable_gqa", False)), "its heads share their keys")
    args, kwargs = _told(place, node)
    query, keys, values = args[:3]
    mask = args[3] if args[3:] else kwargs.get("attn_mask")
    place.refuse_if(not (mask is None or isinstance(mask, str)), "its mask is no tensor")
    scale = _argument(node, 6, "scale") or place.shapes[0][-1] ** -0.5
    return write_attention(place, query, keys, values, scale=scale, mask=mask)


def write_attention(  # noqa: PLR0913  # what attention reads
    place: Place, query: str, keys: str, values: str, *, scale: float, mask: str | None = None
) -> str:
    """Write softmax(q k^T * scale + mask) v of N x heads x length x width; give its name."""
    turned = place.step("keys", "Transpose", keys, perm=[0, 1, 3, 2])
    scores = place.step("products", "MatMul", query, turned)
    scores = place.step("scores", "Mul", scores, place.number("scale", scale))
    if mask is not None:
        scores = place.step("masked", "Add", scores, mask)
    weights = place.step("weights", "Softmax", scores, axis=-1)
    return place.step("mixed", "MatMul", weights, values)


FUNCTIONS: dict[Callable[..., Any], Callable[[Place, Node], Values]] = {
    **ONNX_FUNCTIONS,
    functional.pad: _pad,
    functional.scaled_dot_product_attention: _attention,
    getattr: _shape,
    operator.add: _calculate,
    operator.floordiv: _calculate,
    operator.getitem: _get_item,
    operator.mul: _calculate,
    operator.sub: _calculate,
    operator.truediv: _calculate,
    torch.Tensor.expand: _expand,
    torch.Tensor.size: _shape,
    torch.cat: _concat,
    torch.chunk: _chunk,
    torch.mean: _mean,
    torch.permute: _permute,
    torch.reshape: _reshape,
    torch.split: _split,
    torch.squeeze: _squeeze,
    torch.transpose: _transpose,
    torch.unbind: _unbind,
    torch.unsqueeze: _unsqueeze,
}
