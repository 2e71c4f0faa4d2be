"""Caffe networks as ``torch.fx`` graphs of standard modules, named as their layers are."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.fx import Graph, GraphModule, Node

from zoo.domain.recipe import Source
from zoo.errors import UnsupportedLayers
from zoo.formats.caffe.matching import parameter_prefix
from zoo.formats.caffe.net import (
    LRN,
    BatchNorm,
    Concat,
    Convolution,
    Dropout,
    Flatten,
    InnerProduct,
    Layer,
    Net,
    Pooling,
    ReLU,
    Scale,
    Softmax,
)
from zoo.formats.caffe.reading import read_net, read_text
from zoo.formats.caffe.shapes import LayerShapes, Shape, infer_shapes
from zoo.networks import layers
from zoo.networks.graph import finish_network

# Numbers come from a checkpoint; drawing random ones first would only cost time, and a weight
# that was never loaded should fail loudly instead of predicting.
UNSET = "meta"
# A module of such a name would hide, or be hidden by, a part of the network object itself.
TAKEN = frozenset(dir(GraphModule({}, Graph())))
FLAT = 2


def read_caffe(source: Source, files: Mapping[str, Path]) -> GraphModule:
    """Build the network that the source's prototxt describes."""
    return build_caffe(read_net(read_text(files[source.path]), name=source.path))


def build_caffe(net: Net) -> GraphModule:
    """Build the network of a Caffe net, its weights unset until ``load_weights``.

    Submodules are named by ``parameter_prefix``, so the state dict has the names of ``to_weights``.
    In-place layers are nodes of their own; the blob's name moves on to them. A net with several
    inputs or outputs takes and returns them in order.

    Raises:
        MalformedPrototxt: sizes do not fit together.
        UnsupportedLayers: layers need what the zoo does not have; every one is named.
    """
    shapes = infer_shapes(net)
    _check_layers(net, shapes)
    modules = _build_modules(net, shapes)
    graph, blobs = Graph(), dict[str, Node]()
    for number, given in enumerate(net.inputs):
        blobs[given.blob] = graph.placeholder(f"input_{number}")
        blobs[given.blob].meta["blob"] = given.blob
    ends: dict[Node, None] = {}  # a set that keeps its order
    for layer in net.layers:
        reads = [blobs[bottom] for bottom in layer.bottoms]
        node = _add_layer(graph, layer, reads, shapes[layer.name].bottoms[0], modules)
        for read in reads:
            ends.pop(read, None)
        ends[node] = None
        blobs[layer.tops[0]] = node
    outputs = tuple(ends)
    network = finish_network(graph, outputs[0] if len(outputs) == 1 else outputs, modules)
    network.meta["name"] = net.name
    return network


def _add_layer(
    graph: Graph, layer: Layer, reads: list[Node], bottom: Shape, modules: dict[str, nn.Module]
) -> Node:
    name = module_name(layer)
    if isinstance(layer.parameters, Concat):
        node = graph.call_function(torch.cat, (reads,), {"dim": layer.parameters.axis})
    elif isinstance(layer.parameters, InnerProduct) and len(bottom) > FLAT:
        modules[name + ":flatten"] = nn.Flatten()
        flat = graph.call_module(name + ":flatten", (reads[0],))
        flat.meta["layer"] = layer.name
        node = graph.call_module(name, (flat,))
    else:
        node = graph.call_module(name, (reads[0],))
    node.meta |= {"layer": layer.name, "blob": layer.tops[0]}
    return node


def _build_modules(net: Net, shapes: Mapping[str, LayerShapes]) -> dict[str, nn.Module]:
    return {
        module_name(layer): MODULES[type(layer.parameters)](
            layer.parameters, shapes[layer.name].bottoms[0]
        )
        for layer in net.layers
        if not isinstance(layer.parameters, Concat)
    }


def module_name(layer: Layer) -> str:
    """Name a layer's module: its parameters' prefix, or beside it where that would hide others."""
    name = parameter_prefix(layer.name)
    return f"{name}:" if name in TAKEN and not isinstance(layer.parameters, WEIGHTED) else name


def _check_layers(net: Net, shapes: Mapping[str, LayerShapes]) -> None:
    """Refuse, all at once, the layers whose options the modules do not have."""
    refused = [
        f"layer {layer.name!r} ({layer.type}) {reason}"
        for layer in net.layers
        for reason in _reasons(layer, len(shapes[layer.name].bottoms[0]))
    ]
    if refused:
        raise UnsupportedLayers(
            "The network cannot be built: " + "; ".join(refused) + ".",
            hint="These options are rare; open an issue with the prototxt to ask for them.",
            layers=refused,
        )


