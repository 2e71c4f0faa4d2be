"""A network with its new head: folded into its recipe, written down."""

from dataclasses import dataclass

import torch

from zoo.domain.config import (
    ModelConfig,
)
from zoo.domain.revision import Blob
from zoo.domain.surgery import AttachHead, ReplaceHead
from zoo.domain.weights import Array
from zoo.formats.safetensors import write_safetensors
from zoo.networks.build import weights_of
from zoo.networks.classifier import Classifier
from zoo.networks.preprocess import find_mean_image
from zoo.networks.surgery import HEAD, find_head
from zoo.networks.table import SURGERIES
from zoo.networks.taps import CODES
from zoo.operations.opening import Zoo
from zoo.operations.prints import warm_prints
from zoo.operations.publish import put_json
from zoo.training.probe import Probe
from zoo.worker.layers import describe_layers
from zoo.worker.network import export, mean_image
from zoo.worker.subject import Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """The network with its new head, before it is proven."""

    classifier: Classifier
    config: ModelConfig


def fold(subject: Subject, taps: tuple[str, ...], probe: Probe) -> Candidate:
    """Put a head into the network in place of its own, and say so in the recipe."""
    classes, parent = subject.dataset.classes, subject.parent
    surgery = _surgery(subject, taps)
    network = SURGERIES[surgery.kind](parent.network, surgery).cpu()
    head = network.get_submodule(HEAD)
    with torch.no_grad():
        head.get_parameter("weight").copy_(torch.from_numpy(probe.weight))
        head.get_parameter("bias").copy_(torch.from_numpy(probe.bias))
    config = ModelConfig(
        architecture=parent.config.architecture,
        label_names=classes,
        pictures=parent.config.preprocessing,
        recipe=parent.config.recipe.then(surgery),
        lineage={"parent": parent.revision.address, "dataset": subject.dataset.address},
    )
    mean = find_mean_image(config.preprocessing, parent.weights)
    return Candidate(classifier=Classifier(network, config.preprocessing, mean), config=config)


def write_graph(zoo: Zoo, candidate: Candidate) -> tuple[Blob, bytes]:
    """Keep the weights of a candidate and write its graph."""
    classifier, config = candidate.classifier, candidate.config
    weights = {**weights_of(classifier.network), **mean_image(classifier, config)}
    blob = zoo.blobs.put(write_safetensors(weights))
    warm_prints(zoo, blob.digest)
    return blob, export(classifier, config, weights_digest=blob.digest)


def answer_with_codes(candidate: Candidate, images: Array) -> tuple[Array, Array]:
    """Give N x K probabilities by torch, and the N x D codes that the head read for them."""
    codes: list[torch.Tensor] = []
    head = candidate.classifier.network.get_submodule(HEAD)
    hook = head.register_forward_pre_hook(lambda _head, given: codes.append(given[0]))
    try:
        probabilities = candidate.classifier.probabilities(images)
    finally:
        hook.remove()
    return probabilities, codes[0].numpy()


def put_layers(zoo: Zoo, candidate: Candidate) -> Blob | None:
    """Keep what a candidate's layers are; None where it cannot be told."""
    layers = describe_layers(candidate.classifier.network, candidate.config.preprocessing)
    return None if layers is None else put_json(zoo, layers)


def _surgery(subject: Subject, taps: tuple[str, ...]) -> ReplaceHead | AttachHead:
    classes = len(subject.dataset.classes)
    if taps == (CODES,):
        return ReplaceHead(at=find_head(subject.parent.network).layer, classes=classes)
    return AttachHead(taps=taps, shape=subject.shape, classes=classes)
