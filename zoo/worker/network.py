"""From a revision's files to a network with weights, and from it to a proven graph."""

from pathlib import Path

import numpy as np
import torch
from torch.fx import GraphModule

from zoo.domain.config import ModelConfig
from zoo.domain.preprocessing import Preprocessing
from zoo.domain.weights import Weights
from zoo.export.parity import BlobParity, Parity, check_blobs, check_parity
from zoo.export.plain import draw_noise, name_of, run_outputs, write_graph
from zoo.export.traced import write_any_onnx
from zoo.networks.classifier import Classifier
from zoo.networks.preprocess import find_mean_image

NOISE_PICTURES = 4


def choose_device(wanted: str) -> torch.device:
    """Give the device that networks run on."""
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(wanted)


def mean_image(classifier: Classifier, config: ModelConfig) -> Weights:
    """Give the mean image of a classifier by its tensor's name; nothing where it has none."""
    name = config.preprocessing.mean_tensor
    return {name: classifier.preprocess.mean.cpu().numpy()} if name else {}


def export(classifier: Classifier, config: ModelConfig, *, weights_digest: str) -> bytes:
    """Write the graph of a classifier; it says which weights and which recipe it came from."""
    return write_any_onnx(
        classifier.network,
        config.preprocessing,
        next(iter(mean_image(classifier, config).values()), None),
        config.label_names,
        metadata={"zoo.architecture": config.architecture, "zoo.weights": weights_digest},
    )


def export_plain(
    network: GraphModule, pictures: Preprocessing | None, weights: Weights
) -> tuple[bytes, BlobParity]:
    """Write a network that is no classifier with its own inputs and outputs, and compare them.

    Raises:
        Unsupported: a layer has no equal in ONNX, or the shape of an input is not known.
        ParityBroken: graph and network differ.
    """
    mean = find_mean_image(pictures, weights) if pictures else None
    inputs = shapes_of_inputs(network, pictures)
    graph = write_graph(network, inputs=inputs, pictures=pictures, mean_image=mean)
    return graph, check_plain(network, graph, pictures, weights)


def check_plain(
    network: GraphModule, graph: bytes | Path, pictures: Preprocessing | None, weights: Weights
) -> BlobParity:
    """Compare graph and network over all outputs, on noise of a fixed seed.

    Raises:
        ParityBroken: they differ.
    """
    mean = find_mean_image(pictures, weights) if pictures else None
    noise = draw_noise(shapes_of_inputs(network, pictures), pictures=pictures)
    return check_blobs(
        lambda given: run_outputs(network, given, pictures=pictures, mean_image=mean), graph, noise
    )


def shapes_of_inputs(
    network: GraphModule, pictures: Preprocessing | None
) -> dict[str, tuple[int, ...]]:
    """Give the shape of every input whose network's source tells it, or that is the picture's."""
    nodes = list(network.graph.find_nodes(op="placeholder"))
    if pictures is not None and len(nodes) == 1:
        return {name_of(nodes[0]): (1, pictures.channel_count, *pictures.crop_px)}
    return {name_of(node): node.meta["shape"] for node in nodes if "shape" in node.meta}


def check_on_noise(classifier: Classifier, graph: bytes | Path, config: ModelConfig) -> Parity:
    """Compare graph and network where no pictures are at hand: on noise of a fixed seed.

    Raises:
        ParityBroken: they differ.
    """
    height, width = config.preprocessing.crop_px
    shape = (NOISE_PICTURES, height, width, 3)
    noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    batches = [noise[:1], noise[1:], np.full_like(noise[:1], 255)]
    return check_parity(classifier.probabilities, graph, batches)
