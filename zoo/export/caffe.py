"""A network as a Caffe net: the way back for networks of layers that Caffe has."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.fx import GraphModule, Node

from zoo.errors import UnsupportedLayers
from zoo.formats.caffe.net import (
    LRN,
    BatchNorm,
    Concat,
    Convolution,
    Dropout,
    Flatten,
    InnerProduct,
    Input,
    Layer,
    Net,
    Parameters,
    Pooling,
    ReLU,
    Scale,
    Softmax,
)
from zoo.networks import layers
from zoo.networks.graph import describe_node, find_module, get_input, layer_of

DATA = "data"


def describe_net(network: GraphModule, *, name: str, shape: tuple[int, int, int]) -> Net:
    """Describe a network as a Caffe net that reads one picture of channels x height x width.

    The layers have the names of the network's, so its weights fit by ``to_blobs``. No layer is in
    place; Caffe computes the same.

    Raises:
        UnsupportedLayers: layers have no equal in Caffe; every one is named.
    """
    blobs = {get_input(network): DATA}
    described: list[Layer] = []
    refused: list[str] = []
    for node in network.graph.nodes:
        if node.op in {"placeholder", "output"}:
            continue
        if _is_implied(network, node):
            blobs[node] = blobs[node.all_input_nodes[0]]
            continue
        blobs[node] = layer_of(node)
        parameters = _parameters(network, node)
        if parameters is None:
            refused.append(describe_node(network, node))
            continue
        bottoms = tuple(blobs[read] for read in node.all_input_nodes)
        described.append(
            Layer(name=layer_of(node), bottoms=bottoms, tops=(blobs[node],), parameters=parameters)
        )
    if refused:
        raise UnsupportedLayers(
            f"Caffe has no equal for {', '.join(refused)}.",
            hint="Export it as ONNX: zoo export MODEL --format onnx",
            layers=refused,
        )
    given = Input(blob=DATA, shape=(1, *shape))
    return Net(name=name, inputs=(given,), layers=tuple(described))


def _is_implied(network: GraphModule, node: Node) -> bool:
    """Tell whether a flatten need not be written, because InnerProduct flattens what it reads."""
    return isinstance(find_module(network, node), nn.Flatten) and all(
        isinstance(find_module(network, user), nn.Linear) for user in node.users
    )


def _parameters(network: GraphModule, node: Node) -> Parameters | None:
    """Give a node's parameters as Caffe states them, or None where Caffe has no such layer."""
    if node.target is torch.cat:
        return Concat(axis=int(node.kwargs.get("dim", 0)))  # type: ignore[arg-type]  # an int in our graphs
    module = find_module(network, node)
    describe = MODULES.get(type(module))
    return describe(module) if describe else None


def _pair(value: int | tuple[int, ...]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def _convolution(module: nn.Conv2d) -> Convolution:
    return Convolution(
        num_output=module.out_channels,
        kernel=_pair(module.kernel_size),
        stride=_pair(module.stride),
        pad=_pair(module.padding),  # type: ignore[arg-type]  # numbers in our graphs, never "same"
        dilation=_pair(module.dilation),
        group=module.groups,
        has_bias=module.bias is not None,
    )


def _max_pool(module: nn.MaxPool2d) -> Pooling:
    return _pooling("MAX", module)


def _average_pool(module: nn.AvgPool2d) -> Pooling:
    return _pooling("AVE", module)


def _widely_padded_pool(module: layers.WidelyPaddedPool2d) -> Pooling:
    return _pooling("AVE" if module.is_average else "MAX", module)


def _pooling(method: str, module: Any) -> Pooling:  # noqa: ANN401  # three kinds of the same fields
    return Pooling(
        method=method,
        kernel=_pair(module.kernel_size),
        stride=_pair(module.stride),
        pad=_pair(module.padding),
        has_ceil=module.ceil_mode,
    )


def _lrn(module: nn.LocalResponseNorm) -> LRN:
    return LRN(local_size=module.size, alpha=module.alpha, beta=module.beta, k=module.k)


def _within_channel_lrn(module: layers.WithinChannelLRN) -> LRN:
    return LRN(is_within_channel=True, local_size=module.size, alpha=module.alpha, beta=module.beta)


def _batch_norm(module: nn.BatchNorm2d) -> BatchNorm:
    return BatchNorm(eps=module.eps, moving_average_fraction=1 - (module.momentum or 0))


MODULES: dict[type, Callable[[Any], Parameters]] = {
    nn.AdaptiveAvgPool2d: lambda _: Pooling(method="AVE", is_global=True),
    nn.AdaptiveMaxPool2d: lambda _: Pooling(method="MAX", is_global=True),
    nn.AvgPool2d: _average_pool,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.Conv2d: _convolution,
    nn.Dropout: lambda module: Dropout(ratio=module.p),
    nn.Flatten: lambda module: Flatten(axis=module.start_dim, end_axis=module.end_dim),
    nn.LeakyReLU: lambda module: ReLU(negative_slope=module.negative_slope),
    nn.Linear: lambda module: InnerProduct(
        num_output=module.out_features, has_bias=module.bias is not None
    ),
    nn.LocalResponseNorm: _lrn,
    nn.MaxPool2d: _max_pool,
    nn.ReLU: lambda _: ReLU(),
    nn.Softmax: lambda module: Softmax(axis=module.dim),
    layers.Scale: lambda module: Scale(has_bias=module.bias is not None),
    layers.WidelyPaddedPool2d: _widely_padded_pool,
    layers.WithinChannelLRN: _within_channel_lrn,
}
