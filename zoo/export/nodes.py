"""A network's graph as ONNX nodes: each of its nodes by what it calls."""

import operator
from collections.abc import Mapping

from torch.fx import GraphModule, Node
from torch.fx.node import map_arg

from zoo.export.functions import FUNCTIONS
from zoo.export.modules import MODULES
from zoo.export.sheet import Place, Shape, Sheet, Values
from zoo.networks.graph import describe_node, find_module, find_tensor, layer_of

ENDS = {"placeholder", "output"}


def write_nodes(
    sheet: Sheet,
    network: GraphModule,
    values: dict[Node, Values],
    shapes: Mapping[Node, Shape],
) -> None:
    """Write all nodes of a graph, and note in ``values`` what each one's value is called.

    ``values`` has the names of the network's inputs; ``shapes`` those that each node gives in a
    trial (``run_shapes``), because a few layers are written by the shapes that they read.

    Raises:
        Unsupported: a layer has no equal in ONNX.
    """
    for node in network.graph.nodes:
        if node.op not in ENDS:
            reads = _arguments(node)
            names = [values[read] for read in reads]
            place = Place(
                sheet=sheet,
                layer=layer_of(node),
                reads=[name for name in names if isinstance(name, str)],
                writes=f"network/{node.name}",
                prefix=str(node.target),
                shapes=[shapes.get(read, ()) for read in reads],
            )
            values[node] = _write_node(place, network, node, names)


def _write_node(place: Place, network: GraphModule, node: Node, names: list[Values]) -> Values:
    if node.target is operator.getitem and isinstance(names[0], tuple):
        return names[0][int(node.args[1])]  # type: ignore[arg-type]  # one of several values
    tensor = find_tensor(network, node)
    if tensor is not None:
        return place.sheet.tensor(place.prefix, tensor, tuple(tensor.shape))
    module = find_module(network, node)
    if module is not None and type(module) in MODULES:
        return MODULES[type(module)](place, module)
    if callable(node.target) and node.target in FUNCTIONS:
        return FUNCTIONS[node.target](place, node)
    raise place.refusal(f"{describe_node(network, node)} has no equal there")


def _arguments(node: Node) -> list[Node]:
    """Give the nodes a node reads, in order and as often as it reads them."""
    found: list[Node] = []
    map_arg((node.args, node.kwargs), found.append)
    return found
