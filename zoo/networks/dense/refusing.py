"""How it is said that a network cannot be made dense."""

from torch.fx import GraphModule, Node

from zoo.errors import BoundToOneSize
from zoo.networks.graph import describe_node, layer_of

HINT = (
    "Networks whose layers read windows around each place, and whose classifier reads a flattened"
    " or pooled map, can be made dense; this one can be used at its own size."
)


def refusal(network: GraphModule, node: Node, why: str) -> BoundToOneSize:
    """Word the error: which layer, and what of it is bound to one size of picture."""
    return BoundToOneSize(
        f"The network cannot be made dense: {describe_node(network, node)} {why}.",
        hint=HINT,
        layer=layer_of(node),
        why=why,
    )
