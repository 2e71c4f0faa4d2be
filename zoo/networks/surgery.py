"""Cutting and joining networks: where the classifier is, its codes, a new one in its place.

Every cut gives a new network over the same modules; the one that was cut stays as it was.
"""

from dataclasses import dataclass
from operator import add, getitem, mul
from typing import Literal

import torch
from torch import nn
from torch.fx import Graph, GraphModule, Node

from zoo.errors import NoHead
from zoo.networks import layers
from zoo.networks.graph import (
    Part,
    append_layer,
    copy_below,
    describe_node,
    find_module,
    finish_network,
    get_output,
    layer_of,
    parts_of,
)

HEAD = "head"
PROBABILITIES = "probabilities"

# Between a classifier and the end of its network; none of them mixes the classes.
AFTER_HEAD = (
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveMaxPool2d,
    nn.AvgPool2d,
    nn.Dropout,
    nn.Flatten,
    nn.Identity,
    nn.MaxPool2d,
    nn.ReLU,
    nn.Softmax,
    layers.WidelyPaddedPool2d,
    torch.reshape,
    torch.squeeze,
)
# What is at least 0 before these is at least 0 after them.
KEEPING_SIGN = (
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveMaxPool2d,
    nn.AvgPool2d,
    nn.Dropout,
    nn.Flatten,
    nn.Identity,
    nn.LocalResponseNorm,
    nn.MaxPool2d,
    layers.WidelyPaddedPool2d,
    layers.WithinChannelLRN,
    add,
    getitem,
    mul,
    torch.cat,
    torch.chunk,
    torch.mean,
    torch.permute,
    torch.reshape,
    torch.transpose,
)
MAKING_POSITIVE = (nn.Hardsigmoid, nn.ReLU, nn.ReLU6, nn.Sigmoid, nn.Softmax)
# What gives bare sums; where a classifier reads them, the ReLU that belongs there is missing.
SUMMING = (
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.Conv2d,
    nn.LeakyReLU,  # hardly more than a sum: what is below 0 goes on
    nn.Linear,
    layers.Scale,
)
# What the sums come through on the way to a classifier; their own sum with others is no such thing.
PASSING = tuple(kind for kind in KEEPING_SIGN if kind not in (add, mul))
BELOW_HEAD = (nn.Dropout, nn.Flatten, nn.Identity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The classifier of a network: its one layer from codes to scores."""

    layer: str
    node: Node
    kind: Literal["linear", "conv1x1"]
    in_features: int
    classes: int
    is_rectified: bool  # what it reads is at least 0, because it comes from a ReLU


def find_head(network: GraphModule) -> Head:
    """Find the classifier by graph and shape, walking up from the network's end.

    Softmax, pooling, flatten, ReLU and dropout are passed; the first other layer has to be a Linear
    or a 1 x 1 Conv2d.

    Raises:
        NoHead: it is something else; the layer met is named.
        Unsupported: the network has several outputs.
    """
    node = get_output(network)
    while is_any(network, node, AFTER_HEAD):
        node = node.all_input_nodes[0]
    return _as_head(network, node)


def get_head(network: GraphModule, at: str) -> Head:
    """Give the classifier that is the layer ``at``, whatever comes after it.

    Raises:
        NoHead: the network has no such layer, or it is no Linear or 1 x 1 Conv2d.
    """
    nodes = [node for node in network.graph.nodes if node.meta.get("layer") == at]
    if not nodes:
        known = sorted({layer_of(node) for node in network.graph.nodes if "layer" in node.meta})
        raise NoHead(
            f"The network has no layer {at!r}.",
            hint=f"Its last layers are {', '.join(known[-5:])}.",
            layer=at,
            layers=known,
        )
    return _as_head(network, nodes[-1])


def cut_at_codes(network: GraphModule, at: str | None = None) -> GraphModule:
    """Give the network that computes the codes, N x D: all below the classifier, and no dropout.

    Codes are flat; a 1 x 1 convolution's map is averaged. Where the classifier reads the bare sums
    of a weighted layer (Conv2d, Linear, batch normalisation), a ReLU is added, because codes are
    taken after it. Codes that have been through something else are left as they are: features that
    a LayerNorm spreads around 0 (ViT, ConvNeXt) would lose half of what they say to a ReLU, and
    SiLU, GELU or Hardswish have cut them already. ``at`` names the classifier where it is not the
    last one.

    Raises:
        NoHead: there is no classifier, or ``at`` is none.
    """
    graph, codes, parts = _codes_below(network, _head_at(network, at))
    return finish_network(graph, codes, parts)


def replace_head(network: GraphModule, *, at: str | None = None, classes: int) -> GraphModule:
    """Put a new classifier, ``head`` and ``probabilities``, on the codes of the old one.

    The old classifier and all after it are dropped. The new weights are 0, so every class is as
    likely as any other until they are set. ``cut_at_codes`` gives the same codes before and after.

    Raises:
        NoHead: there is no classifier, or ``at`` is none.
        Unsupported: a layer below the classifier has the name of a new one.
    """
    old = _head_at(network, at)
    graph, codes, parts = _codes_below(network, old)
    linear = torch.nn.utils.skip_init(nn.Linear, old.in_features, classes, device="cpu")
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    for name, module in ((HEAD, linear), (PROBABILITIES, nn.Softmax(dim=1))):
        codes = append_layer(graph, codes, parts, name, module)
    return finish_network(graph, codes, parts)


def _head_at(network: GraphModule, at: str | None) -> Head:
    return find_head(network) if at is None else get_head(network, at)


def _as_head(network: GraphModule, node: Node) -> Head:
    kind, in_features, classes = _classifier(network, node)
    return Head(
        layer=layer_of(node),
        node=node,
        kind=kind,
        in_features=in_features,
        classes=classes,
        is_rectified=_is_rectified(network, node.all_input_nodes[0]),
    )


def _classifier(network: GraphModule, node: Node) -> tuple[Literal["linear", "conv1x1"], int, int]:
    module = find_module(network, node)
    if isinstance(module, nn.Linear):
        return "linear", module.in_features, module.out_features
    if isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1) and module.groups == 1:
        return "conv1x1", module.in_channels, module.out_channels
    found = describe_node(network, node)
    raise NoHead(
        f"Where the classifier should be, the network has {found},"
        " which is neither fully connected nor a 1 x 1 convolution.",
        found=found,
    )


def is_any(network: GraphModule, node: Node, kinds: tuple[object, ...]) -> bool:
    """Tell whether a node calls a module of one of these types, or one of these functions."""
    module = find_module(network, node)
    if module is None:
        return node.op == "call_function" and node.target in kinds
    return isinstance(module, tuple(kind for kind in kinds if isinstance(kind, type)))


def _is_rectified(network: GraphModule, node: Node) -> bool:
    """Tell whether a node's values cannot be negative."""
    if is_any(network, node, MAKING_POSITIVE):
        return True
    if is_any(network, node, KEEPING_SIGN):
        return all(_is_rectified(network, read) for read in node.all_input_nodes)
    return False


def _lacks_relu(network: GraphModule, node: Node) -> bool:
    """Tell whether a node's values are bare sums of a weighted layer."""
    if is_any(network, node, SUMMING) or node.op == "placeholder":
        return True
    if is_any(network, node, PASSING):
        return any(_lacks_relu(network, read) for read in node.all_input_nodes)
    return False


def _codes_below(network: GraphModule, head: Head) -> tuple[Graph, Node, dict[str, Part]]:
    """Copy what is below a head, and make flat codes of it."""
    source, is_flat = head.node.all_input_nodes[0], head.kind == "linear"
    lacks_relu = _lacks_relu(network, source)
    while is_any(network, source, BELOW_HEAD):
        is_flat = is_flat and not isinstance(find_module(network, source), nn.Flatten)
        source = source.all_input_nodes[0]
    graph, codes = copy_below(network, source)
    parts = parts_of(network, graph)
    steps: dict[str, nn.Module | None] = {
        "codes_relu": nn.ReLU() if lacks_relu else None,
        "codes_pool": nn.AdaptiveAvgPool2d(1) if head.kind == "conv1x1" else None,
        "codes_flatten": None if is_flat else nn.Flatten(),
    }
    for name, step in steps.items():
        if step is not None:
            codes = append_layer(graph, codes, parts, name, step)
    return graph, codes, parts
