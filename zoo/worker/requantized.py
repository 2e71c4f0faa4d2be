"""Proving that a graph of fewer bits came of the weights beside it: by making it once more."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch.fx import GraphModule

from zoo.domain.config import GRAPH, QUANTIZATION, WEIGHTS, ModelConfig
from zoo.domain.quantization import Kept, Precision
from zoo.domain.weights import Weights
from zoo.errors import MalformedCheckpoint
from zoo.export.dense import write_dense
from zoo.export.fp16 import write_fp16
from zoo.export.int8 import LAYOUT, simplify, write_int8
from zoo.networks.classifier import Classifier
from zoo.networks.dense import measure_geometry
from zoo.networks.preprocess import find_mean_image
from zoo.worker.network import export
from zoo.worker.quantized import runtime_version
from zoo.worker.undone import find_convolutionalize

FIRST_LAYOUT = 1  # of revisions that tell none

Paths = Mapping[str, Path]


def make_again(
    config: ModelConfig, network: GraphModule, weights: Weights, paths: Paths
) -> tuple[str, bool]:
    """Make a graph of fewer bits again, from the weights and the ranges that were kept.

    Gives what was found, in words, and whether it is sound.

    Raises:
        MalformedCheckpoint: quantization.json cannot be understood.
        Unsupported: the network has no graph any more.
    """
    told = _read(paths[QUANTIZATION])
    whole = _write_whole(config, network, weights, paths[WEIGHTS])
    is_same_source = hashlib.sha256(whole).hexdigest() == told["graph_made_of"]
    made = _lay(whole, told)
    if made == paths[GRAPH].read_bytes():
        return f"{told['precision']} made again from {WEIGHTS}: the same bytes", True
    was, now = told["versions"]["onnxruntime"], runtime_version()
    is_int8 = Precision(told["precision"]) is Precision.INT8
    is_same_layout = not is_int8 or told.get("layout", FIRST_LAYOUT) == LAYOUT
    if was != now or not is_same_source or not is_same_layout:
        versions = f"ONNX Runtime {was}, here {now}"
        if not is_same_layout:
            versions = "the zoo's own, which lays graphs out in another way now"
        return f"not compared: made by another version ({versions}); see: zoo eval", True
    return f"{told['precision']} made again from {WEIGHTS} is another graph", False


def _read(path: Path) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads(path.read_bytes())
        Precision(told["precision"])
        if told["calibration"] is not None:
            Kept(told["setting"]["kept"])
            told["ranges"] = {
                name: (float(low), float(high))
                for name, (low, high) in told["calibration"]["ranges"].items()
            }
        str(told["versions"]["onnxruntime"])
        str(told["graph_made_of"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise MalformedCheckpoint(
            f"{QUANTIZATION} cannot be understood: {error!r}",
            hint="Quantize again: zoo quantize MODEL DATASET",
        ) from error
    return told


def _lay(whole: bytes, told: Mapping[str, Any]) -> bytes:
    model = simplify(whole)
    if Precision(told["precision"]) is Precision.FP16:
        return write_fp16(model)
    return write_int8(model, told["ranges"], Kept(told["setting"]["kept"]))


def _write_whole(config: ModelConfig, network: GraphModule, weights: Weights, path: Path) -> bytes:
    """Write the graph of 32 bits as the parent's was written."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    surgery = find_convolutionalize(config.recipe)
    if surgery is None:
        mean = find_mean_image(config.preprocessing, weights)
        classifier = Classifier(network, config.preprocessing, mean)
        return export(classifier, config, weights_digest=digest)
    return write_dense(
        network,
        config.preprocessing,
        config.label_names,
        geometry=measure_geometry(network, surgery),
        metadata={"zoo.architecture": config.architecture, "zoo.weights": digest},
    )