def _reasons(layer: Layer, axes: int) -> list[str]:
    name, parameters = module_name(layer), layer.parameters
    reasons = {
        "reads several blobs": len(layer.bottoms) > 1 and not isinstance(parameters, Concat),
        "writes several blobs": len(layer.tops) != 1,
        "has a name that PyTorch keeps for itself": name in TAKEN,
        **REASONS.get(type(parameters), _no_reasons)(parameters, axes),
    }
    return [reason for reason, holds in reasons.items() if holds]


def _no_reasons(_parameters: object, _axes: int) -> dict[str, bool]:
    return {}


def _axis_reasons(parameters: InnerProduct | Scale, axes: int) -> dict[str, bool]:
    return {f"has axis {parameters.axis}, not 1": parameters.axis % axes != 1}


def _lrn_reasons(parameters: LRN, _axes: int) -> dict[str, bool]:
    return {f"has the even local_size {parameters.local_size}": parameters.local_size % 2 == 0}


def _batch_norm_reasons(_parameters: BatchNorm, axes: int) -> dict[str, bool]:
    return {f"reads a blob of {axes} axes": axes not in BATCH_NORMS}


def _convolution(parameters: Convolution, bottom: Shape) -> nn.Module:
    return nn.Conv2d(
        bottom[1],
        parameters.num_output,
        parameters.kernel,
        parameters.stride,
        parameters.pad,
        parameters.dilation,
        parameters.group,
        bias=parameters.has_bias,
        device=UNSET,
    )


def _pooling(parameters: Pooling, _bottom: Shape) -> nn.Module:
    is_average = parameters.method == "AVE"
    if parameters.is_global:
        return nn.AdaptiveAvgPool2d(1) if is_average else nn.AdaptiveMaxPool2d(1)
    window = (parameters.kernel, parameters.stride, parameters.pad)
    if any(2 * pad > size for pad, size in zip(parameters.pad, parameters.kernel, strict=True)):
        kernel, stride, pad = window
        return layers.WidelyPaddedPool2d(
            is_average=is_average,
            kernel_size=kernel,
            stride=stride,
            padding=pad,
            ceil_mode=parameters.has_ceil,
        )
    if is_average:
        return nn.AvgPool2d(*window, ceil_mode=parameters.has_ceil, count_include_pad=True)
    return nn.MaxPool2d(*window, ceil_mode=parameters.has_ceil)


def _inner_product(parameters: InnerProduct, bottom: Shape) -> nn.Module:
    inputs = math.prod(bottom[1:])
    return nn.Linear(inputs, parameters.num_output, bias=parameters.has_bias, device=UNSET)


def _relu(parameters: ReLU, _bottom: Shape) -> nn.Module:
    slope = parameters.negative_slope
    return nn.LeakyReLU(slope) if slope else nn.ReLU()


def _lrn(parameters: LRN, _bottom: Shape) -> nn.Module:
    size, alpha, beta = parameters.local_size, parameters.alpha, parameters.beta
    if parameters.is_within_channel:
        return layers.WithinChannelLRN(size=size, alpha=alpha, beta=beta)
    return nn.LocalResponseNorm(size, alpha=alpha, beta=beta, k=parameters.k)


def _dropout(parameters: Dropout, _bottom: Shape) -> nn.Module:
    return nn.Dropout(parameters.ratio)


def _softmax(parameters: Softmax, _bottom: Shape) -> nn.Module:
    return nn.Softmax(dim=parameters.axis)


def _flatten(parameters: Flatten, _bottom: Shape) -> nn.Module:
    return nn.Flatten(parameters.axis, parameters.end_axis)


def _batch_norm(parameters: BatchNorm, bottom: Shape) -> nn.Module:
    return BATCH_NORMS[len(bottom)](
        bottom[1],
        eps=parameters.eps,
        momentum=1 - parameters.moving_average_fraction,
        affine=False,
        device=UNSET,
    )


def _scale(parameters: Scale, bottom: Shape) -> nn.Module:
    return layers.Scale(bottom[1], axes=len(bottom), bias=parameters.has_bias, device=UNSET)


WEIGHTED = (BatchNorm, Convolution, InnerProduct, Scale)
BATCH_NORMS: dict[int, type[nn.BatchNorm1d | nn.BatchNorm2d]] = {
    2: nn.BatchNorm1d,
    4: nn.BatchNorm2d,
}
# The values take the parameters of their key; a mapping cannot say so, hence Any.
REASONS: dict[type, Callable[[Any, int], dict[str, bool]]] = {
    BatchNorm: _batch_norm_reasons,
    InnerProduct: _axis_reasons,
    LRN: _lrn_reasons,
    Scale: _axis_reasons,
}
MODULES: dict[type, Callable[[Any, Shape], nn.Module]] = {
    BatchNorm: _batch_norm,
    Convolution: _convolution,
    Dropout: _dropout,
    Flatten: _flatten,
    InnerProduct: _inner_product,
    LRN: _lrn,
    Pooling: _pooling,
    ReLU: _relu,
    Scale: _scale,
    Softmax: _softmax,
}
