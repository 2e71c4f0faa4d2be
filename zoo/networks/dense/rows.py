"""Writes the part of a network that reads rows of numbers as one that reads their maps."""

import operator
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Node

from zoo.networks import layers
from zoo.networks.dense.convolving import as_channel_constant, as_convolution, as_map_norm
from zoo.networks.dense.sheet import (
    CHANNELS_FIRST,
    CHANNELS_LAST,
    Rows,
    Sheet,
    Value,
    is_reshaping,
)
from zoo.networks.graph import find_module, find_tensor
from zoo.networks.onnx import layers as onnx
from zoo.networks.receptive.functions import is_elementwise
from zoo.networks.receptive.modules import POINTWISE

SIZE_OF_ROWS = "size_of_rows"  # in ``node.meta``: the original asks for the size of a row there
FIXED = "reads rows of one length, and is no fully connected layer"
PLACES = "treats the numbers of a row each by itself, and these are of several places"
UNLIKE = "puts rows of different maps together"
SHAPE = "makes a shape of its own of a row's numbers"
ARITHMETIC = (
    operator.add,
    operator.mul,
    operator.sub,
    operator.truediv,
    torch.maximum,
    torch.minimum,
    torch.pow,
)
ROW_AXES = 2  # N x K


def write_rows(sheet: Sheet, node: Node) -> Value:
    """Write a node down that reads rows.

    Raises:
        BoundToOneSize: the layer has no equal that reads maps.
    """
    module = find_module(sheet.network, node)
    if not sheet.shape(node):
        return _number(sheet, node)
    if is_reshaping(sheet.network, node):
        return _reshape(sheet, node)
    if module is None:
        return _call(sheet, node)
    if isinstance(module, POINTWISE):
        return _same(sheet, node)
    for kind, write in MODULES.items():
        if isinstance(module, kind):
            return write(sheet, node, module)
    raise sheet.refuse(node, FIXED)


def _call(sheet: Sheet, node: Node) -> Value:
    """Write a function that reads rows."""
    if node.target in FUNCTIONS:
        return FUNCTIONS[node.target](sheet, node)
    if is_elementwise(node.target) and len(node.all_input_nodes) == 1:
        return _same(sheet, node)
    raise sheet.refuse(node, FIXED)


def _number(sheet: Sheet, node: Node) -> Value:
    """Keep what asks for sizes, of the batch; other sizes are found out at the end."""
    is_size = node.target in (getattr, torch.Tensor.size)
    if not is_size:
        raise sheet.refuse(node, FIXED)
    copied = sheet.copy(node)
    copied.meta[SIZE_OF_ROWS] = True
    return copied


def _read(sheet: Sheet, node: Node) -> Rows:
    """Give the rows a layer of one input reads."""
    value = sheet.values[node.all_input_nodes[0]]
    if not isinstance(value, Rows):
        raise sheet.refuse(node, FIXED)
    return value


def _point(sheet: Sheet, node: Node) -> Rows:
    """Give the rows a layer reads that has to find one number a channel."""
    rows = _read(sheet, node)
    if not rows.is_point:
        raise sheet.refuse(node, PLACES)
    return rows


def _same(sheet: Sheet, node: Node) -> Value:
    """Write a layer down as it is; every number stays where it is."""
    rows = _read(sheet, node)
    return Rows(sheet.copy(node), rows.volume, rows.is_last)


def _reshape(sheet: Sheet, node: Node) -> Value:
    """Leave out what only says a row's shape anew, also as the map it is of."""
    rows, shape = _read(sheet, node), sheet.shape(node)
    batch = sheet.shape(node.all_input_nodes[0])[0]
    if shape == (batch, *rows.volume) and not rows.is_last:
        return rows.node
    if shape[:ROW_AXES] == (batch, rows.length) and rows.length == _length(shape):
        return rows
    raise sheet.refuse(node, SHAPE)


def _length(shape: tuple[int, ...]) -> int:
    length = 1
    for size in shape[1:]:
        length *= size
    return length


def _linear(sheet: Sheet, node: Node, module: nn.Linear) -> Value:
    rows = _read(sheet, node)
    if module.in_features != rows.length or len(sheet.shape(node)) != ROW_AXES:
        raise sheet.refuse(node, FIXED)
    convolution = as_convolution(module, rows.volume, sheet.views, is_last=rows.is_last)
    return Rows(sheet.replace(node, convolution, rows.node), (module.out_features, 1, 1))


def _batch_norm(sheet: Sheet, node: Node, module: nn.BatchNorm1d) -> Value:
    rows = _point(sheet, node)
    return Rows(sheet.replace(node, as_map_norm(module), rows.node), rows.volume)


