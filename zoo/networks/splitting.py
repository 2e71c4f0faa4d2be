"""A network in two: what is below a layer, and what goes on from there."""

from torch.fx import Graph, GraphModule

from zoo.errors import Unsupported
from zoo.networks.cutting import cut_at
from zoo.networks.graph import finish_network, parts_of
from zoo.networks.inventory import list_layers
from zoo.networks.names import get_layer, name_values
from zoo.networks.stages import find_necks, list_stages

BOUNDARY = "boundary"


def split_at(network: GraphModule, at: str) -> tuple[GraphModule, GraphModule]:
    """Give the network up to the layer ``at``, and the one that reads what that gives.

    Both are over the same modules; one after the other they compute what the network computes.

    Raises:
        LayerNotFound: there is no such layer; near names are told.
        Unsupported: what comes after it needs other values of before, too.
    """
    node = get_layer(network, at)
    necks = list(find_necks(network))
    if node not in necks:
        names = name_values(network)
        told = [names[neck] for neck in necks if neck in names]
        raise Unsupported(
            f"The network cannot be divided at {at!r}: what follows needs other values besides.",
            hint=f"Divide it at one of these: {', '.join(told) or 'none'}",
            layer=at,
        )
    lower = cut_at(network, at)
    upper = Graph()
    copies = {node: upper.placeholder(BOUNDARY)}
    for each in network.graph.nodes:
        is_above = all(read in copies for read in each.all_input_nodes)
        if each is not node and each.op not in {"placeholder", "output"} and is_above:
            copies[each] = upper.node_copy(each, copies.__getitem__)
    needed = {copies[read] for read in network.graph.output_node().all_input_nodes}
    for copy in reversed(list(upper.nodes)):
        if not copy.users and copy not in needed and copy.op != "placeholder":
            upper.erase_node(copy)
    returned = network.graph.output_node().args[0]
    ends = tuple(copies[read] for read in network.graph.output_node().all_input_nodes)
    output = ends if isinstance(returned, tuple) else ends[0]
    return lower, finish_network(upper, output, parts_of(network, upper))


def find_boundary(network: GraphModule, shape: tuple[int, ...], share: float) -> str:
    """Name the lowest layer that the network can be divided at with ``share`` of its cost below.

    ``shape`` is the picture's, C x H x W; the cost is counted in multiply-adds. The last stage with
    filters always lies above.

    Raises:
        Unsupported: no layer with filters lies below another.
    """
    rows = {row.name: row.macs for row in list_layers(network, shape)}
    total = sum(rows.values()) or 1
    ends = [stage.end for stage in list_stages(network)][:-1]
    if not ends:
        raise Unsupported(
            "The network has one weighted layer only, so no part of it can be frozen.",
            hint="Train all of it: --strategy lp-ft",
        )
    done = 0
    for name, macs in rows.items():
        done += macs
        if name in ends and done >= share * total:
            return name
    return ends[-1]
