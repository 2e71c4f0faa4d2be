"""A dense network while it is written, node by node of the original.

Where the original has a row of c x h x w numbers, the dense network has the map that they are of;
so at the native size both compute the same numbers, and at larger sizes the dense one has a map of
such rows.
"""

import math
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.fx import Graph, GraphModule, Node

from zoo.errors import BoundToOneSize
from zoo.networks import layers
from zoo.networks.dense.convolving import Views, Volume
from zoo.networks.dense.refusing import refusal
from zoo.networks.graph import Part, find_module, layer_of, parts_of
from zoo.networks.onnx import layers as onnx
from zoo.networks.probing import Shape
from zoo.networks.receptive.tracking import Track

RESHAPING = (
    nn.Flatten,
    layers.Reshape,
    onnx.Reshape,
    onnx.Squeeze,
    onnx.Unsqueeze,
    torch.flatten,
    torch.reshape,
    torch.squeeze,
    torch.unsqueeze,
)
CHANNELS_FIRST = (0, 3, 1, 2)  # orders of axes: from N x H x W x C to N x C x H x W
CHANNELS_LAST = (0, 2, 3, 1)  # and back
MANY = "is called for maps of several sizes"


@dataclass(frozen=True, slots=True)
class Rows:
    """A value that is rows of numbers in the original, and the map they are of in the dense one."""

    node: Node  # N x c x h x w
    volume: Volume  # of the map at the native size
    is_last: bool = False  # the original's numbers are in the order of h, w, c

    @property
    def is_point(self) -> bool:
        """Tell whether there is one number a channel."""
        return self.volume[1:] == (1, 1)

    @property
    def length(self) -> int:
        """Count the numbers of a row."""
        return math.prod(self.volume)


Value = Node | Rows


@dataclass(slots=True)
class Sheet:
    """The dense network so far, and what it was made of."""

    network: GraphModule  # the original
    found: Track  # how its values lie
    graph: Graph = field(default_factory=Graph)
    parts: dict[str, Part] = field(default_factory=dict)
    values: dict[Node, Value] = field(default_factory=dict)  # for each value of the original
    views: Views = field(default_factory=Views)
    replaced: dict[str, int] = field(default_factory=dict)  # how often a module was, by its name

    def __post_init__(self) -> None:
        """Begin with all modules and tensors of the original."""
        self.parts.update(parts_of(self.network, self.network.graph))

    def shape(self, node: Node) -> Shape:
        """Give the shape of a value of the original for two pictures; none if it is no tensor."""
        found = self.found.shapes.get(node, ())
        return found if all(isinstance(size, int) for size in found) else ()  # type: ignore[return-value]  # told by the line itself

    def copy(self, node: Node) -> Node:
        """Write a node down as it is."""
        return self.graph.node_copy(node, self.map_of)

    def map_of(self, node: Node) -> Node:
        """Give the value that is in the dense graph for one of the original."""
        value = self.values[node]
        return value.node if isinstance(value, Rows) else value

    def replace(self, node: Node, module: nn.Module, reads: Node) -> Node:
        """Write the call of a module that takes the place of the one called, under its name.

        Raises:
            BoundToOneSize: that module is called for another size too.
        """
        name = str(node.target)
        if name in self.replaced and repr(self.parts[name]) != repr(module):
            raise refusal(self.network, node, MANY)
        self.replaced[name] = self.replaced.get(name, 0) + 1
        self.parts[name] = module
        return self.mark(self.graph.call_module(name, (reads,)), node)

    def mark(self, new: Node, node: Node) -> Node:
        """Give a new node the names of one of the original."""
        new.meta = dict(node.meta)
        return new

    def permute(self, value: Node, order: tuple[int, ...], node: Node) -> Node:
        """Write axes in another order, on the way to or from a layer."""
        new = self.graph.call_function(torch.permute, (value, list(order)))
        new.meta["layer"] = layer_of(node)
        return new

    def refuse(self, node: Node, why: str) -> BoundToOneSize:
        """Word the error of a layer of the original that has no equal for other sizes."""
        return refusal(self.network, node, why)

    def check_calls(self) -> None:
        """Refuse modules that are called as they were, too, where another took their place.

        Raises:
            BoundToOneSize: there is one.
        """
        for name, count in self.replaced.items():
            calls = list(self.network.graph.find_nodes(op="call_module", target=name))
            if len(calls) != count:
                raise self.refuse(calls[-1], MANY)


def is_reshaping(network: GraphModule, node: Node) -> bool:
    """Tell whether a node gives the same numbers in the same order under another shape."""
    module = find_module(network, node)
    if module is None:
        return node.target in RESHAPING
    return isinstance(module, tuple(kind for kind in RESHAPING if isinstance(kind, type)))
