"""Weights that several layers of a Caffe net have in common: one tensor, its owner's first."""

from collections.abc import Mapping

from torch import Tensor, nn

from zoo.errors import UnsupportedLayers
from zoo.formats.caffe.matching import parameter_prefix, shared_weights
from zoo.formats.caffe.net import InnerProduct, Net


def share_weights(net: Net, modules: Mapping[str, nn.Module]) -> None:
    """Let modules use the tensors of others, as the net's layers share their blobs.

    A state dict lists a shared tensor under the names of all, its owner's first.

    Raises:
        UnsupportedLayers: weights that are to be one tensor differ in shape.
    """
    shared = shared_weights(net)
    turned = _turned(net)
    refused = []
    for borrowed, owned in shared.items():
        module, field = _find(modules, borrowed)
        tensor, expected = getattr(*_find(modules, owned)), getattr(module, field)
        if tensor.shape != expected.shape or turned[_layer(borrowed)] != turned[_layer(owned)]:
            refused.append(f"{borrowed} is {_shape(expected)}, {owned} is {_shape(tensor)}")
            continue
        setattr(module, field, tensor)
    if refused:
        raise UnsupportedLayers(
            "Weights are shared that differ in shape: " + "; ".join(refused) + ".",
            hint="Give the second layer weights of its own, and import again.",
            layers=refused,
        )


def _turned(net: Net) -> dict[str, bool]:
    """Tell which layers read their weight transposed, by the layer's name in a state dict."""
    return {
        parameter_prefix(layer.name): (
            isinstance(layer.parameters, InnerProduct) and layer.parameters.is_transposed
        )
        for layer in net.layers
    }


def _layer(weight: str) -> str:
    return weight.rpartition(".")[0]


def _find(modules: Mapping[str, nn.Module], weight: str) -> tuple[nn.Module, str]:
    name, _, field = weight.rpartition(".")
    return modules[name], field


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "a single number"
