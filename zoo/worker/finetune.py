"""The body of a fine-tune: codes, probe, the new head folded in, its graph proven, published."""

import time
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
    TRAINING,
    WEIGHTS,
    ModelConfig,
)
from zoo.domain.dataset import Dataset, Split
from zoo.domain.job import Job
from zoo.domain.plan import Classifier as Fitted
from zoo.domain.plan import Plan
from zoo.domain.surgery import AttachHead, ReplaceHead
from zoo.domain.weights import Array
from zoo.export.parity import Parity, check_parity
from zoo.formats.safetensors import write_safetensors
from zoo.images.prepare import Pixels, read_picture
from zoo.networks.build import weights_of
from zoo.networks.classifier import Classifier
from zoo.networks.preprocess import find_mean_image
from zoo.networks.surgery import HEAD, find_head
from zoo.networks.table import SURGERIES
from zoo.networks.taps import CODES
from zoo.operations.datasets import get_dataset
from zoo.operations.opening import Zoo
from zoo.operations.publish import Publication, publish, put_json, put_text
from zoo.planning import plan_finetune
from zoo.training.codes import BATCH
from zoo.training.finetune import Fit, fit_head
from zoo.worker.layers import describe_layers
from zoo.worker.network import export, mean_image
from zoo.worker.parent import Parent, carried_files, open_parent
from zoo.worker.progress import Progress
from zoo.worker.record import Record
from zoo.worker.tapped import take_codes
from zoo.worker.undone import undo_dense

