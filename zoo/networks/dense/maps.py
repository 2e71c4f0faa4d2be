"""Writes the part of a network that reads maps; where that makes rows of them, the maps stay."""

import math
from typing import Any

import torch
from torch import nn
from torch.fx import Node

from zoo.networks.dense.convolving import Volume
from zoo.networks.dense.pools import SETTLED, window_pool
from zoo.networks.dense.sheet import (
    CHANNELS_FIRST,
    CHANNELS_LAST,
    Rows,
    Sheet,
    Value,
    is_reshaping,
)
from zoo.networks.graph import find_module, layer_of
from zoo.networks.probing import Shape
from zoo.networks.receptive.laid import MAP_AXES, Laid

LAST_AXES = (1, 2)  # height and width of N x H x W x C
PLAIN = (0, 1, 2, 3)


def write_map(sheet: Sheet, node: Node) -> Value:
    """Write a node down that reads no rows.

    Raises:
        BoundToOneSize: the layer pools a map in a way that has no equal for other sizes.
    """
    laid = sheet.found.laid.get(node)
    if laid is None:
        return sheet.copy(node)
    if laid.pooled == {node} and node not in sheet.found.gates:
        return _pool(sheet, node)
    if is_reshaping(sheet.network, node):
        return _flatten(sheet, node)
    return sheet.copy(node)


def _pool(sheet: Sheet, node: Node) -> Value:
    """Write a pooling of windows where the original pools the whole map."""
    read, module = node.all_input_nodes[0], find_module(sheet.network, node)
    order = _order_of(sheet.found.laid[read], sheet.shape(read))
    if order is None or (module is None and node.target is not torch.mean):
        raise sheet.refuse(node, SETTLED)
    value, (channels, *size) = _map_below(sheet, node, order)
    pool = window_pool(sheet.network, node, module, (size[0], size[1]))
    volume = (channels, *_pooled_size(size, pool))
    if math.prod(volume) != math.prod(sheet.shape(node)[1:]):
        raise sheet.refuse(node, SETTLED)
    if pool is not None:
        value = _call_pool(sheet, node, pool, value)
    if len(sheet.shape(node)) != len(order):
        return Rows(value, volume)
    return value if order == PLAIN else sheet.permute(value, CHANNELS_LAST, node)


def _call_pool(sheet: Sheet, node: Node, pool: nn.Module, reads: Node) -> Node:
    """Call a pooling under the old one's name, or one like it where that is called again."""
    name = str(node.target) if node.op == "call_module" else layer_of(node)
    calls = list(sheet.network.graph.find_nodes(op="call_module", target=name))
    if calls == [node]:
        return sheet.replace(node, pool, reads)
    while name in sheet.parts:
        name += ":"
    sheet.parts[name] = pool
    return sheet.mark(sheet.graph.call_module(name, (reads,)), node)


def _map_below(sheet: Sheet, node: Node, order: tuple[int, ...]) -> tuple[Node, Volume]:
    """Give what a layer reads as N x C x H x W, and its native size."""
    read = node.all_input_nodes[0]
    shape, value = sheet.shape(read), sheet.map_of(read)
    if order != PLAIN:
        value = sheet.permute(value, order, node)
    channels, height, width = (shape[axis] for axis in order[1:])
    return value, (channels, height, width)


def _flatten(sheet: Sheet, node: Node) -> Value:
    """Leave out what makes rows of a map; other reshaping stays."""
    read = node.all_input_nodes[0]
    if read not in sheet.found.laid:
        return sheet.copy(node)
    laid, shape = sheet.found.laid[read], sheet.shape(read)
    order = _order_of(laid, shape)
    is_gate = laid.is_settled and laid.pooled <= sheet.found.gates
    if order is None or is_gate or not _is_row(sheet.shape(node), shape):
        return sheet.copy(node)
    value, volume = _map_below(sheet, node, order)
    return Rows(value, volume, is_last=order == CHANNELS_FIRST and volume[1:] != (1, 1))


def _order_of(laid: Laid, shape: Shape) -> tuple[int, ...] | None:
    """Tell the order of axes that makes a value N x C x H x W; None where it is no map."""
    orders = {MAP_AXES: PLAIN, LAST_AXES: CHANNELS_FIRST}
    is_map = len(shape) == 4 and laid.axes is not None  # noqa: PLR2004  # N x C x H x W
    return orders.get(laid.axes) if is_map and laid.axes is not None else None


def _is_row(shape: Shape, old: Shape) -> bool:
    """Tell whether there is a row for each picture; axes of size 1 behind do not count."""
    is_point = math.prod(old[2:]) == 1
    length = math.prod(old[1:])
    return shape == (old[0], length) or (is_point and shape == (old[0], length, 1))


def _pooled_size(size: Any, pool: nn.Module | None) -> tuple[int, int]:  # noqa: ANN401  # two numbers
    """Tell the native size after a pooling of windows."""
    if pool is None:
        return size[0], size[1]
    module: Any = pool
    kernels, strides = _two(module.kernel_size), _two(module.stride)
    high, wide = (
        (side - kernel) // stride + 1
        for side, kernel, stride in zip(size, kernels, strides, strict=True)
    )
    return high, wide


def _two(value: Any) -> tuple[int, int]:  # noqa: ANN401  # an int, or two
    return (value, value) if isinstance(value, int) else (value[0], value[1])
