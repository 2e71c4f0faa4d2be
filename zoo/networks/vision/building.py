"""A library's network as a graph, and the weights it has before anybody trained it."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch.fx import GraphModule

from zoo.domain.recipe import Source
from zoo.domain.weights import Weights
from zoo.networks.tracing import trace_network
from zoo.networks.vision.creating import create, numbers_of
from zoo.networks.vision.describing import picture_shape
from zoo.networks.vision.drawing import undrawn, unset


def build_vision(source: Source, files: Mapping[str, Path]) -> GraphModule:
    """Build the network a library has under this name, its weights unset until ``load_weights``.

    ``source.path`` is the kept configuration of a transformers network; the other libraries need
    none. The state dict has the library's names.

    Raises:
        Unsupported: the library is not installed, knows no such architecture, refuses the
            arguments, or its network cannot be written as a graph.
        MalformedCheckpoint: the configuration cannot be read.
    """
    with undrawn():
        built = create(source, files)
    prefix = "model." if source.kind == "transformers" else ""
    network = trace_network(built, shape=picture_shape(built, source), prefix=prefix)
    unset(network)
    return network


def initial_weights(
    source: Source, *, seed: int, files: Mapping[str, Path] | None = None
) -> Weights:
    """Draw weights as the library does for a network nobody has trained; by name, float32.

    Raises:
        Unsupported: as ``build_vision``.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        built = create(source, files or {}, is_drawn=True)
    return numbers_of(built.get_submodule("model") if source.kind == "transformers" else built)
