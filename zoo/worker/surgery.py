"""The body of a surgery: a revision's network changed, its graph written and proven, published."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from torch.fx import GraphModule

from zoo.domain.config import CARD, CONFIG, WEIGHTS, ModelConfig
from zoo.domain.job import Job
from zoo.domain.surgery import (
    Convolutionalize,
    Cut,
    FoldBatchNorm,
    ReplaceHead,
    Surgery,
    read_surgery,
)
from zoo.domain.weights import Weights
from zoo.errors import ParityBroken, Unsupported
from zoo.export.parity import TOLERANCE, compare_blob
from zoo.export.plain import draw_noise, run_outputs
from zoo.networks.folding import tell_folding
from zoo.networks.preprocess import find_mean_image
from zoo.networks.surgery import find_head
from zoo.operations.fetch import carried_files
from zoo.operations.filters import warm_filters
from zoo.operations.opening import Zoo
from zoo.operations.prints import warm_prints
from zoo.operations.publish import Publication, publish, put_json, put_text
from zoo.operations.surgery import OWN_HEAD
from zoo.worker.built import Result
from zoo.worker.exported import Dense, export_classifier, export_dense, export_network
from zoo.worker.network import shapes_of_inputs
from zoo.worker.operated import Operated, Task, describe, name_layers, summarise
from zoo.worker.parent import open_parent
from zoo.worker.progress import Progress
from zoo.worker.undone import undo_dense

UNTRAINED = "untrained"  # a tag of the card


def run(zoo: Zoo, job: Job, progress: Progress) -> None:
    """Operate on a revision's network and publish what comes of it as a revision of its own.

    Raises:
        LayerNotFound, NoHead, BoundToOneSize, Unsupported: it cannot be done; the reason is told.
        PictureTooSmall: a size that was to be measured at gives no cell.
        ParityBroken: the new network is not what it has to be, or its graph not the network.
    """
    progress.say("build", f"building the network of {job.params['model']}")
    parent, surgery = open_parent(zoo, job.params["model"]), read_surgery(job.params["surgery"])
    if isinstance(surgery, ReplaceHead):
        parent = undo_dense(parent)
    labels = job.params["labels"]
    task = Task(
        zoo=zoo,
        parent=parent,
        surgery=_settle(parent.network, surgery),
        labels=None if labels is None else tuple(labels),
        sizes_px=tuple((height, width) for height, width in job.params["sizes"]),
        progress=progress,
    )
    progress.say("operate", f"{task.surgery.kind} on {parent.revision.model}")
    operated = OPERATIONS[type(task.surgery)](task)
    files = carried_files(zoo, parent.revision) | operated.result.files(zoo)
    files |= {
        WEIGHTS: operated.weights,
        CONFIG: put_json(zoo, operated.config.as_json()),
        CARD: put_text(zoo, describe(task, operated)),
    }
    progress.check()
    warm_filters(zoo, files[WEIGHTS].digest)
    warm_prints(zoo, files[WEIGHTS].digest)
    publish(
        zoo,
        Publication(
            model=job.params["name"],
            files=files,
            message=operated.title,
            summary=summarise(task, operated),
            parent=parent.revision.address,
            attempt=progress.attempt,
        ),
    )


def _settle(network: GraphModule, surgery: Surgery) -> Surgery:
    """Name the head that is replaced, where the network's own was meant."""
    if isinstance(surgery, ReplaceHead) and surgery.at == OWN_HEAD:
        return replace(surgery, at=find_head(network).layer)
    return surgery


def _make_dense(task: Task) -> Operated:
    surgery, parent = task.surgery, task.parent
    assert isinstance(surgery, Convolutionalize)
    pictures = parent.config.preprocessing
    mean = find_mean_image(pictures, parent.weights)
    dense = Dense.of(parent.network, surgery, pictures, mean)
    config = task.config(pictures=dense.pictures)
    weights = task.keep(dense.network)
    result = export_dense(
        dense, config, task.progress, digest=weights.digest, sizes_px=task.sizes_px
    )
    told = (
        f"The network of `{parent.revision.address}` with its fully connected layers as"
        " convolutions: the same numbers, seen as filters. It reads pictures of any size and gives,"
        " in every cell of a map, the probability of each class."
    )
    return Operated(
        title=f"{parent.revision.model}, made dense",
        told=told,
        network=dense.network,
        config=config,
        weights=weights,
        result=result,
        tags=("dense",),
    )


