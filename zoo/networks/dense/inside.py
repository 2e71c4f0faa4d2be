"""What lies around the picture: a border of zeros put there, cells that see padding left out."""

from torch import nn
from torch.fx import Graph, GraphModule, Node

from zoo.domain.geometry import Side
from zoo.networks.graph import (
    Part,
    append_layer,
    copy_below,
    finish_network,
    get_output,
    parts_of,
)
from zoo.networks.layers import CropInside
from zoo.networks.onnx.layers import Pad
from zoo.networks.receptive.laid import Sides

BORDER, INSIDE = "border", "inside"


def add_border(graph: Graph, picture: Node, parts: dict[str, Part], border_px: int) -> Node:
    """Put so many zeros around what the network reads, on all four sides."""
    if not border_px:
        return picture
    pad = Pad(pads=(border_px,) * 4, mode="constant", value=0.0)
    return append_layer(graph, picture, parts, BORDER, pad)


def keep_cells_inside(network: GraphModule, sides: Sides, border_px: int) -> GraphModule:
    """Give the network that returns those cells alone whose windows lie inside the picture.

    A cell whose window lies wholly inside the picture depends on no padding of any layer: a place
    that a layer pads with would have a window of its own that ends before the picture or behind it.
    So these cells are what the network gives for their windows without any padding. A border that
    was put around the picture is part of it here. The cut comes before the softmax that the network
    ends in.
    """
    reach = [side.start_px + border_px + side.window_px for side in sides]
    first = [max(-((side.start_px + border_px) // side.stride_px), 0) for side in sides]
    if all(_is_inside(*each, border_px) for each in zip(sides, reach, first, strict=True)):
        return network
    crop = CropInside(
        stride=(sides[0].stride_px, sides[1].stride_px),
        reach=(reach[0], reach[1]),
        first=(first[0], first[1]),
    )
    graph, end = copy_below(network, get_output(network))
    parts = parts_of(network, graph)
    (picture,) = graph.find_nodes(op="placeholder")
    if border_px:
        (picture,) = graph.find_nodes(op="call_module", target=BORDER)
    softmax = end
    while not isinstance(parts.get(str(softmax.target)), nn.Softmax):
        softmax = softmax.all_input_nodes[0]
    (scores,) = softmax.all_input_nodes
    cropped = append_layer(graph, scores, parts, INSIDE, crop)
    cropped.args = (scores, picture)
    softmax.prepend(cropped)
    softmax.replace_input_with(scores, cropped)
    return finish_network(graph, end, parts)


def _is_inside(side: Side, reach: int, first: int, border_px: int) -> bool:
    """Tell whether no cell of a side sees padding, for pictures of any size."""
    return first == 0 and side.shift_px - 2 * border_px == side.stride_px - reach
