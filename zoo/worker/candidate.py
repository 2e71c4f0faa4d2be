"""A network with its new head: folded into its recipe, proven, published."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from zoo.domain.config import (
    CARD,
    CONFIG,
    GRAPH,
    LAYERS,
    PARITY,
    REPORT,
    TRAINING,
    WEIGHTS,
    ModelConfig,
)
from zoo.domain.dataset import Split
from zoo.domain.revision import Blob
from zoo.domain.surgery import AttachHead, ReplaceHead
from zoo.domain.weights import Array
from zoo.export.parity import Parity, check_parity
from zoo.formats.safetensors import write_safetensors
from zoo.images.prepare import read_picture
from zoo.networks.build import weights_of
from zoo.networks.classifier import Classifier
from zoo.networks.preprocess import find_mean_image
from zoo.networks.surgery import HEAD, find_head
from zoo.networks.table import SURGERIES
from zoo.networks.taps import CODES
from zoo.operations.opening import Zoo
from zoo.operations.prints import warm_prints
from zoo.operations.publish import put_json, put_text
from zoo.training.codes import BATCH
from zoo.training.finetune import Fit
from zoo.training.probe import Probe
from zoo.worker.layers import describe_layers
from zoo.worker.network import export, mean_image
from zoo.worker.parent import carried_files
from zoo.worker.progress import Progress
from zoo.worker.record import Record
from zoo.worker.subject import Subject

WITNESSES = 8  # validation pictures that also run through the whole torch network


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


def prove(  # noqa: PLR0913  # the two sides of a comparison, and what on
    zoo: Zoo,
    subject: Subject,
    candidate: Candidate,
    fit: Fit,
    *,
    graph: bytes,
    progress: Progress,
) -> Parity:
    """Compare torch and ONNX Runtime on every validation picture.

    torch's side are the probabilities of the fit: a probe's are its head on the codes that the
    network's body gave. That the whole network computes just this is shown by running the first
    pictures through all of it.

    Raises:
        ParityBroken: the graph does not compute what the network computes.
    """
    pictures = subject.dataset.of_split(Split.VAL)

    def batches(most: int) -> Iterator[Array]:
        for done, batch in read_batches(zoo, subject, most):
            yield batch
            progress.count("export", "pictures compared", done, most)

    check_parity(candidate.classifier.probabilities, graph, batches(min(WITNESSES, len(pictures))))
    rows = iter(fit.val_probabilities)
    return check_parity(
        lambda images: np.stack([next(rows) for _ in images]), graph, batches(len(pictures))
    )


def read_batches(zoo: Zoo, subject: Subject, most: int) -> Iterator[tuple[int, Array]]:
    """Read the first validation pictures in batches; give how many were read, and each batch."""
    pictures = subject.dataset.of_split(Split.VAL)
    for start in range(0, most, BATCH):
        batch = pictures[start : min(start + BATCH, most)]
        yield (
            start + len(batch),
            np.stack(
                [
                    read_picture(
                        zoo.blobs.local_path(picture.digest),
                        subject.parent.config.preprocessing,
                        name=picture.path,
                        max_pixels=zoo.settings.max_picture_pixels,
                    )
                    for picture in batch
                ]
            ),
        )


def write_graph(zoo: Zoo, candidate: Candidate) -> tuple[Blob, bytes]:
    """Keep the weights of a candidate and write its graph."""
    classifier, config = candidate.classifier, candidate.config
    weights = {**weights_of(classifier.network), **mean_image(classifier, config)}
    blob = zoo.blobs.put(write_safetensors(weights))
    warm_prints(zoo, blob.digest)
    return blob, export(classifier, config, weights_digest=blob.digest)


def write_files(
    zoo: Zoo, subject: Subject, candidate: Candidate, written: tuple[Blob, bytes], record: Record
) -> dict[str, Blob]:
    """Keep all files of the revision that a candidate becomes."""
    blob, graph = written
    files = {
        WEIGHTS: blob,
        GRAPH: zoo.blobs.put([graph]),
        CONFIG: put_json(zoo, candidate.config.as_json()),
        TRAINING: put_json(zoo, record.training()),
        PARITY: put_json(zoo, record.parity.as_json()),
        CARD: put_text(zoo, record.card()),
        REPORT: put_text(zoo, record.report()),
    }
    layers = describe_layers(candidate.classifier.network, candidate.config.preprocessing)
    if layers is not None:
        files[LAYERS] = put_json(zoo, layers)
    return carried_files(zoo, subject.parent.revision) | files


def _surgery(subject: Subject, taps: tuple[str, ...]) -> ReplaceHead | AttachHead:
    classes = len(subject.dataset.classes)
    if taps == (CODES,):
        return ReplaceHead(at=find_head(subject.parent.network).layer, classes=classes)
    return AttachHead(taps=taps, shape=subject.shape, classes=classes)
