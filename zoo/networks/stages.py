"""The stages of a network: its weighted layers from below, each with the place where it ends."""

from collections.abc import Iterator
from dataclasses import dataclass

from torch.fx import GraphModule, Node

from zoo.networks.graph import find_module, find_tensor
from zoo.networks.names import name_values


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Weighted layers, and what follows them until the next ones."""

    layers: tuple[str, ...]  # those with filters, by name; several where they lie side by side
    end: str  # the last value of the stage that all further ones are computed from


def list_stages(network: GraphModule) -> tuple[Stage, ...]:
    """List the stages from the input to the output; the last one holds the classifier.

    A stage ends where a single value goes on, right before the next weighted layer: behind the
    ReLU, the pooling and the normalisation that belong to it. Branches are inside of one stage, so
    that a network frozen up to ``end`` has whole blocks frozen. A normalisation at the head of a
    branch belongs to the block that it begins.
    """
    names = name_values(network)
    necks = set(find_necks(network))
    stages: list[Stage] = []
    layers: list[str] = []
    end = ""
    for node in network.graph.nodes:
        if _is_weighted(network, node):
            if end and layers:
                stages.append(Stage(layers=tuple(layers), end=end))
                layers, end = [], ""
            layers.append(names.get(node, node.name))
        if layers and node in necks and node in names:
            end = names[node]
    if layers and end:
        stages.append(Stage(layers=tuple(layers), end=end))
    return tuple(stages)


def find_necks(network: GraphModule) -> Iterator[Node]:
    """Find the values that everything after them is computed from, and nothing else before them.

    A node is one if, once it is computed, it alone is still needed. Tensors that belong to the
    network are no values.
    """
    nodes = [node for node in network.graph.nodes if node.op != "output"]
    number = {node: index for index, node in enumerate(network.graph.nodes)}
    open_until = -1  # the last place where a value of before is needed
    for node in nodes:
        if node.op == "get_attr" and find_tensor(network, node) is not None:
            continue
        if open_until <= number[node]:
            yield node
        open_until = max([open_until, *(number[user] for user in node.users)])


def _is_weighted(network: GraphModule, node: Node) -> bool:
    """Tell whether a node has filters: a parameter of at least two axes."""
    module = find_module(network, node)
    if module is not None:
        return any(weight.dim() > 1 for weight in module.parameters())
    tensor = find_tensor(network, node) if node.op == "get_attr" else None
    return tensor is not None and tensor.dim() > 1
