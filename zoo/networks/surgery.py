"""Cutting and joining networks: where the classifier is, its codes, a new one in its place.

Every cut gives a new network over the same modules; the one that was cut stays as it was.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import add, getitem, mul
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.fx import Graph, GraphModule, Node

from zoo.errors import Invalid, NoHead, Unsupported
from zoo.networks import layers
from zoo.networks.graph import (
    Part,
    append_layer,
    describe_node,
    find_module,
    finish_network,
    get_output,
    layer_of,
    parts_of,
)
from zoo.networks.heads import zero_head
from zoo.networks.names import get_layer

HeadKind = Literal["linear", "conv1x1"]
Steps = dict[str, nn.Module]  # by the names of their layers, one after the other

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
    layers.CropInside,
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
    kind: HeadKind
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
    return _as_head(network, _head_node(network, get_output(network)))


def own_head(network: GraphModule) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give weight, K x D, and bias of a network's own classifier, as it reads flat codes.

    Raises:
        NoHead, Unsupported: as ``find_head``.
    """
    module = find_module(network, find_head(network).node)
    assert isinstance(module, nn.Linear | nn.Conv2d)  # that is what a head is
    weight: NDArray[np.float32] = module.weight.detach().cpu().numpy()
    bias = module.bias if module.bias is not None else torch.zeros(len(weight))
    return weight.reshape(len(weight), -1), bias.detach().cpu().numpy()


def find_heads(network: GraphModule) -> tuple[Head, ...]:
    """Find the classifier of each output, as ``find_head`` does, in the outputs' order.

    One that several outputs come from is given once; outputs that come from none are passed.

    Raises:
        NoHead: no output comes from a classifier; the layers met are named.
    """
    ends = [_head_node(network, node) for node in network.graph.output_node().all_input_nodes]
    heads = [node for node in dict.fromkeys(ends) if _shape_of_head(network, node)]
    if not heads:
        _as_head(network, ends[0])
    return tuple(_as_head(network, node) for node in heads)


def get_head(network: GraphModule, at: str) -> Head:
    """Give the classifier that is the layer ``at``, whatever comes after it.

    Raises:
        LayerNotFound: the network has no such layer; near names are told.
        NoHead: it is no Linear or 1 x 1 Conv2d.
    """
    return _as_head(network, get_layer(network, at))


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
    graph, (codes,), parts = _codes_below(network, (_head_at(network, at),))
    return finish_network(graph, codes, parts)


def replace_head(
    network: GraphModule, *, at: str | None = None, classes: int, also: tuple[str, ...] = ()
) -> GraphModule:
    """Put a new classifier, ``head`` and ``probabilities``, on the codes of the old one.

    The old classifier and all after it are dropped. The new weights are 0, so every class is as
    likely as any other until they are set. ``cut_at_codes`` gives the same codes before and after.

    Of a network with several outputs ``at`` names the main classifier. Those in ``also`` get new
    ones of the same classes too, ``head_2`` and ``probabilities_2`` and so on; the network returns
    the probabilities of all of them, the main ones first. The other outputs are dropped.

    Raises:
        LayerNotFound: ``at`` or one in ``also`` is no layer of the network.
        NoHead: there is no classifier, or one that is named is none.
        Unsupported: the network has several outputs and ``at`` names none of its classifiers; a
            layer below the classifier has the name of a new one.
        Invalid: a classifier is named twice.
    """
    old = (_head_at(network, at), *(get_head(network, name) for name in also))
    if len({head.node for head in old}) < len(old):
        raise Invalid(
            f"Of the classifiers {', '.join(head.layer for head in old)} one is named twice.",
            hint="Name the main one once, and each other that is replaced too once.",
            heads=[head.layer for head in old],
        )
    graph, codes, parts = _codes_below(network, old)
    ends = tuple(
        _append_steps(graph, read, parts, _new_head(head.in_features, classes), number)
        for number, (head, read) in enumerate(zip(old, codes, strict=True), 1)
    )
    return finish_network(graph, ends[0] if len(ends) == 1 else ends, parts)


def _head_at(network: GraphModule, at: str | None) -> Head:
    if at is not None:
        return get_head(network, at)
    if len(network.graph.output_node().all_input_nodes) > 1:
        heads = [head.layer for head in find_heads(network)]
        raise Unsupported(
            f"The network has several outputs, and these classifiers: {', '.join(heads)}.",
            hint="Name the main one; the others are dropped, or replaced too where you name them.",
            heads=heads,
        )
    return find_head(network)


