"""From a revision's files to a network with weights, and from it to a proven graph."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from zoo.domain.config import WEIGHTS, ModelConfig
from zoo.domain.weights import Weights
from zoo.export.onnx import write_onnx
from zoo.export.parity import Parity, check_parity
from zoo.formats.safetensors import read_safetensors
from zoo.networks.build import build_network, load_weights
from zoo.networks.classifier import Classifier
from zoo.networks.preprocess import find_mean_image

NOISE_PICTURES = 4


def choose_device(wanted: str) -> torch.device:
    """Give the device that networks run on."""
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(wanted)


def build_classifier(config: ModelConfig, paths: Mapping[str, Path]) -> Classifier:
    """Build the network of a revision with its weights and preprocessing.

    Raises:
        WeightsMismatch: the weights are not those of the recipe.
    """
    network = build_network(config.recipe, paths)
    weights = read_safetensors(paths[WEIGHTS])
    load_weights(network, weights)
    mean = find_mean_image(config.preprocessing, weights)
    return Classifier(network, config.preprocessing, mean)


def mean_image(classifier: Classifier, config: ModelConfig) -> Weights:
    """Give the mean image of a classifier by its tensor's name; nothing where it has none."""
    name = config.preprocessing.mean_tensor
    return {name: classifier.preprocess.mean.cpu().numpy()} if name else {}


def export(classifier: Classifier, config: ModelConfig, *, weights_digest: str) -> bytes:
    """Write the graph of a classifier; it says which weights and which recipe it came from."""
    return write_onnx(
        classifier.network,
        config.preprocessing,
        next(iter(mean_image(classifier, config).values()), None),
        config.label_names,
        metadata={"zoo.architecture": config.architecture, "zoo.weights": weights_digest},
    )


def check_on_noise(classifier: Classifier, graph: bytes, config: ModelConfig) -> Parity:
    """Compare graph and network where no pictures are at hand: on noise of a fixed seed.

    Raises:
        ParityBroken: they differ.
    """
    height, width = config.preprocessing.crop_px
    shape = (NOISE_PICTURES, height, width, 3)
    noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    batches = [noise[:1], noise[1:], np.full_like(noise[:1], 255)]
    return check_parity(classifier.probabilities, graph, batches)
