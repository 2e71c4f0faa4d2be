"""Writing a model out in other forms: a Caffe package, a state dict, a graph that resizes."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import torch
import yaml

from zoo.domain.config import CONFIG, GRAPH, ModelConfig
from zoo.domain.config import WEIGHTS as SAFETENSORS
from zoo.domain.revision import Revision
from zoo.export.caffe import describe_net
from zoo.export.resized import with_resize
from zoo.formats.caffe.matching import to_blobs
from zoo.formats.caffe.writing import write_caffemodel, write_mean, write_prototxt
from zoo.formats.safetensors import read_safetensors
from zoo.networks.build import build_network, load_weights, weights_of
from zoo.networks.classifier import with_probabilities
from zoo.networks.preprocess import find_mean_image
from zoo.operations import fetch
from zoo.operations.opening import Zoo

PROTOTXT = "deploy.prototxt"
WEIGHTS = "weights.caffemodel"
STATE_DICT = "model.pth"


def write_package(zoo: Zoo, revision: Revision, folder: Path) -> None:
    """Write deploy.prototxt, weights.caffemodel, readme.md and, if there is one, the mean image.

    Raises:
        NotRunnable: the revision has no network that could be built.
        UnsupportedLayers: the network has layers that Caffe lacks.
    """
    config = fetch.read_config(zoo, revision)
    paths = fetch.verified_files(zoo, revision)
    weights = read_safetensors(paths[SAFETENSORS])
    network = build_network(config.recipe, paths)
    load_weights(network, weights)
    if config.label_names:
        network = with_probabilities(network)
    shape = (config.preprocessing.channel_count, *config.preprocessing.crop_px)
    net = describe_net(network, name=config.architecture, shape=shape)
    blobs = to_blobs(net, weights_of(network))
    sha1 = hashlib.sha1(usedforsecurity=False)  # What the Model Zoo's readmes announce.
    with (folder / WEIGHTS).open("wb") as file:
        for chunk in write_caffemodel(net, blobs):
            sha1.update(chunk)
            file.write(chunk)
    (folder / PROTOTXT).write_text(write_prototxt(net), encoding="utf-8")
    image = find_mean_image(config.preprocessing, weights)
    if image is not None:
        (folder / "mean.binaryproto").write_bytes(write_mean(image))
    readme = _readme(revision, config, sha1.hexdigest())
    (folder / "readme.md").write_text(readme, encoding="utf-8")


def write_state_dict(zoo: Zoo, revision: Revision, folder: Path) -> None:
    """Write the weights as a PyTorch state dict, and config.json beside them.

    Raises:
        FileNotFound: the revision has no weights.
    """
    paths = fetch.verified_files(zoo, revision)
    fetch.get_file(zoo, revision, SAFETENSORS)
    weights = read_safetensors(paths[SAFETENSORS])
    state = {name: torch.tensor(np.asarray(weights[name])) for name in weights}
    torch.save(state, folder / STATE_DICT)
    if CONFIG in paths:
        shutil.copyfile(paths[CONFIG], folder / CONFIG)


def write_resized(zoo: Zoo, revision: Revision, folder: Path) -> None:
    """Write the graph with resize and crop before it.

    Raises:
        FileNotFound: the revision has no graph.
        NotRunnable: it reads no picture.
        Unsupported: its operations are of a version that cannot resize.
    """
    _, path = fetch.get_file(zoo, revision, GRAPH)
    pictures = fetch.read_config(zoo, revision).preprocessing
    (folder / GRAPH).write_bytes(with_resize(path.read_bytes(), pictures))


def _readme(revision: Revision, config: ModelConfig, sha1: str) -> str:
    """Write the readme with the front matter of the Model Zoo, and ours."""
    front = {
        "name": revision.model,
        "caffemodel": WEIGHTS,
        "license": revision.summary.get("license"),
        "sha1": sha1,
        **({"labels": list(config.label_names)} if config.label_names else {}),
        "preprocessing": config.preprocessing.as_json(),
    }
    matter = yaml.safe_dump(front, sort_keys=False, allow_unicode=True)
    return f"---\n{matter}---\n\nWritten by zoo from {revision.address}.\n"
