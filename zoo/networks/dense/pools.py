"""Poolings of a whole map as poolings of windows, as large as the map was at the native size."""

from itertools import pairwise
from typing import Any

from torch import nn
from torch.fx import GraphModule, Node

from zoo.networks import layers
from zoo.networks.dense.refusing import refusal
from zoo.networks.onnx import layers as onnx
from zoo.networks.receptive.windows import pair

Pair = tuple[int, int]
AVERAGE, MAXIMUM = nn.AvgPool2d, nn.MaxPool2d
# By the operations of ReduceMean and its like, and of Caffe's Reduction.
REDUCTIONS: dict[str, type[nn.AvgPool2d | nn.MaxPool2d]] = {
    "MEAN": AVERAGE,
    "ReduceMax": MAXIMUM,
    "ReduceMean": AVERAGE,
}
SETTLED = "gives one row of numbers for the whole picture, which the classifier reads"


def window_pool(
    network: GraphModule, node: Node, module: nn.Module | None, size: Pair
) -> nn.Module | None:
    """Give the pooling of windows that does at every place what a layer does to its native map.

    ``size`` is that map's; ``module`` is None for the mean, called as a function. None is given
    where nothing would change.

    Raises:
        BoundToOneSize: no pooling of even windows does the same.
    """
    if isinstance(module, layers.StochasticPool2d):
        return layers.StochasticPool2d(kernel_size=size, stride=(1, 1), ceil_mode=module.ceil_mode)
    if isinstance(module, nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d):
        return _adaptive(network, node, module, size)
    kind = AVERAGE if module is None else REDUCTIONS.get(getattr(module, "operation", ""))
    if isinstance(module, onnx.Reduce):
        kind = REDUCTIONS.get(module.operator)
    if kind is None or getattr(module, "coefficient", 1) != 1:
        raise refusal(network, node, SETTLED)
    return None if size == (1, 1) else kind(size, stride=1)


def _adaptive(
    network: GraphModule,
    node: Node,
    module: nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d,
    size: Pair,
) -> nn.Module | None:
    kind = AVERAGE if isinstance(module, nn.AdaptiveAvgPool2d) else MAXIMUM
    if getattr(module, "return_indices", False):
        raise refusal(network, node, "tells places in a map of one size")
    wanted: Any = module.output_size
    windows = [_even_windows(*sides) for sides in zip(size, pair(wanted), strict=True)]
    if None in windows:
        uneven = " x ".join(map(str, size)), " x ".join(map(str, pair(wanted)))
        raise refusal(
            network, node, f"pools a map of {uneven[0]} to {uneven[1]}, in uneven windows"
        )
    (high, down), (wide, right) = (window for window in windows if window is not None)
    is_same = (high, wide, down, right) == (1, 1, 1, 1)
    return None if is_same else kind((high, wide), stride=(down, right))


def _even_windows(size: int, count: int) -> Pair | None:
    """Give kernel and stride of the windows that an adaptive pooling reads; None if they differ.

    Window i of n reads rows floor(i H / n) to ceil((i + 1) H / n) - 1 of H
    (aten/native/AdaptivePooling.h).
    """
    starts = [number * size // count for number in range(count)]
    kernels = {-(-(number + 1) * size // count) - starts[number] for number in range(count)}
    strides = {after - before for before, after in pairwise(starts)} or {1}
    if len(kernels) > 1 or len(strides) > 1 or 0 in strides:
        return None
    return kernels.pop(), strides.pop()