def _cut(task: Task) -> Operated:
    surgery, parent = task.surgery, task.parent
    assert isinstance(surgery, Cut)
    network = task.operate()
    config = task.config(label_names=())
    return Operated(
        title=f"{parent.revision.model}, cut at {surgery.at}",
        told=(
            f"The network of `{parent.revision.address}` up to its layer `{surgery.at}`, whose"
            " values it gives; what comes after is dropped."
        ),
        network=network,
        config=config,
        weights=task.keep(network, beside=parent.beside),
        result=export_network(network, config, parent.weights),
        tags=("features",),
    )


def _fold(task: Task) -> Operated:
    parent = task.parent
    folding = tell_folding(parent.network)
    if not folding.folded:
        stayed = f" These stay: {name_layers(folding.stayed)}." if folding.stayed else ""
        raise Unsupported(
            f"{parent.revision.address} has no batch normalisation that could be folded into a"
            f" weighted layer before it.{stayed}",
            hint="Its layers are listed by: zoo show MODEL --layers",
            stayed=list(folding.stayed),
        )
    network = task.operate()
    difference = _compare(task, network)
    stayed = f" These stay as they were: {name_layers(folding.stayed)}." if folding.stayed else ""
    told = (
        f"The network of `{parent.revision.address}` with {len(folding.folded)} layers of"
        f" normalisation folded into the weighted layer before each: {name_layers(folding.folded)}."
        f"{stayed} On noise its outputs differ from the original's by {difference:.1e} of the"
        " largest at most, which is rounding."
    )
    weights = task.keep(network, beside=parent.beside)
    config = task.config()
    return Operated(
        title=f"{parent.revision.model}, batch normalisation folded",
        told=told,
        network=network,
        config=config,
        weights=weights,
        result=_export(network, config, parent.weights, weights.digest),
    )


def _replace_head(task: Task) -> Operated:
    surgery, parent = task.surgery, task.parent
    assert isinstance(surgery, ReplaceHead)
    network = task.operate()
    weights = task.keep(network, beside=parent.beside)
    numbers = tuple(str(number) for number in range(surgery.classes))
    is_classifier = not surgery.also
    config = task.config(label_names=(task.labels or numbers) if is_classifier else ())
    others = f" So have {name_layers(surgery.also)}." if surgery.also else ""
    told = (
        f"The network of `{parent.revision.address}` with a new classifier of {surgery.classes}"
        f" classes in the place of `{surgery.at}`.{others}"
        " Nobody has trained the new classifier: its weights are 0, so every class is as likely as"
        " any other. Fine-tune it: `zoo finetune MODEL DATASET`."
    )
    return Operated(
        title=f"{parent.revision.model}, with a head of {surgery.classes} classes",
        told=told,
        network=network,
        config=config,
        weights=weights,
        result=_export(network, config, parent.weights, weights.digest),
        tags=(UNTRAINED,),
    )


# What is done for each kind of surgery, and told of it.
OPERATIONS: Mapping[type[Surgery], Callable[[Task], Operated]] = {
    Convolutionalize: _make_dense,
    Cut: _cut,
    FoldBatchNorm: _fold,
    ReplaceHead: _replace_head,
}


def _export(network: GraphModule, config: ModelConfig, beside: Weights, digest: str) -> Result:
    """Write a classifier's graph, or that of another network; ``beside`` has the mean image."""
    if config.label_names and config.pictures is not None:
        return export_classifier(network, config, beside, digest=digest)
    return export_network(network, config, beside)


def _compare(task: Task, network: GraphModule) -> float:
    """Give the largest difference of a network's outputs from the parent's, on noise.

    Raises:
        ParityBroken: it is more than 1e-4 of the largest number.
    """
    parent, pictures = task.parent, task.parent.config.pictures
    mean = find_mean_image(pictures, parent.weights) if pictures else None
    largest = 0.0
    for given in draw_noise(shapes_of_inputs(parent.network, pictures), pictures=pictures):
        expected, found = (
            run_outputs(each, given, pictures=pictures, mean_image=mean)
            for each in (parent.network, network)
        )
        for name, before, after in zip(expected, expected.values(), found.values(), strict=True):
            largest = max(largest, compare_blob(name, before, after))
    if largest > TOLERANCE:
        raise ParityBroken(
            f"The folded network's outputs differ by {largest:.2g} of the largest, more than"
            f" {TOLERANCE:.0e}."
        )
    return largest
