"""Networks that end at a layer of another one."""

import operator

from torch.fx import GraphModule, Node

from zoo.errors import Unsupported
from zoo.networks.graph import copy_below, describe_node, finish_network, parts_of
from zoo.networks.names import get_layer, name_values


def cut_at(network: GraphModule, at: str) -> GraphModule:
    """Give the network that returns what the layer ``at`` computes, over the same modules.

    ``at`` is a name as ``zoo.networks.names`` has them. All that the layer does not depend on is
    dropped; the network that was cut stays as it was, in evaluation mode.

    Raises:
        LayerNotFound: there is no such layer; near names are told.
        Unsupported: the layer gives several values at once, of which one can be cut at.
    """
    node = get_layer(network, at)
    if parts := _taken_from(node):
        names = name_values(network)
        raise Unsupported(
            f"A network cannot end at {describe_node(network, node)}, which gives several values"
            " at once.",
            hint=f"Cut at one of them: {', '.join(names[part] for part in parts)}",
            layer=at,
        )
    graph, output = copy_below(network, node)
    return finish_network(graph, output, parts_of(network, graph))


def _taken_from(node: Node) -> list[Node]:
    """Give the nodes that each take one value of a node which gives several."""
    users = list(node.users)
    takes = [user.target is operator.getitem and isinstance(user.args[1], int) for user in users]
    return users if users and all(takes) else []