KINDS = {Fitted.LOGISTIC: "logistic regression", Fitted.SVM: "a linear SVM"}
WITNESSES = 8  # validation pictures that also run through the whole torch network


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is fine-tuned, and on what."""

    parent: Parent
    classifier: Classifier
    at: str  # layer name of the old head
    dataset: Dataset
    plan: Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """The network with its new head, before it is proven."""

    classifier: Classifier
    config: ModelConfig
    fit: Fit


def run(zoo: Zoo, job: Job, progress: Progress) -> None:
    """Fit a linear head on the codes of a network and publish it as a new revision.

    Raises:
        NoHead: the network has no classifier that could be replaced.
        ParityBroken: the graph does not compute what the network computes.
    """
    started = time.process_time()
    subject = _read(zoo, job, progress)
    tapped = take_codes(zoo, subject.parent, subject.dataset, subject.plan, progress)
    kind = KINDS[subject.plan.classifier]
    progress.say("fit", f"{kind} on the codes of {len(tapped.codes)} pictures")
    fit = fit_head(tapped.codes, subject.dataset, subject.plan)
    progress.say("fit", f"C = {fit.probe.c:g}, validation accuracy {_tell(fit)}")
    candidate = _fold(subject, tapped.taps, fit)
    classifier, config = candidate.classifier, candidate.config
    weights = {**weights_of(classifier.network), **mean_image(classifier, config)}
    blob = zoo.blobs.put(write_safetensors(weights))
    graph = export(classifier, config, weights_digest=blob.digest)
    record = Record(
        parent=subject.parent.revision,
        dataset=subject.dataset,
        plan=subject.plan,
        tapped=tapped,
        config=config,
        fit=fit,
        parity=_prove(zoo, subject, candidate, graph, progress),
        parameters=sum(tensor.numel() for tensor in classifier.network.parameters()),
        cpu_s=time.process_time() - started,
    )
    files = {
        WEIGHTS: blob,
        GRAPH: zoo.blobs.put([graph]),
        CONFIG: put_json(zoo, config.as_json()),
        TRAINING: put_json(zoo, record.training()),
        PARITY: put_json(zoo, record.parity.as_json()),
        CARD: put_text(zoo, record.card()),
    }
    if (layers := describe_layers(classifier.network, config.preprocessing)) is not None:
        files[LAYERS] = put_json(zoo, layers)
    progress.check()
    publish(
        zoo,
        Publication(
            model=job.params["name"],
            files=carried_files(zoo, subject.parent.revision) | files,
            message=f"fine-tuned from {subject.parent.revision.model} on {subject.dataset.name}",
            summary=record.summary(),
            parent=subject.parent.revision.address,
            dataset=subject.dataset.address,
            attempt=progress.attempt,
        ),
    )


def _read(zoo: Zoo, job: Job, progress: Progress) -> Subject:
    """Read the parent revision and the dataset, build the network and plan."""
    parent = undo_dense(open_parent(zoo, job.params["model"]))
    dataset = get_dataset(zoo, job.params["dataset"])
    plan = plan_finetune(
        dataset,
        seed=job.params["seed"],
        layer=job.params.get("layer", CODES),
        classifier=Fitted(job.params.get("classifier", Fitted.LOGISTIC)),
    )
    for reason in plan.because:
        progress.say("plan", reason)
    mean = find_mean_image(parent.config.preprocessing, parent.weights)
    classifier = Classifier(parent.network, parent.config.preprocessing, mean)
    return Subject(
        parent=parent,
        classifier=classifier,
        at=find_head(classifier.network).layer,
        dataset=dataset,
        plan=plan,
    )


def _load(zoo: Zoo, config: ModelConfig, digest: str) -> Pixels:
    return read_picture(
        zoo.blobs.local_path(digest),
        config.preprocessing,
        name=digest,
        max_pixels=zoo.settings.max_picture_pixels,
    )


def _fold(subject: Subject, taps: tuple[str, ...], fit: Fit) -> Candidate:
    """Put the probe into the network as its new head, and say so in the recipe."""
    classes, parent = subject.dataset.classes, subject.parent
    surgery = _surgery(subject, taps)
    network = SURGERIES[surgery.kind](subject.classifier.network, surgery).cpu()
    head = network.get_submodule(HEAD)
    with torch.no_grad():
        head.get_parameter("weight").copy_(torch.from_numpy(fit.probe.weight))
        head.get_parameter("bias").copy_(torch.from_numpy(fit.probe.bias))
    config = ModelConfig(
        architecture=parent.config.architecture,
        label_names=classes,
        pictures=parent.config.preprocessing,
        recipe=parent.config.recipe.then(surgery),
        lineage={"parent": parent.revision.address, "dataset": subject.dataset.address},
    )
    mean = next(iter(mean_image(subject.classifier, config).values()), None)
    classifier = Classifier(network, config.preprocessing, mean)
    return Candidate(classifier=classifier, config=config, fit=fit)


def _surgery(subject: Subject, taps: tuple[str, ...]) -> ReplaceHead | AttachHead:
    classes = len(subject.dataset.classes)
    if taps == (CODES,):
        return ReplaceHead(at=subject.at, classes=classes)
    pictures = subject.parent.config.preprocessing
    shape = (pictures.channel_count, *pictures.crop_px)
    return AttachHead(taps=taps, shape=shape, classes=classes)


def _prove(
    zoo: Zoo, subject: Subject, candidate: Candidate, graph: bytes, progress: Progress
) -> Parity:
    """Compare torch and ONNX Runtime on every validation picture.

    torch's side is the head on the codes that the network's body gave for the picture. That the
    whole network computes just this is shown by running the first pictures through all of it.
    """
    pictures = subject.dataset.of_split(Split.VAL)

    def batches(most: int) -> Iterator[Array]:
        for start in range(0, most, BATCH):
            batch = pictures[start : min(start + BATCH, most)]
            yield np.stack([_load(zoo, subject.parent.config, picture.digest) for picture in batch])
            progress.count("export", "pictures compared", start + len(batch), most)

    check_parity(candidate.classifier.probabilities, graph, batches(min(WITNESSES, len(pictures))))
    rows = iter(candidate.fit.val_probabilities)
    return check_parity(
        lambda images: np.stack([next(rows) for _ in images]), graph, batches(len(pictures))
    )


def _tell(fit: Fit) -> str:
    accuracy = fit.metrics[Split.VAL].accuracy
    return f"{accuracy.value:.3f} ({accuracy.low:.3f}..{accuracy.high:.3f} at 95 %)"
