"""From the plan of an ONNX graph to a ``torch.fx`` graph of modules."""

import operator
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.fx import Graph, GraphModule, Node

from zoo.domain.recipe import Source
from zoo.errors import UnsupportedLayers
from zoo.formats.onnx.external import beside
from zoo.formats.onnx.plan import Plan, plan_layers
from zoo.formats.onnx.reading import read_onnx
from zoo.formats.onnx.scene import Layer
from zoo.networks import layers
from zoo.networks.graph import Part, finish_network
from zoo.networks.onnx import layers as own

# Numbers come from a checkpoint; a weight that was never loaded should fail loudly.
UNSET = "meta"
JOIN = "cat"


def build_onnx(source: Source, files: Mapping[str, Path]) -> GraphModule:
    """Build the network of the source's graph, its weights unset until ``load_weights``.

    The state dict has the names of ``zoo.formats.onnx.plan.onnx_weights``. Of a graph that the zoo
    wrote, the network behind the preprocessing is built.

    Raises:
        MalformedCheckpoint: the file is damaged.
        UnsupportedLayers: nodes have no equal; every one is named.
    """
    path = source.path
    model = read_onnx(files[path], name=path, external=beside(files, path))
    return build_plan(plan_layers(model), name=model.name)


def build_plan(plan: Plan, *, name: str = "") -> GraphModule:
    """Build the network of a plan; one with several inputs or outputs has them in order."""
    graph, values = Graph(), dict[str, Node]()
    parts: dict[str, Part] = {}
    for number, given in enumerate(plan.inputs):
        values[given] = graph.placeholder(f"input_{number}")
        values[given].meta["blob"] = given
        if (shape := plan.shapes.get(given)) is not None:
            values[given].meta["shape"] = shape
    for layer in plan.layers:
        reads = [values[read] for read in layer.reads]
        node = _add_layer(graph, layer, reads, parts)
        node.meta |= {"layer": layer.name, "blob": layer.writes}
        values[layer.writes] = node
    outputs = tuple(values[end] for end in plan.outputs)
    network = finish_network(graph, outputs[0] if len(outputs) == 1 else outputs, parts)
    network.meta["name"] = name
    return network


def _add_layer(graph: Graph, layer: Layer, reads: list[Node], parts: dict[str, Part]) -> Node:
    if layer.kind == JOIN:
        return graph.call_function(torch.cat, (reads,), dict(layer.options))
    if layer.kind in FUNCTIONS:
        return graph.call_function(FUNCTIONS[layer.kind], tuple(reads))
    if layer.name not in parts:
        unset: dict[str, Any] = {"device": UNSET} if layer.weights else {}
        try:
            parts[layer.name] = MODULES[layer.kind](**layer.options, **unset)
        except (RuntimeError, TypeError, ValueError) as error:
            raise UnsupportedLayers(
                f"{layer.title} cannot be a layer of PyTorch: {error}.",
                hint="The graph can be served as it is, if ONNX Runtime takes it.",
                layers=[layer.title],
            ) from error
    return graph.call_module(layer.name, tuple(reads))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "div": operator.truediv,
    "matmul": torch.matmul,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "mul": operator.mul,
    "pow": torch.pow,
    "sub": operator.sub,
}
# By the names that plans have for them; all take the options of their layer.
MODULES: dict[str, Callable[..., nn.Module]] = {
    **{
        module.__name__: module
        for module in (
            nn.AdaptiveAvgPool2d,
            nn.AdaptiveMaxPool2d,
            nn.AvgPool2d,
            nn.BatchNorm1d,
            nn.BatchNorm2d,
            nn.BatchNorm3d,
            nn.CELU,
            nn.Conv2d,
            nn.ConvTranspose2d,
            nn.Dropout,
            nn.ELU,
            nn.Flatten,
            nn.GELU,
            nn.GroupNorm,
            nn.Hardsigmoid,
            nn.Hardswish,
            nn.InstanceNorm1d,
            nn.InstanceNorm2d,
            nn.InstanceNorm3d,
            nn.LayerNorm,
            nn.LeakyReLU,
            nn.Linear,
            nn.LocalResponseNorm,
            nn.MaxPool2d,
            nn.Mish,
            nn.PReLU,
            nn.ReLU,
            nn.ReLU6,
            nn.Sigmoid,
            nn.Softmax,
            nn.Softplus,
            nn.Softsign,
            nn.Tanh,
            layers.Scale,
            own.Clip,
            own.CountedAvgPool2d,
            own.DepthToSpace,
            own.Pad,
            own.Permute,
            own.Pointwise,
            own.Reduce,
            own.Repeat,
            own.Reshape,
            own.Resize,
            own.Select,
            own.Slice,
            own.SlopedSigmoid,
            own.Squeeze,
            own.Unsqueeze,
            own.WithConstant,
        )
    },
    "LogSoftmax": nn.LogSoftmax,
}
