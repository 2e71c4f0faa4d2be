"""Reading a network's graph: its ends, the module and the layer behind a node.

A network is a ``torch.fx.GraphModule`` of standard modules, and of functions where no module says
the same. ``node.meta["layer"]`` is the name of the layer a node was built for,
``node.meta["blob"]`` the name of what it computes. A graph may read tensors too: parameters by the
name the state dict has for them, and constants, which are in no state dict (``mark_constant``).
"""

from collections.abc import Mapping
from operator import attrgetter

from torch import Tensor, nn
from torch.fx import Graph, GraphModule, Node

from zoo.errors import Unsupported

Part = nn.Module | Tensor  # what a node of a graph may name: a module it calls, a tensor it reads
NAMING = {"call_module", "get_attr", "placeholder"}  # nodes whose targets are names in a program
ENDING_QUOTES = {'"', "\\"}
CONSTANT = "constant"  # in ``node.meta``: the tensor read is part of the graph, not of the weights

ONE_EACH = "Classifying needs a network that reads one picture and gives one set of scores."


def find_module(network: GraphModule, node: Node) -> nn.Module | None:
    """Give the module a node calls, or None where it calls a function or nothing."""
    return network.get_submodule(str(node.target)) if node.op == "call_module" else None


def find_tensor(network: GraphModule, node: Node) -> Tensor | None:
    """Give the parameter or constant a node reads, or None where it is no such node."""
    if node.op != "get_attr":
        return None
    found: Tensor = attrgetter(str(node.target))(network)
    return found


def mark_constant(node: Node) -> Node:
    """Mark a node that reads a tensor which is part of the graph, not of the weights."""
    node.meta[CONSTANT] = True
    return node


def layer_of(node: Node) -> str:
    """Name the layer a node was built for."""
    return str(node.meta.get("layer", node.name))


def describe_node(network: GraphModule, node: Node) -> str:
    """Say what a node is, for an error: ``layer 'pool5' (MaxPool2d)``."""
    if node.op == "placeholder":
        return f"the input {node.meta.get('blob', node.name)!r}"
    module = find_module(network, node)
    kind = (
        getattr(node.target, "__name__", node.target) if module is None else type(module).__name__
    )
    return f"layer {layer_of(node)!r} ({kind})"


def get_input(network: GraphModule) -> Node:
    """Give the one node where pictures enter.

    Raises:
        Unsupported: the network reads several inputs, or none.
    """
    inputs: list[Node] = list(network.graph.find_nodes(op="placeholder"))
    if len(inputs) != 1:
        names = [str(node.meta.get("blob", node.name)) for node in inputs]
        raise Unsupported(
            f"The network has {len(inputs)} inputs ({', '.join(names) or 'none'}), not one.",
            hint=ONE_EACH,
            inputs=names,
        )
    return inputs[0]


def get_output(network: GraphModule) -> Node:
    """Give the one node whose value the network returns.

    Raises:
        Unsupported: the network returns several values.
    """
    outputs = network.graph.output_node().all_input_nodes
    if len(outputs) == 1:
        return outputs[0]
    names = [layer_of(node) for node in outputs]
    raise Unsupported(
        f"The network has {len(names)} outputs ({', '.join(names)}), not one.",
        hint=ONE_EACH,
        outputs=names,
    )


def copy_below(network: GraphModule, end: Node) -> tuple[Graph, Node]:
    """Copy all that ``end`` depends on, and itself, to a new graph without an output.

    Returns:
        The graph and the copy of ``end``. Inputs are kept even where nothing reads them.
    """
    needed, waiting = set(network.graph.find_nodes(op="placeholder")), [end]
    while waiting:
        node = waiting.pop()
        if node not in needed or node is end:
            needed.add(node)
            waiting.extend(node.all_input_nodes)
    graph, copies = Graph(), dict[Node, Node]()
    for node in network.graph.nodes:
        if node in needed:
            copies[node] = graph.node_copy(node, lambda given: copies[given])
    return graph, copies[end]


def finish_network(
    graph: Graph, output: Node | tuple[Node, ...], parts: Mapping[str, Part]
) -> GraphModule:
    """Let the graph return ``output`` and bind the parts it names; evaluation mode.

    Raises:
        Unsupported: a part has a name that could be read as a program.
    """
    graph.output(output)
    graph.lint()
    _check_names(graph)
    network = GraphModule(dict(parts), graph, class_name="Network")
    for node in graph.find_nodes(op="get_attr"):
        tensor = parts[str(node.target)]
        if CONSTANT in node.meta and isinstance(tensor, Tensor):
            owner, _, field = str(node.target).rpartition(".")
            network.get_submodule(owner).register_buffer(field, tensor, persistent=False)
    return network.eval()


def _check_names(graph: Graph) -> None:
    """Refuse names that torch.fx, which writes them between quotes into a program, would not quote.

    Readers of files give parts names that are harmless; this holds whoever forgets to.
    """
    for node in graph.nodes:
        name = str(node.target)
        if node.op in NAMING and (not name.isprintable() or ENDING_QUOTES & set(name)):
            raise Unsupported(
                f"A part of the network is called {name!r}, which no part may be.",
                hint="Give that layer a name of letters, digits, '_', '-', '/' and '.'.",
                name=name,
            )


def append_layer(
    graph: Graph, reads: Node, parts: dict[str, Part], name: str, module: nn.Module
) -> Node:
    """Add a module that reads one node, under a name that is its layer's and its blob's too.

    Parts below that name, ``head.norm`` of a library's own ``head``, become its children.

    Raises:
        Unsupported: the network has another part of that name.
    """
    if name in parts:
        raise Unsupported(
            f"The new layer {name!r} cannot be added: the network has another of that name.",
            hint="Give that layer another name in the prototxt and in the weights; import again.",
            layer=name,
        )
    parts[name] = module
    node = graph.call_module(name, (reads,))
    node.meta |= {"layer": name, "blob": name}
    return node


def parts_of(network: GraphModule, graph: Graph) -> dict[str, Part]:
    """Give what ``graph``, a part of the network's own, names of it: modules and tensors."""
    named = {
        str(node.target): node for node in graph.nodes if node.op in {"call_module", "get_attr"}
    }
    return {name: attrgetter(name)(network) for name in named}
