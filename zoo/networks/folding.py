"""Batch normalisation folded into the weighted layers it follows."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.fx import Graph, GraphModule, Node

from zoo.networks import layers
from zoo.networks.graph import Part, find_module, finish_network, layer_of, parts_of

Weighted = nn.Conv2d | nn.ConvTranspose2d | nn.Linear

WEIGHTED = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
FOLDED = (*NORMS, layers.Scale, layers.Bias)
# What a convolution is made of, beside its numbers.
SETTINGS = (
    "in_channels",
    "out_channels",
    "kernel_size",
    "stride",
    "padding",
    "dilation",
    "groups",
    "padding_mode",
)
# What gives rows of numbers where it reads rows.
KEEPING_ROWS = (nn.BatchNorm1d, nn.Dropout, nn.Identity, nn.Linear, nn.ReLU, nn.ReLU6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Folding:
    """What folding does to a network, by the names of its layers."""

    folded: tuple[str, ...]  # normalisations, scales and biases that vanish
    stayed: tuple[str, ...]  # batch normalisations that do not


def fold_batch_norm(network: GraphModule) -> GraphModule:
    """Give the network without batch normalisations that follow a weighted layer.

    y = gamma * (W x + b - mean) / sqrt(var + eps) + beta is one layer of the weights
    W * gamma / sqrt(var + eps) and the bias (b - mean) * gamma / sqrt(var + eps) + beta (Ioffe and
    Szegedy, Batch Normalization, 2015, algorithm 2, line 11). The weighted layer, a Conv2d,
    ConvTranspose2d or Linear, keeps its name and has a bias then; a BatchNorm1d or BatchNorm2d
    right after it, and Caffe's Scale and Bias of one number a channel or one for all, vanish.
    Numbers are computed in float64 and kept in the type they had. The network given stays as it
    was. Weights that are unset stay so: then the structure alone is made.

    A layer stays where something else reads the value before it, and where the weighted layer is
    called twice or shares its weights. Normalisations on the input, after a pooling or before a
    convolution stay too: where the convolution pads with zeros, no bias can stand for what they
    add; where it does not pad, one could, and it stays all the same.
    """
    found = find_folded(network)
    graph, values = Graph(), dict[Node, Node]()
    for node in network.graph.nodes:
        if node in found:
            values[node] = values[found[node]]
        elif node.op != "output":
            values[node] = graph.node_copy(node, values.__getitem__)
    parts = parts_of(network, graph)
    for node, weighted in found.items():
        name, step = str(weighted.target), find_module(network, node)
        parts[name] = _fold(parts[name], step)
    outputs = tuple(values[node] for node in network.graph.output_node().all_input_nodes)
    return finish_network(graph, outputs[0] if len(outputs) == 1 else outputs, parts)


def tell_folding(network: GraphModule) -> Folding:
    """Tell which layers ``fold_batch_norm`` lets vanish, and which batch normalisations stay."""
    found = find_folded(network)
    norms = [node for node in network.graph.nodes if type(find_module(network, node)) in NORMS]
    return Folding(
        folded=tuple(layer_of(node) for node in found),
        stayed=tuple(layer_of(node) for node in norms if node not in found),
    )


def find_folded(network: GraphModule) -> dict[Node, Node]:
    """Give each node that can be folded, in order, with the weighted layer it is folded into."""
    unshared = _unshared(network)
    found: dict[Node, Node] = {}
    for node in network.graph.nodes:
        step = find_module(network, node)
        if type(step) not in FOLDED:
            continue
        read = node.all_input_nodes[0]
        weighted = found.get(read, read)
        if weighted in unshared and len(read.users) == 1 and _fits(network, weighted, step):
            found[node] = weighted
    return found


def _unshared(network: GraphModule) -> set[Node]:
    """Give the weighted layers that are called once and whose weights nothing else reads."""
    calls = Counter(node.target for node in network.graph.nodes)
    named = dict(network.named_parameters(remove_duplicate=False))
    readers = Counter(id(tensor) for tensor in named.values())
    readers.update(
        id(named[str(node.target)])
        for node in network.graph.find_nodes(op="get_attr")
        if node.target in named
    )
    return {
        node
        for node in network.graph.find_nodes(op="call_module")
        if calls[node.target] == 1 and _is_alone(network.get_submodule(str(node.target)), readers)
    }


def _is_alone(module: nn.Module, readers: Mapping[int, int]) -> bool:
    """Tell whether a module is a weighted layer whose tensors nothing else reads."""
    is_weighted = type(module) in WEIGHTED
    return is_weighted and all(readers[id(tensor)] == 1 for tensor in module.parameters())


def _fits(network: GraphModule, weighted: Node, step: nn.Module | None) -> bool:
    """Tell whether a step has one number for each of a weighted layer's outputs, or for all."""
    module = find_module(network, weighted)
    assert isinstance(module, Weighted)
    if isinstance(module, nn.Linear) and not _gives_rows(network, weighted):
        return False
    return _covered(step) in {(), (_outputs(module),)}


