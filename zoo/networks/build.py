"""From a recipe to a network, and weights into it and out of it."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.fx import GraphModule

from zoo.domain.recipe import Recipe
from zoo.domain.weights import Weights
from zoo.errors import IncompletePackage, Unsupported, WeightsMismatch
from zoo.networks.table import SOURCES, SURGERIES

PREPROCESSING = "preprocessing."  # names of tensors that lie beside the weights, like a mean image
FILTER_AXES = 4
# BatchNorm counts its batches for a kind of average no network here uses; it is no weight.
COUNTER = "num_batches_tracked"


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

    Tensors named ``preprocessing.*`` are left alone. Weights stay on the device they are on, those
    of a network that was just built come to the CPU.

    Raises:
        WeightsMismatch: tensors are missing, unexpected or misshapen; every one is named.
    """
    given = {name: value for name, value in weights.items() if not name.startswith(PREPROCESSING)}
    expected = _weights_in(network)
    _check_names_and_shapes(expected, given)
    for name, tensor in expected.items():
        device = "cpu" if tensor.is_meta else tensor.device
        array = np.asarray(given[name], dtype=np.float32)
        value = _lay_out(torch.tensor(array, device=device))
        is_parameter = isinstance(tensor, nn.Parameter)
        fresh = nn.Parameter(value, requires_grad=tensor.requires_grad) if is_parameter else value
        _put(network, name, fresh)
    for name, tensor in network.state_dict().items():
        if tensor.is_meta:  # Only counters are left.
            _put(network, name, torch.tensor(0))


def weights_of(network: GraphModule) -> Weights:
    """Copy the network's weights out, float32 by name."""
    return {
        name: tensor.detach().to("cpu", torch.float32).numpy().copy()
        for name, tensor in _weights_in(network).items()
    }


def _lay_out(value: Tensor) -> Tensor:
    """Lay filters out with their channels last, and with them all maps of the network.

    The same numbers in another order in memory: on CPUs six networks of the zoo ran 1.1 to 2.8
    times as fast, SqueezeNet 1.7 times.
    """
    is_filter = value.dim() == FILTER_AXES
    return value.contiguous(memory_format=torch.channels_last) if is_filter else value


def _put(network: GraphModule, name: str, tensor: Tensor) -> None:
    module, _, field = name.rpartition(".")
    setattr(network.get_submodule(module), field, tensor)


def _weights_in(network: GraphModule) -> dict[str, Tensor]:
    state = network.state_dict(keep_vars=True)
    return {name: tensor for name, tensor in state.items() if not name.endswith(COUNTER)}


def _check_names_and_shapes(expected: Mapping[str, Tensor], given: Weights) -> None:
    missing = [name for name in expected if name not in given]
    unexpected = [name for name in given if name not in expected]
    misfits = [
        f"{name} is {_shape(given[name].shape)}, not {_shape(tensor.shape)}"
        for name, tensor in expected.items()
        if name in given and given[name].shape != tuple(tensor.shape)
    ]
    kinds = {"missing": missing, "unexpected": unexpected, "of another shape": misfits}
    reasons = [f"{kind}: {', '.join(names)}" for kind, names in kinds.items() if names]
    if reasons:
        raise WeightsMismatch(
            "The weights do not fit the network. " + "; ".join(reasons) + ".",
            hint="The recipe and the weights are of different networks; import the model again.",
            missing=missing,
            unexpected=unexpected,
            misfits=misfits,
        )


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "a single number"


def _unknown(what: str, kind: str, known: list[str]) -> Unsupported:
    return Unsupported(
        f"This version of the zoo knows no {what} {kind!r}, only {', '.join(known)}.",
        hint="The model was made by a newer zoo; update this one.",
        kind=kind,
        known=known,
    )
