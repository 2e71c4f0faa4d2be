"""Queueing a graph of fewer bits, after everything that can be checked without computing."""

import math
from dataclasses import dataclass
from typing import Any

from zoo.domain.config import GRAPH, QUANTIZATION, ModelConfig
from zoo.domain.dataset import Dataset, Split
from zoo.domain.job import Job, JobKind
from zoo.domain.quantization import GATE_POINTS, MOST_PICTURES, PER_CENT, PICTURES, Precision
from zoo.domain.revision import Revision, check_model_name
from zoo.errors import EmptyDataset, Invalid, NotRunnable
from zoo.operations.access import check_target
from zoo.operations.datasets import get_dataset
from zoo.operations.evaluate import match_classes
from zoo.operations.fetch import get_revision, read_config
from zoo.operations.later import Request, enqueue_request
from zoo.operations.opening import Zoo


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeOptions:
    """How fewer bits are laid over a graph, and what that may cost."""

    name: str | None = None
    precision: Precision = Precision.INT8
    gate_points: float = GATE_POINTS
    pictures: int = PICTURES  # at most, that ranges are measured on
    seed: int = 0


def enqueue_quantize(
    zoo: Zoo, model: str, dataset: str, options: QuantizeOptions | None = None
) -> Job:
    """Queue a graph of fewer bits; the same one, not finished, is taken up again.

    What comes of it is a revision of the same model, under the ref ``int8`` or ``fp16``; with a
    name, a model of that name. ``model`` may be ``job:NUMBER``, what that job publishes.

    Raises:
        ModelNotFound, RevisionNotFound, DatasetNotFound: there is no such thing.
        NotRunnable: the revision is no classifier with a graph.
        Invalid: it has fewer bits already, or an option is out of range.
        EmptyDataset: there are no pictures to measure ranges on, or none to judge by.
        ClassesDiffer: the model does not know a class of the dataset.
        BadName: the new model cannot be called so.
        Forbidden: the caller may not write what belongs to its owner.
    """
    chosen = options or QuantizeOptions()
    check_options(chosen)
    request = {
        "model": model,
        "dataset": get_dataset(zoo, dataset).address,
        "name": chosen.name,
        "precision": chosen.precision.value,
        "gate": chosen.gate_points,
        "pictures": chosen.pictures,
        "seed": chosen.seed,
    }
    return enqueue_request(zoo, JobKind.QUANTIZE, request, settle_quantize)


def settle_quantize(zoo: Zoo, request: Request) -> dict[str, Any]:
    """Check a request for fewer bits, and name revision, dataset and result for good.

    Raises:
        As ``enqueue_quantize``.
    """
    options = QuantizeOptions(
        precision=Precision(request["precision"]),
        gate_points=request["gate"],
        pictures=request["pictures"],
    )
    check_options(options)
    revision = get_revision(zoo, request["model"])
    config = _open(zoo, revision)
    pictures = get_dataset(zoo, request["dataset"])
    check_pictures(pictures, options.precision)
    match_classes(config.label_names, pictures, revision.address)
    called = check_model_name(request["name"] or revision.model)
    check_target(zoo, called, parent=revision.address)
    settled = {"model": revision.address, "dataset": pictures.address, "name": called}
    return {**request, **settled}


def check_options(options: QuantizeOptions) -> None:
    """Refuse numbers that mean nothing.

    Raises:
        Invalid: there is one.
    """
    if not (math.isfinite(options.gate_points) and 0 <= options.gate_points <= PER_CENT):
        raise Invalid(
            f"A gate of {options.gate_points} points means nothing.",
            hint="Give the points of accuracy that may be lost: 0 to 100.",
        )
    if not 1 <= options.pictures <= MOST_PICTURES:
        raise Invalid(
            f"Ranges cannot be measured on {options.pictures} pictures.",
            hint=f"Give 1 to {MOST_PICTURES}.",
        )


def check_pictures(dataset: Dataset, precision: Precision) -> None:
    """Check that a dataset has pictures to measure on and others to judge by.

    Raises:
        EmptyDataset: it has not.
    """
    needed = {Split.VAL: "judged by"}
    if precision is Precision.INT8:
        needed = {Split.TRAIN: "measured on", **needed}
    for split, use in needed.items():
        if not dataset.of_split(split):
            given = ", ".join(dataset.counts()) or "none"
            raise EmptyDataset(
                f"Dataset {dataset.name!r} has no {split.value} pictures, which {precision.value}"
                f" is {use}; it has: {given}.",
                hint="Add one with train and val folders: zoo datasets add FOLDER",
                dataset=dataset.name,
                split=split.value,
            )


def _open(zoo: Zoo, revision: Revision) -> ModelConfig:
    """Read what a revision says of itself, if its graph is a classifier's in full precision."""
    if revision.find_file(QUANTIZATION) is not None:
        raise Invalid(
            f"{revision.address} computes with fewer bits already.",
            hint=f"Quantize the revision that it was made of: {revision.parent or 'see its card'}",
            revision=revision.address,
        )
    if revision.find_file(GRAPH) is None:
        raise NotRunnable(
            f"{revision.address} has no {GRAPH} that fewer bits could be laid over.",
            hint="Its card says why: zoo show MODEL --card",
            revision=revision.address,
        )
    config = read_config(zoo, revision)
    if config.pictures is None or not config.label_names:
        raise NotRunnable(
            f"{revision.address} is no classifier of pictures, so its accuracy cannot be held.",
            hint="Fine-tune it first: zoo finetune MODEL DATASET",
            revision=revision.address,
        )
    return config
