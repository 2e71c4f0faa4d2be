"""What the cells of a network's maps see of the picture, and how many there are."""

from torch.fx import GraphModule, Node

from zoo.domain.geometry import Side
from zoo.networks.receptive.tracking import track

__all__ = ["track", "windows_of"]


def windows_of(
    network: GraphModule, shape: tuple[int, int, int], *, has_weights: bool = False
) -> dict[Node, tuple[Side, Side] | None]:
    """Tell for each node how the cells of its map lie over the picture: along height and width.

    ``shape`` is a picture's that the network takes: channels, height, width. None stands where a
    node's value is no map, is of one size for all pictures, or has cells that do not lie evenly.
    A cell that is also weighed by what is read of all the picture, as squeeze-and-excitation does,
    is told as if it were not. ``has_weights`` is as for ``track``.

    Raises:
        Unsupported: the network has several inputs.
    """
    found = track(network, shape, has_weights=has_weights).laid
    none: dict[Node, tuple[Side, Side] | None] = dict.fromkeys(network.graph.nodes)
    return none | {
        node: laid.sides
        for node, laid in found.items()
        if laid.sides is not None and laid.axes is not None and laid.axes[0] != laid.axes[1]
    }
