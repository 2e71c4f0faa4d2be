"""How a layer of a network is called: names that stay the same however the network is built.

A layer is called what its source calls it: Caffe's layer, the library's module, the node of an
ONNX graph. ``name`` alone is what the layer gives where it is called last; ``name:2`` is the second
of the values it gives, where it is called several times or gives several at once. What a layer
writes in Caffe, a blob, has a name of its own; it is understood too where one layer writes it.
"""

import operator
from collections.abc import Mapping

from torch.fx import GraphModule, Node

from zoo.domain.layers import unknown_layer
from zoo.errors import LayerNotFound
from zoo.networks.graph import layer_of

NO_LAYERS = {"get_attr", "output", "placeholder"}  # of a graph's nodes


def list_layer_names(network: GraphModule) -> list[str]:
    """List the names of the layers in the order of their first call, each once."""
    return list(_layers(network))


def name_values(network: GraphModule) -> dict[Node, str]:
    """Name every value that a layer gives, in the order of the graph; ``get_layer`` finds it so.

    That is the layer's name where it gives one value, and ``name:1``, ``name:2`` where it gives
    several.
    """
    layers = _layers(network)
    named = {
        node: name if len(values) == 1 else _numbered(name, number, layers)
        for name, values in layers.items()
        for number, node in enumerate(values, 1)
    }
    return {node: named[node] for node in network.graph.nodes if node in named}


def get_layer(network: GraphModule, name: str) -> Node:
    """Give the node of the value that a name stands for.

    Raises:
        LayerNotFound: there is no such layer, with the names near it; or the name stands for
            several values.
    """
    layers = _layers(network)
    if name in layers:
        return _last_call(name, layers[name])
    values = {found: node for node, found in name_values(network).items()}
    if name in values:
        return values[name]
    written = [node for node in values.values() if node.meta.get("blob") == name]
    if len(written) > 1:
        writers = list(dict.fromkeys(map(layer_of, written)))
        raise _several(name, "is written by", writers)
    if not written:
        raise _unknown(network, name)
    return written[0]


def call_of(node: Node) -> Node:
    """Give the node that calls a value's layer: itself, or what it takes one of several from."""
    if node.target is operator.getitem:
        taken_from = node.all_input_nodes[0]
        if layer_of(taken_from) == layer_of(node):
            return taken_from
    return node


def _layers(network: GraphModule) -> dict[str, list[Node]]:
    """Give the values of every layer: its nodes with a blob, or all where none has any."""
    nodes: dict[str, list[Node]] = {}
    for node in network.graph.nodes:
        if node.op not in NO_LAYERS:
            nodes.setdefault(layer_of(node), []).append(node)
    return {
        name: [node for node in found if "blob" in node.meta] or found
        for name, found in nodes.items()
    }


def _numbered(name: str, number: int, taken: Mapping[str, object]) -> str:
    """Number a layer's value, in a way that is no other layer's name."""
    mark = ":"
    while f"{name}{mark}{number}" in taken:
        mark += ":"
    return f"{name}{mark}{number}"


def _last_call(name: str, values: list[Node]) -> Node:
    """Give the value of a layer's last call; of several at once the one that is called as it is."""
    last = [node for node in values if call_of(node) is call_of(values[-1])]
    own = [node for node in last if node.meta.get("blob") == name]
    if len(last) > 1 and not own:
        raise _several(name, "gives", [str(node.meta.get("blob", node.name)) for node in last])
    return last[-1] if len(last) == 1 else own[-1]


def _several(name: str, what: str, found: list[str]) -> LayerNotFound:
    told = ", ".join(map(repr, found))
    return LayerNotFound(
        f"{name!r} is no one value of the network: it {what} {told}.",
        hint="Name one of these. See: zoo show MODEL --layers",
        layer=name,
        near=found,
    )


def _unknown(network: GraphModule, name: str) -> LayerNotFound:
    layers, values = list_layer_names(network), name_values(network)
    blobs = [str(node.meta["blob"]) for node in values if "blob" in node.meta]
    inputs = {node.meta.get("blob") for node in network.graph.find_nodes(op="placeholder")}
    return unknown_layer(name, layers, [*values.values(), *blobs], is_input=name in inputs)
