"""From a Caffe net to a graph: a node a layer, and one for each top where there are several."""

import operator
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn
from torch.fx import Graph, GraphModule, Node

from zoo.domain.recipe import Source
from zoo.formats.caffe.net import Concat, InnerProduct, Layer, Net, Slice
from zoo.formats.caffe.reading import read_net, read_text
from zoo.formats.caffe.shapes import LayerShapes, infer_shapes
from zoo.networks.caffe.limits import check_layers, module_name
from zoo.networks.caffe.modules import MODULES
from zoo.networks.caffe.sharing import share_weights
from zoo.networks.graph import finish_network

Shapes = Mapping[str, LayerShapes]


def read_caffe(source: Source, files: Mapping[str, Path]) -> GraphModule:
    """Build the network that the source's prototxt describes."""
    return build_caffe(read_net(read_text(files[source.path]), name=source.path))


def build_caffe(net: Net) -> GraphModule:
    """Build the network of a Caffe net, its weights unset until ``load_weights``.

    Submodules are named by ``parameter_prefix``, so the state dict has the names of ``to_weights``;
    a weight that layers share is one tensor, under its owner's name first. In-place layers are
    nodes of their own; the blob's name moves on to them. A net with several inputs or outputs takes
    and returns them in order.

    Raises:
        MalformedPrototxt: sizes do not fit together.
        UnsupportedLayers: layers need what the zoo does not have; every one is named.
    """
    shapes = infer_shapes(net)
    check_layers(net, shapes)
    modules = {
        module_name(layer): MODULES[type(layer.parameters)](layer.parameters, shapes[layer.name])
        for layer in net.layers
        if not isinstance(layer.parameters, Concat)
    }
    share_weights(net, modules)
    graph, outputs = _wire(net, shapes, modules)
    network = finish_network(graph, outputs[0] if len(outputs) == 1 else outputs, modules)
    network.meta["name"] = net.name
    return network


def _wire(
    net: Net, shapes: Shapes, modules: dict[str, nn.Module]
) -> tuple[Graph, tuple[Node, ...]]:
    """Give the graph, without an output, and the nodes that nothing reads."""
    graph, blobs = Graph(), dict[str, Node]()
    for number, given in enumerate(net.inputs):
        blobs[given.blob] = graph.placeholder(f"input_{number}")
        # One picture, whatever number the prototxt states: it is free.
        blobs[given.blob].meta |= {"blob": given.blob, "shape": (1, *given.shape[1:])}
    ends: dict[Node, None] = {}  # a set that keeps its order
    for layer in net.layers:
        reads = [blobs[bottom] for bottom in layer.bottoms]
        node = _add_layer(graph, layer, reads, shapes[layer.name], modules)
        for read in reads:
            ends.pop(read, None)
        for top, end in zip(layer.tops, _tops(graph, layer, node), strict=True):
            end.meta |= {"layer": layer.name, "blob": top}
            ends[end] = None
            blobs[top] = end
    return graph, tuple(ends)


def _tops(graph: Graph, layer: Layer, node: Node) -> list[Node]:
    """Give a node for each top: the layer's own, or one that takes it out of the layer's tuple."""
    if len(layer.tops) == 1 and not isinstance(layer.parameters, Slice):
        return [node]
    return [
        graph.call_function(operator.getitem, (node, number)) for number in range(len(layer.tops))
    ]


def _add_layer(
    graph: Graph,
    layer: Layer,
    reads: list[Node],
    shapes: LayerShapes,
    modules: dict[str, nn.Module],
) -> Node:
    name, parameters = module_name(layer), layer.parameters
    if isinstance(parameters, Concat):
        node = graph.call_function(torch.cat, (reads,), {"dim": parameters.axis})
    elif isinstance(parameters, InnerProduct):
        node = _add_inner_product(graph, layer, reads[0], shapes, modules)
    else:
        node = graph.call_module(name, tuple(reads))
    node.meta["layer"] = layer.name
    return node


def _add_inner_product(
    graph: Graph, layer: Layer, read: Node, shapes: LayerShapes, modules: dict[str, nn.Module]
) -> Node:
    """Flatten what the layer reads, where it is more than rows."""
    assert isinstance(layer.parameters, InnerProduct)
    axes = len(shapes.bottoms[0])
    axis = layer.parameters.axis % axes
    name = module_name(layer)
    if axes > axis + 1:
        flatten = f"{name}:flatten"
        while flatten in modules:
            flatten += ":"
        modules[flatten] = nn.Flatten(axis)
        read = graph.call_module(flatten, (read,))
        read.meta["layer"] = layer.name
    node = graph.call_module(name, (read,))
    if axis != 1:
        node.meta["axis"] = axis
    return node