def _layer_norm(sheet: Sheet, node: Node, module: nn.LayerNorm) -> Value:
    """Normalise over the channels of each place: they come last meanwhile."""
    rows = _point(sheet, node)
    if tuple(module.normalized_shape) != (rows.length,):
        raise sheet.refuse(node, FIXED)
    turned = sheet.permute(rows.node, CHANNELS_LAST, node)
    normal = sheet.mark(sheet.graph.call_module(str(node.target), (turned,)), node)
    return Rows(sheet.permute(normal, CHANNELS_FIRST, node), rows.volume)


def _softmax(sheet: Sheet, node: Node, module: nn.Softmax | nn.LogSoftmax) -> Value:
    rows = _point(sheet, node)
    axes = len(sheet.shape(node))
    if (-1 if module.dim is None else module.dim) % axes != 1:
        raise sheet.refuse(node, FIXED)
    return Rows(sheet.replace(node, type(module)(dim=1), rows.node), rows.volume)


def _channelwise(sheet: Sheet, node: Node, _module: nn.Module) -> Value:
    rows = _point(sheet, node)
    return Rows(sheet.copy(node), rows.volume)


def _learned(sheet: Sheet, node: Node, module: Any) -> Value:  # noqa: ANN401  # Scale, Bias or PReLU
    """Keep numbers for the channels, or one for all."""
    numbers: Tensor = next(module.parameters())
    is_one = numbers.numel() == 1
    rows = _read(sheet, node) if is_one else _point(sheet, node)
    if not is_one and getattr(module, "axis", 1) != 1:
        raise sheet.refuse(node, FIXED)
    return Rows(sheet.copy(node), rows.volume, rows.is_last)


def _with_constant(sheet: Sheet, node: Node, module: onnx.WithConstant) -> Value:
    if module.value is None or module.value.numel() == 1:
        return _same(sheet, node)
    rows = _point(sheet, node)
    if module.value.numel() != rows.length:
        raise sheet.refuse(node, FIXED)
    return Rows(sheet.replace(node, as_channel_constant(module), rows.node), rows.volume)


def _together(sheet: Sheet, node: Node, _module: nn.Module | None = None) -> Value:
    """Combine rows of one and the same form, and numbers written in the graph."""
    every = [sheet.values[read] for read in node.all_input_nodes]
    rows = [value for value in every if isinstance(value, Rows)]
    forms = {(value.volume, value.is_last) for value in rows}
    others = [read for read in node.all_input_nodes if not isinstance(sheet.values[read], Rows)]
    if len(forms) != 1 or not all(_is_number(sheet, read) for read in others):
        raise sheet.refuse(node, UNLIKE)
    return Rows(sheet.copy(node), rows[0].volume, rows[0].is_last)


def _is_number(sheet: Sheet, node: Node) -> bool:
    tensor = find_tensor(sheet.network, node)
    return tensor is not None and tensor.numel() == 1


def _cat(sheet: Sheet, node: Node) -> Value:
    """Join rows behind each other: their maps' channels, which have to be of one size."""
    every = [sheet.values[read] for read in _every_read(node)]
    rows = [value for value in every if isinstance(value, Rows)]
    sizes = {value.volume[1:] for value in rows}
    dim = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
    is_plain = dim in (1, -1) and len(sheet.shape(node)) == ROW_AXES
    if len(rows) != len(every) or len(sizes) != 1 or any(value.is_last for value in rows):
        raise sheet.refuse(node, UNLIKE)
    if not is_plain:
        raise sheet.refuse(node, FIXED)
    joined = sheet.graph.call_function(torch.cat, ([value.node for value in rows],), {"dim": 1})
    channels = sum(value.volume[0] for value in rows)
    height, width = rows[0].volume[1:]
    return Rows(sheet.mark(joined, node), (channels, height, width))


def _every_read(node: Node) -> list[Node]:
    """Give what is joined, as often as it is."""
    given = node.args[0] if node.args else node.kwargs["tensors"]
    return list(given)  # type: ignore[arg-type]  # a list of nodes


# The values take a module of their key; a mapping cannot say so, hence Any.
MODULES: Mapping[type[nn.Module], Callable[[Sheet, Node, Any], Value]] = {
    nn.BatchNorm1d: _batch_norm,
    nn.LayerNorm: _layer_norm,
    nn.Linear: _linear,
    nn.LocalResponseNorm: _channelwise,
    nn.LogSoftmax: _softmax,
    nn.PReLU: _learned,
    nn.Softmax: _softmax,
    layers.Bias: _learned,
    layers.Eltwise: _together,
    layers.Scale: _learned,
    layers.ShuffleChannel: _channelwise,
    onnx.WithConstant: _with_constant,
}
FUNCTIONS: Mapping[Any, Callable[[Sheet, Node], Value]] = {
    **dict.fromkeys(ARITHMETIC, _together),
    torch.cat: _cat,
}
