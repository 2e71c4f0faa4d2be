"""Follows height and width through a network, from the picture to its end."""

from dataclasses import dataclass, field, replace

from torch.fx import GraphModule, Node

from zoo.networks.graph import find_module, get_input
from zoo.networks.onnx.layers import Repeat
from zoo.networks.probing import Shapes, compute_shape, try_shape
from zoo.networks.receptive import functions
from zoo.networks.receptive.call import Call
from zoo.networks.receptive.laid import MAP_AXES, UNKNOWN, Laid
from zoo.networks.receptive.modules import lay_module, reads_all
from zoo.networks.receptive.sides import PICTURE, hold

TWO = 2  # pictures; one alone would be taken for a row among others


@dataclass(slots=True)
class Track:
    """How the values of a network lie over the picture."""

    shapes: Shapes  # of two pictures of the native size
    laid: dict[Node, Laid] = field(default_factory=dict)  # what depends on the picture
    gates: set[Node] = field(default_factory=set)  # read all of a map for others to be weighed by
    least: dict[Node, tuple[int, int]] = field(default_factory=dict)  # pixels, for what is pooled
    all_readers: set[Node] = field(default_factory=set)  # read all of a map and keep its size

    @property
    def whole(self) -> set[Node]:
        """Give the layers that let a cell depend on all of the picture."""
        return self.gates | self.all_readers


def track(network: GraphModule, shape: tuple[int, int, int], *, has_weights: bool = False) -> Track:
    """Follow a network of one input, for pictures of this shape: channels, height, width.

    Where it ``has_weights``, two pictures of that shape are computed, which takes less time.

    Raises:
        Unsupported: it has several inputs.
    """
    picture = get_input(network)
    tell = compute_shape if has_weights else try_shape
    found = Track(tell(network, (TWO, *shape)).shapes)
    found.laid[picture] = Laid(axes=MAP_AXES, sides=(PICTURE, PICTURE))
    for node in network.graph.nodes:
        if node in found.shapes and node is not picture:
            laid = _lay(Call(network, node, found.shapes, found.laid))
            if laid is not None:
                found.laid[node] = _note(found, network, node, laid)
    return found


def _lay(call: Call) -> Laid | None:
    """Tell how a node's value lies; None where it does not depend on the picture's numbers."""
    reads = [call.laid[read] for read in call.reads if read in call.laid]
    module = call.module
    if not reads or isinstance(module, Repeat):
        return None
    laid = functions.lay_function(call) if module is None else lay_module(call, module)
    if laid is not None:
        return laid
    settled = [read for read in reads if read.is_settled]
    if len(settled) == len(reads):
        return Laid(axes=None, pooled=frozenset().union(*(read.pooled for read in settled)))
    spread = next(read for read in reads if not read.is_settled)
    return spread.lost(call.node, UNKNOWN)


def _note(found: Track, network: GraphModule, node: Node, laid: Laid) -> Laid:
    """Note who has read all of a map on the way to this value, and what that asks of pictures."""
    reads = [found.laid[read] for read in node.all_input_nodes if read in found.laid]
    if laid.is_settled:
        maps = [read.sides for read in reads if read.sides is not None]
        if node in laid.pooled and maps:
            found.least[node] = maps[0][0].smallest_px, maps[0][1].smallest_px
        return laid
    if laid.sides is None:
        return replace(laid, pooled=frozenset())
    gates = {pool for read in reads if read.is_settled for pool in read.pooled}
    found.gates.update(gates)
    if reads_all(find_module(network, node)) or node.target in functions.READING_ALL:
        found.all_readers.add(node)
    high, wide = laid.sides
    for pool in gates & found.least.keys():
        high, wide = hold(high, found.least[pool][0]), hold(wide, found.least[pool][1])
    return replace(laid, sides=(high, wide), pooled=frozenset())
