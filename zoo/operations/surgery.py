"""Queueing a surgery, after everything that can be checked without building the network."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo.domain.config import DENSE as DENSE_FILE
from zoo.domain.config import WEIGHTS, ModelConfig
from zoo.domain.geometry import Geometry
from zoo.domain.job import Job, JobKind
from zoo.domain.revision import Revision, check_model_name, derive_name
from zoo.domain.surgery import (
    LONGEST_SIDE,
    Convolutionalize,
    Cut,
    FoldBatchNorm,
    Pads,
    ReplaceHead,
    Surgery,
    surgery_as_json,
)
from zoo.errors import Invalid, MalformedCheckpoint, NotRunnable, Unsupported
from zoo.operations import jobs
from zoo.operations.access import check_target
from zoo.operations.draft import DENSE, SERVED_AS_IT_IS, STORED
from zoo.operations.fetch import get_revision, read_config
from zoo.operations.layers import check_layers
from zoo.operations.opening import Zoo

ENDINGS: dict[type[Surgery], str] = {Convolutionalize: "dense", FoldBatchNorm: "folded"}
OWN_HEAD = ""  # of ReplaceHead.at: the classifier that the network ends in, which the job finds
MOST_SIZES = 8  # that one job checks
NEEDED = (
    "A surgery needs the checkpoint in a form that can be taken apart: the deploy.prototxt and"
    " .caffemodel, or weights by name with --arch LIBRARY:NAME. Import that."
)

Size = tuple[int, int]  # height, width


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseOptions:
    """How a classifier is made dense."""

    name: str | None = None
    pads: Pads = Pads.KEEP
    border_px: int = 0
    sizes_px: tuple[Size, ...] = ()  # larger ones to measure the certificate at; else our own


def enqueue_dense(zoo: Zoo, model: str, options: DenseOptions) -> Job:
    """Queue the job that has a classifier read pictures of any size.

    Raises:
        As ``enqueue_surgery``; and
        Invalid: it is dense already, the border or a size to check is out of range.
        Unsupported: it is no classifier of pictures.
    """
    revision, config = _open(zoo, model)
    _check_undone(revision)
    pictures = config.pictures
    if pictures is None or not config.label_names:
        raise Unsupported(
            f"{revision.address} is no classifier of pictures, so there is no map of classes that"
            " it could give.",
            hint="Import the whole classifier, with what it ends in.",
            revision=revision.address,
        )
    if not 0 <= options.border_px <= LONGEST_SIDE:
        raise Invalid(
            f"A border of {options.border_px} pixels cannot be put around pictures.",
            hint=f"Give 0 to {LONGEST_SIDE}.",
        )
    _check_sizes(options.sizes_px, zoo.settings.tile_px)
    surgery = Convolutionalize(
        shape=(pictures.channel_count, *pictures.crop_px),
        pads=options.pads,
        border_px=options.border_px,
    )
    return _enqueue(zoo, revision, surgery, name=options.name, sizes_px=options.sizes_px)


def enqueue_surgery(
    zoo: Zoo,
    model: str,
    surgery: ReplaceHead | Cut | FoldBatchNorm,
    *,
    name: str | None = None,
    labels: tuple[str, ...] | None = None,
) -> Job:
    """Queue a surgery on a model; the same one, not finished, is taken up again.

    ``ReplaceHead`` at ``OWN_HEAD`` replaces the classifier that the network ends in. ``labels`` are
    those of the new head's classes.

    Raises:
        ModelNotFound, RevisionNotFound: there is no such model.
        NotRunnable: it has no network that could be taken apart; what is needed is told.
        LayerNotFound: it has no such layer as the surgery names.
        Invalid: labels and classes do not agree, or the model is dense and cannot be changed so.
        BadName: the new model cannot be called so.
        Forbidden: the caller may not write what belongs to its owner.
    """
    revision, config = _open(zoo, model)
    _check_labels(surgery, labels)
    if isinstance(surgery, FoldBatchNorm):
        _check_undone(revision)
    if isinstance(surgery, ReplaceHead):
        check_trainable(revision, config)
        own = [] if surgery.at == OWN_HEAD else [surgery.at]
        check_layers(zoo, revision, config, [*own, *surgery.also])
    if isinstance(surgery, Cut):
        check_layers(zoo, revision, config, [surgery.at])
    return _enqueue(zoo, revision, surgery, name=name, labels=labels)


def read_dense(path: Path) -> Geometry:
    """Read how a dense network's map lies over pictures, out of its dense.json.

    Raises:
        MalformedCheckpoint: the file cannot be understood.
    """
    try:
        return Geometry.from_json(json.loads(path.read_bytes())["geometry"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise MalformedCheckpoint(
            f"{DENSE_FILE} cannot be understood: {error!r}",
            hint="Make the dense model again: zoo dense MODEL",
        ) from error


def check_trainable(revision: Revision, config: ModelConfig) -> None:
    """Refuse a network that reads larger pictures than the classifier that it was made of.

    Raises:
        Unsupported: it is dense, without the cells that see padding.
    """
    last = config.recipe.surgeries[-1] if config.recipe.surgeries else None
    if isinstance(last, Convolutionalize) and last.pads is Pads.REMOVE:
        raise Unsupported(
            f"{revision.address} leaves out the cells that see padding, so it reads larger pictures"
            " than its head was made for.",
            hint=f"Use the classifier that it was made of{_made_of(revision)}",
            revision=revision.address,
        )


def join_name(model: str, ending: str, *, otherwise: str) -> str:
    """Name a model that comes of another: its name and what was made of it, its owner kept."""
    owner, slash, name = model.rpartition("/")
    return owner + slash + derive_name(f"{name}-{ending}", otherwise=otherwise)


def _enqueue(  # noqa: PLR0913  # what a job is told
    zoo: Zoo,
    revision: Revision,
    surgery: Surgery,
    *,
    name: str | None,
    labels: tuple[str, ...] | None = None,
    sizes_px: Sequence[Size] = (),
) -> Job:
    called = check_model_name(name or _default_name(revision, surgery))
    check_target(zoo, called, parent=revision.address)
    params = {
        "model": revision.address,
        "name": called,
        "surgery": surgery_as_json(surgery),
        "labels": None if labels is None else list(labels),
        "sizes": [list(size) for size in sizes_px],
    }
    return jobs.enqueue(zoo, JobKind.SURGERY, params)


def _default_name(revision: Revision, surgery: Surgery) -> str:
    if isinstance(surgery, ReplaceHead):
        ending = f"{surgery.classes}-classes"
    elif isinstance(surgery, Cut):
        ending = surgery.at
    else:
        ending = ENDINGS[type(surgery)]
    return join_name(revision.model, ending, otherwise=surgery.kind)


def _open(zoo: Zoo, model: str) -> tuple[Revision, ModelConfig]:
    """Give a revision whose network can be taken apart, and what it says of it."""
    revision = get_revision(zoo, model)
    if revision.summary.get("runs") == STORED:
        reason = revision.summary.get("reason", "")
        raise NotRunnable(
            f"{revision.address} is stored only, so there is no network to operate on."
            f" {reason}".strip(),
            hint="Import it again and say what it is: zoo import PATH --arch LIBRARY:NAME",
            revision=revision.address,
        )
    config = read_config(zoo, revision)
    if config.recipe.source.kind in SERVED_AS_IT_IS:
        raise NotRunnable(
            f"{revision.address} is an ONNX graph that is served as it came; it is not taken apart"
            " into layers.",
            hint=f"{NEEDED} Its card says what was in the way: zoo show MODEL --card",
            revision=revision.address,
        )
    if revision.find_file(WEIGHTS) is None:
        raise NotRunnable(
            f"{revision.address} has no {WEIGHTS}.", hint=NEEDED, revision=revision.address
        )
    return revision, config


def _check_undone(revision: Revision) -> None:
    """Refuse a dense network where only the classifier it was made of will do."""
    if revision.summary.get("runs") == DENSE:
        raise Invalid(
            f"{revision.address} is dense already.",
            hint=f"Operate on the classifier that it was made of{_made_of(revision)}",
            revision=revision.address,
        )


def _made_of(revision: Revision) -> str:
    return f": {revision.parent}" if revision.parent else "."


def _check_labels(surgery: Surgery, labels: tuple[str, ...] | None) -> None:
    if labels is None:
        return
    classes = surgery.classes if isinstance(surgery, ReplaceHead) else 0
    if len(labels) != classes:
        raise Invalid(
            f"There are {len(labels)} labels, and {classes} classes in the new head."
            if classes
            else "Labels are those of a new head, and no head is replaced.",
            hint="Give one label a class, in the order of the outputs.",
            labels=len(labels),
            classes=classes,
        )


def _check_sizes(sizes_px: Sequence[Size], most_px: int) -> None:
    if len(sizes_px) > MOST_SIZES:
        raise Invalid(
            f"{len(sizes_px)} sizes are more than one job checks.", hint=f"Give {MOST_SIZES}."
        )
    for height, width in sizes_px:
        if not (0 < height <= most_px and 0 < width <= most_px):
            raise Invalid(
                f"A picture of {height} x {width} cannot be checked.",
                hint=f"Give sides of 1 to {most_px} pixels, which ZOO_TILE_PX says.",
                size_px=[height, width],
            )
