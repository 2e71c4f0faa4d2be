"""From a recipe to a network, and weights into it and out of it."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.fx import GraphModule

from zoo.domain.recipe import Recipe
from zoo.domain.weights import Array, Weights
from zoo.errors import IncompletePackage, Unsupported
from zoo.networks.misfit import COUNTER, compare
from zoo.networks.table import SOURCES, SURGERIES

PREPROCESSING = "preprocessing."  # names of tensors that lie beside the weights, like a mean image
FILTER_AXES = 4


def build_network(recipe: Recipe, files: Mapping[str, Path]) -> GraphModule:
    """Build the network of a recipe in evaluation mode, without weights.

    ``files`` gives the revision's files by their path in it.

    Raises:
        IncompletePackage: the file the source names is not among them.
        Unsupported: the source or a surgery is of a kind this version does not know.
    """
    source = recipe.source
    if source.kind not in SOURCES:
        raise _unknown("source", source.kind, list(SOURCES))
    if source.path and source.path not in files:
        raise IncompletePackage(
            f"The network is described by {source.path!r}, which is not among the files.",
            hint="Restore that file, or import the model again.",
            path=source.path,
        )
    network = SOURCES[source.kind](source, files)
    for surgery in recipe.surgeries:
        if surgery.kind not in SURGERIES:
            raise _unknown("surgery", surgery.kind, list(SURGERIES))
        network = SURGERIES[surgery.kind](network, surgery)
    return network


def load_weights(network: GraphModule, weights: Weights) -> None:
    """Give the network its weights, as copies; names and shapes must be the same on both sides.

    A tensor that the network reads under several names may be given under any of them. Tensors
    named ``preprocessing.*`` and the counters of batch normalisation are left alone. Each tensor is
    copied once, straight to where it stays, whatever its type and place in memory. Weights stay on
    the device they are on, those of a network that was just built come to the CPU.

    Raises:
        WeightsMismatch: tensors are missing, unexpected or misshapen; they are named, and the
            likely cause with them.
    """
    given = {name: value for name, value in weights.items() if not name.startswith(PREPROCESSING)}
    shared = _weights_in(network)
    compare({names: tensor.shape for names, tensor in shared.items()}, given)
    for names, tensor in shared.items():
        value = _copy(given[next(name for name in names if name in given)], tensor)
        if isinstance(tensor, nn.Parameter):
            value = nn.Parameter(value, requires_grad=tensor.requires_grad)
        for name in names:
            _put(network, name, value)
    for name, tensor in network.state_dict().items():
        if tensor.is_meta:  # Only counters are left.
            _put(network, name, torch.tensor(0))


def weights_of(network: GraphModule) -> Weights:
    """Copy the network's weights out by name: float32, and whole numbers as they are.

    A tensor that is read under several names comes under the first of them.
    """
    return {
        names[0]: tensor.detach().to("cpu", _kind_of(tensor)).contiguous().numpy().copy()
        for names, tensor in _weights_in(network).items()
    }


def _kind_of(tensor: Tensor) -> torch.dtype:
    """Give the type that a tensor has in a network: float32 for every floating one."""
    return torch.float32 if tensor.is_floating_point() else tensor.dtype


def _copy(array: Array, like: Tensor) -> Tensor:
    """Copy an array to where the network reads it, its filters with their channels last.

    The same numbers in another order in memory: on CPUs six networks of the zoo ran 1.1 to 2.8
    times as fast, SqueezeNet 1.7 times.
    """
    is_filter = like.dim() == FILTER_AXES
    layout = torch.channels_last if is_filter else torch.contiguous_format
    value = torch.empty(tuple(like.shape), dtype=_kind_of(like), memory_format=layout)
    np.copyto(value.numpy(), array, casting="unsafe")
    return value if like.is_meta else value.to(like.device)


def _put(network: GraphModule, name: str, tensor: Tensor) -> None:
    module, _, field = name.rpartition(".")
    setattr(network.get_submodule(module), field, tensor)


def _weights_in(network: GraphModule) -> dict[tuple[str, ...], Tensor]:
    """Give each tensor of the network once, under all its names; first what a state dict has."""
    state = network.state_dict(keep_vars=True)
    parameters = network.named_parameters(remove_duplicate=False)
    every = (*state.items(), *parameters, *network.named_buffers(remove_duplicate=False))
    names: dict[int, dict[str, None]] = {}  # sets that keep their order
    for name, tensor in every:
        names.setdefault(id(tensor), {})[name] = None
    return {
        tuple(names[id(tensor)]): tensor
        for name, tensor in state.items()
        if not name.endswith(COUNTER)
    }


def _unknown(what: str, kind: str, known: list[str]) -> Unsupported:
    return Unsupported(
        f"This version of the zoo knows no {what} {kind!r}, only {', '.join(known)}.",
        hint="The model was made by a newer zoo; update this one.",
        kind=kind,
        known=known,
    )