def _head_node(network: GraphModule, end: Node) -> Node:
    """Give the node where a classifier should be, walking up from an output."""
    while is_any(network, end, AFTER_HEAD):
        end = end.all_input_nodes[0]
    return end


def _as_head(network: GraphModule, node: Node) -> Head:
    shape = _shape_of_head(network, node)
    if shape is None:
        found = describe_node(network, node)
        raise NoHead(
            f"Where the classifier should be, the network has {found},"
            " which is neither fully connected nor a 1 x 1 convolution.",
            found=found,
        )
    kind, in_features, classes = shape
    return Head(
        layer=layer_of(node),
        node=node,
        kind=kind,
        in_features=in_features,
        classes=classes,
        is_rectified=is_rectified(network, node.all_input_nodes[0]),
    )


def _shape_of_head(network: GraphModule, node: Node) -> tuple[HeadKind, int, int] | None:
    module = find_module(network, node)
    if isinstance(module, nn.Linear):
        return "linear", module.in_features, module.out_features
    if isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1) and module.groups == 1:
        return "conv1x1", module.in_channels, module.out_channels
    return None


def is_any(network: GraphModule, node: Node, kinds: tuple[object, ...]) -> bool:
    """Tell whether a node calls a module of one of these types, or one of these functions."""
    module = find_module(network, node)
    if module is None:
        return node.op == "call_function" and node.target in kinds
    return isinstance(module, tuple(kind for kind in kinds if isinstance(kind, type)))


def is_rectified(network: GraphModule, node: Node) -> bool:
    """Tell whether a node's values cannot be negative."""
    if is_any(network, node, MAKING_POSITIVE):
        return True
    if is_any(network, node, KEEPING_SIGN):
        return all(is_rectified(network, read) for read in node.all_input_nodes)
    return False


def _lacks_relu(network: GraphModule, node: Node) -> bool:
    """Tell whether a node's values are bare sums of a weighted layer."""
    if is_any(network, node, SUMMING) or node.op == "placeholder":
        return True
    if is_any(network, node, PASSING):
        return any(_lacks_relu(network, read) for read in node.all_input_nodes)
    return False


def _codes_below(
    network: GraphModule, heads: tuple[Head, ...]
) -> tuple[Graph, list[Node], dict[str, Part]]:
    """Copy what is below the heads, and make flat codes of it for each."""
    return build_on(network, [plan_codes(network, head) for head in heads])


def build_on(
    network: GraphModule, plans: Sequence[tuple[Node, Steps]]
) -> tuple[Graph, list[Node], dict[str, Part]]:
    """Copy what some nodes depend on, and add to each of them modules one after the other.

    Returns:
        The graph without an output, where each plan ends in it, and the parts that it names.
    """
    graph, copies = Graph(), dict[Node, Node]()
    graph.graph_copy(network.graph, copies)
    kept = {copies[source] for source, _ in plans}
    for node in reversed(list(graph.nodes)):
        if not node.users and node not in kept and node.op != "placeholder":
            graph.erase_node(node)
    parts = parts_of(network, graph)
    ends = [
        _append_steps(graph, copies[source], parts, steps, number)
        for number, (source, steps) in enumerate(plans, 1)
    ]
    return graph, ends, parts


def plan_codes(network: GraphModule, head: Head) -> tuple[Node, Steps]:
    """Give the node that a head's codes are made of, and what makes them of it."""
    source, is_flat = head.node.all_input_nodes[0], head.kind == "linear"
    lacks_relu = _lacks_relu(network, source)
    while is_any(network, source, BELOW_HEAD):
        is_flat = is_flat and not isinstance(find_module(network, source), nn.Flatten)
        source = source.all_input_nodes[0]
    steps: dict[str, nn.Module | None] = {
        "codes_relu": nn.ReLU() if lacks_relu else None,
        "codes_pool": nn.AdaptiveAvgPool2d(1) if head.kind == "conv1x1" else None,
        "codes_flatten": None if is_flat else nn.Flatten(),
    }
    return source, {name: step for name, step in steps.items() if step is not None}


def _new_head(in_features: int, classes: int) -> Steps:
    return {HEAD: zero_head(in_features, classes), PROBABILITIES: nn.Softmax(dim=1)}


def _append_steps(
    graph: Graph, reads: Node, parts: dict[str, Part], steps: Steps, number: int
) -> Node:
    """Add modules one after the other; the names of those of a second classifier say so."""
    for name, module in steps.items():
        own_name = name if number == 1 else f"{name}_{number}"
        reads = append_layer(graph, reads, parts, own_name, module)
    return reads
