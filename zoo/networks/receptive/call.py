"""One call of a graph, as the rules for layers see it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.fx import GraphModule, Node

from zoo.networks.graph import find_module
from zoo.networks.probing import Shape, Shapes
from zoo.networks.receptive.laid import COVERING, Axes, Laid, join_laid
from zoo.networks.receptive.sides import Window, slide


@dataclass(frozen=True, slots=True)
class Call:
    """A node, with the shapes in one trial and how what it reads lies over the picture."""

    network: GraphModule
    node: Node
    shapes: Shapes
    laid: Mapping[Node, Laid]

    @property
    def module(self) -> nn.Module | None:
        """Give the module that is called, if it is one."""
        return find_module(self.network, self.node)

    @property
    def reads(self) -> list[Node]:
        """Give the tensors it reads, in order; numbers that were computed are left out."""
        return [read for read in self.node.all_input_nodes if read in self.shapes]

    @property
    def first(self) -> Laid:
        """Give how the first value lies that depends on the picture."""
        return next(self.laid[read] for read in self.reads if read in self.laid)

    @property
    def axes_read(self) -> int:
        """Count the axes of the first value."""
        return len(self.shape(self.node.all_input_nodes[0]))

    def shape(self, node: Node) -> Shape:
        """Give a value's shape; none where it is several, or no tensor."""
        found = self.shapes.get(node, ())
        return found if all(isinstance(size, int) for size in found) else ()  # type: ignore[return-value]  # told by the line itself

    def argument(self, index: int, name: str, default: Any = None) -> Any:  # noqa: ANN401  # any argument
        """Give an argument that stands at a place or under a name."""
        node = self.node
        return node.args[index] if len(node.args) > index else node.kwargs.get(name, default)

    def lost(self, why: str, *, axes: Axes | None = None) -> Laid:
        """Give what is left where this layer's cells are no windows."""
        return self.first.lost(self.node, why, axes=axes)

    def slid(self, high: Window, wide: Window) -> Laid:
        """Give what a layer of these windows makes of a map N x C x H x W."""
        first = self.first
        if not first.is_map or first.sides is None:
            return first if first.is_map else self.lost(ATTENDING_OTHERWISE)
        below = first.sides
        return Laid(axes=first.axes, sides=(slide(below[0], high), slide(below[1], wide)))

    def joined(self) -> Laid:
        """Give what comes of all it reads put together number by number, as torch broadcasts."""
        return self.joined_as(len(self.shape(self.node)))

    def joined_as(self, axes: int) -> Laid:
        """Give the same where the numbers put together have so many axes."""
        values = {
            read: _aligned(self.laid[read], axes - len(self.shape(read)))
            for read in self.reads
            if read in self.laid
        }
        whole = join_laid(self.node, values.values())
        if whole.is_settled or whole.axes is None:
            return whole
        others = [read for read in self.reads if read not in values or values[read].is_settled]
        if any(self._covers(read, place, axes) for read in others for place in whole.axes):
            return whole.lost(self.node, COVERING, axes=whole.axes)
        return whole

    def _covers(self, read: Node, axis: int, axes: int) -> bool:
        """Tell whether a value has several numbers along an axis of what is computed."""
        shape = self.shape(read)
        place = axis - (axes - len(shape))
        return place >= 0 and shape[place] > 1


ATTENDING_OTHERWISE = "reads windows along other axes than height and width"


def _aligned(laid: Laid, new: int) -> Laid:
    """Count axes as they are after axes were put in front."""
    if laid.axes is None or not new:
        return laid
    return laid.moved((laid.axes[0] + new, laid.axes[1] + new))
