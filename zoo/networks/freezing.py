"""Layers that training leaves as they are, to the bit."""

from collections import Counter
from collections.abc import Mapping
from operator import attrgetter

from torch import Tensor, nn
from torch.fx import Graph, GraphModule

from zoo.errors import Unsupported
from zoo.networks.graph import Part, copy_below
from zoo.networks.layers import StochasticPool2d, UnscaledDropout
from zoo.networks.names import get_layer
from zoo.networks.tracing import StochasticDepth

# What has no tensors, and yet does something else while training.
DRAWING = (
    nn.AlphaDropout,
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Dropout3d,
    nn.FeatureAlphaDropout,
    nn.RReLU,
    StochasticDepth,
    StochasticPool2d,
    UnscaledDropout,
)


class Still:
    """Stands for a module's ``train``: the module stays in evaluation mode, whatever is asked."""

    __slots__ = ("module",)

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def __call__(self, mode: bool = True) -> nn.Module:  # noqa: FBT001, FBT002  # torch's own signature
        """Leave the module as it is."""
        del mode
        return self.module


def freeze_up_to(network: GraphModule, at: str) -> tuple[str, ...]:
    """Freeze the layer ``at`` and all that it depends on; give the names of the frozen tensors.

    What is below is told by the graph, not by names or their order. Its parameters need no gradient
    any more. Its modules stay in evaluation mode even where the network is put into training mode,
    so that batch normalisation uses the statistics it has, and keeps them, and dropout drops
    nothing. Copies of the network stay frozen too. The names are the state dict's, buffers among
    them, in its order.

    Raises:
        LayerNotFound: there is no such layer; near names are told.
        Unsupported: a layer above it is called below too, or shares a weight; what is to stay
            cannot be what is to change.
    """
    frozen = find_frozen(network, at)
    for part in frozen.values():
        for tensor in _weights(part):
            tensor.requires_grad_(False)
        for module in part.modules() if isinstance(part, nn.Module) else ():
            module.eval()
            vars(module)["train"] = Still(module)
    tensors = {id(tensor) for part in frozen.values() for tensor in _tensors(part)}
    state = network.state_dict(keep_vars=True)
    return tuple(name for name, tensor in state.items() if id(tensor) in tensors)


def find_frozen(network: GraphModule, at: str) -> dict[str, Part]:
    """Give what ``freeze_up_to`` would freeze, modules and tensors by name; nothing is changed.

    Raises:
        LayerNotFound, Unsupported: as it does.
    """
    below, _ = copy_below(network, get_layer(network, at))
    lower = Counter(_named(below))
    frozen: dict[str, Part] = {name: attrgetter(name)(network) for name in lower}
    _refuse_shared(at, frozen, {name: attrgetter(name)(network) for name in _above(network, lower)})
    return frozen


def _named(graph: Graph) -> list[str]:
    """Give the parts a graph names, modules and tensors, once for each node that does."""
    return [str(node.target) for node in graph.nodes if node.op in {"call_module", "get_attr"}]


def _above(network: GraphModule, lower: Counter[str]) -> list[str]:
    """Give the parts that the rest of a network names."""
    return list(Counter(_named(network.graph)) - lower)


def _refuse_shared(at: str, frozen: Mapping[str, Part], trained: Mapping[str, Part]) -> None:
    owners = {id(each): name for name, part in frozen.items() for each in _changing(part)}
    shared = {
        name: owners[id(each)]
        for name, part in trained.items()
        for each in _changing(part)
        if id(each) in owners
    }
    if not shared:
        return
    told = ", ".join(
        f"{name!r} again" if name == owner else f"{name!r} shares with {owner!r}"
        for name, owner in shared.items()
    )
    raise Unsupported(
        f"Layers up to {at!r} cannot be frozen alone; layers above use what is theirs: {told}.",
        hint="Freeze up to a layer that comes after all of these.",
        at=at,
        layers=list(shared),
    )


def _changing(part: Part) -> list[nn.Module | Tensor]:
    """Give what training would change or treat otherwise: weights, statistics, what draws."""
    if isinstance(part, Tensor):
        return list(_weights(part))
    return [*_tensors(part), *(each for each in part.modules() if isinstance(each, DRAWING))]


def _weights(part: Part) -> list[nn.Parameter]:
    if isinstance(part, nn.Module):
        return list(part.parameters())
    return [part] if isinstance(part, nn.Parameter) else []


def _tensors(part: Part) -> list[Tensor]:
    return [part] if isinstance(part, Tensor) else [*part.parameters(), *part.buffers()]