def _covered(step: nn.Module | None) -> tuple[int, ...] | None:
    """Tell the shape of a step's numbers from axis 1 on; None where it has none there."""
    if isinstance(step, NORMS):
        return None if step.running_mean is None else (step.num_features,)
    assert isinstance(step, layers.Scale | layers.Bias)
    numbers = step.bias if isinstance(step, layers.Bias) else step.weight
    return tuple(numbers.shape) if step.axis == 1 or not numbers.shape else None


def _gives_rows(network: GraphModule, node: Node) -> bool:
    """Tell whether a node's values are N x D for sure; axis 1 of tokens is another one."""
    if node.op == "placeholder":
        return len(node.meta.get("shape", ())) == 2  # noqa: PLR2004  # pictures, numbers
    module = find_module(network, node)
    if isinstance(module, nn.Flatten):
        return (module.start_dim, module.end_dim) == (1, -1)
    if not isinstance(module, KEEPING_ROWS) or node.meta.get("axis", 1) != 1:
        return False
    return _gives_rows(network, node.all_input_nodes[0])


def _outputs(module: Weighted) -> int:
    return module.out_features if isinstance(module, nn.Linear) else module.out_channels


def _fold(weighted: Part, step: nn.Module | None) -> Weighted:
    """Give a new layer that computes both."""
    assert isinstance(weighted, Weighted)
    factor, shift = _line(step)
    is_unset = any(each.is_meta for each in (weighted.weight, factor, shift))
    device = torch.device("meta") if is_unset else weighted.weight.device
    factor = factor.to(device).expand(_outputs(weighted))
    bias = shift.to(device)
    if weighted.bias is not None:
        bias = weighted.bias.detach().to(device, torch.float64) * factor + bias
    weight = _spread(factor, weighted) * weighted.weight.detach().to(device, torch.float64)
    folded = _with_bias(weighted)
    folded.weight = _as_parameter(weight, weighted.weight)
    folded.bias = _as_parameter(bias.expand_as(factor).contiguous(), weighted.weight)
    return folded


def _line(step: nn.Module | None) -> tuple[Tensor, Tensor]:
    """Give what a step multiplies by, and what it adds then, in float64: one number, or each."""
    if isinstance(step, NORMS):
        assert step.running_mean is not None
        assert step.running_var is not None
        factor = _exact(step.weight, 1) * (step.running_var.double() + step.eps).rsqrt()
        return factor, _exact(step.bias, 0) - step.running_mean.double() * factor
    if isinstance(step, layers.Scale):
        return _exact(step.weight, 1), _exact(step.bias, 0)
    assert isinstance(step, layers.Bias)
    return torch.ones_like(step.bias, dtype=torch.float64), _exact(step.bias, 0)


def _exact(numbers: Tensor | None, otherwise: float) -> Tensor:
    if numbers is None:
        return torch.tensor(otherwise, dtype=torch.float64)
    return numbers.detach().double()


def _spread(factor: Tensor, weighted: Weighted) -> Tensor:
    """Put a number for each output where its weights lie."""
    if isinstance(weighted, nn.ConvTranspose2d):  # inputs x outputs of a group x height x width
        of_groups = factor.reshape(weighted.groups, 1, -1)
        inputs = weighted.in_channels // weighted.groups
        return of_groups.expand(-1, inputs, -1).reshape(weighted.in_channels, -1, 1, 1)
    return factor.reshape(-1, *(1,) * (weighted.weight.dim() - 1))


def _with_bias(weighted: Weighted) -> Weighted:
    """Give an unset layer like this one that has a bias."""
    if isinstance(weighted, nn.Linear):
        return nn.Linear(weighted.in_features, weighted.out_features, device="meta")
    given = {name: getattr(weighted, name) for name in SETTINGS}
    if isinstance(weighted, nn.ConvTranspose2d):
        given["output_padding"] = weighted.output_padding
    return type(weighted)(**given, device="meta")


def _as_parameter(numbers: Tensor, like: Tensor) -> nn.Parameter:
    return nn.Parameter(numbers.to(like.dtype), requires_grad=like.requires_grad)
