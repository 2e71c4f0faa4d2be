"""An ONNX graph as a checkpoint: trainable where its operations have equals, else as it is."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from zoo.domain.checkpoint import Checkpoint, Wishes
from zoo.domain.preprocessing import Preprocessing
from zoo.domain.recipe import Source
from zoo.errors import IncompletePackage, UnsupportedLayers
from zoo.formats.onnx.external import beside
from zoo.formats.onnx.model import OnnxModel
from zoo.formats.onnx.own import Own, find_own
from zoo.formats.onnx.picture import (
    PictureInput,
    assume_preprocessing,
    find_picture_input,
    gives_scores,
)
from zoo.formats.onnx.plan import Plan, plan_layers, weights_of_model, weights_of_plan
from zoo.formats.onnx.reading import read_onnx
from zoo.formats.statement import as_given

KIND, AS_IT_IS = "onnx", "onnx-graph"
ENDING = ".onnx"
TAKEN, KEPT = "model.onnx", "original.onnx"  # the name that the served graph has
SIDE, RESIZED = 224, 256  # pixels: of a crop, and of the shorter side it is cut from
MOST_TOLD = 5  # operations that a note lists
TAGS = ("onnx",)


def is_onnx(names: Mapping[str, Path]) -> bool:
    """Tell whether there is an ONNX file among these."""
    return any(name.lower().endswith(ENDING) for name in names)


def read_onnx_checkpoint(files: Mapping[str, Path], wishes: Wishes) -> Checkpoint:
    """Read the one .onnx file, with the files beside it that its tensors may lie in.

    A graph of operations that have equals among PyTorch's modules has the source ``onnx`` and its
    weights under their names in the network; any other has the source ``onnx-graph``, which is
    served as it is, and its weights under their own names.

    Raises:
        IncompletePackage: there are several graphs, or none.
        MalformedCheckpoint: the file is damaged, or its tensors lie where they may not.
        Invalid: the preprocessing that is wished for cannot be.
    """
    name = _only_graph(files)
    model = read_onnx(files[name], name=name, external=beside(files, name))
    kept = KEPT if name.lower() == TAKEN else name
    plan, notes = _plan(model)
    own = find_own(model)
    picture = find_picture_input(model)
    title = model.name if model.name and not model.name.startswith(("main", "torch")) else ""
    return Checkpoint(
        kind=KIND,
        title=model.metadata.get("zoo.architecture") or title or PurePosixPath(name).stem,
        architecture=model.metadata.get("zoo.architecture") or PurePosixPath(name).stem,
        weights=weights_of_plan(plan) if plan else weights_of_model(model),
        source=Source(kind=KIND if plan else AS_IT_IS, path=kept),
        labels=own.labels if own and wishes.labels is None else wishes.labels,
        preprocessing=_prepare(model, own, picture, wishes),
        mean_image=own.mean_image if own else None,
        tags=TAGS,
        notes=(*notes, *([picture] if isinstance(picture, str) else [])),
        renamed={name: kept} if kept != name else {},
    )


def _only_graph(files: Mapping[str, Path]) -> str:
    found = sorted(name for name in files if name.lower().endswith(ENDING))
    if len(found) == 1:
        return found[0]
    raise IncompletePackage(
        f"There are {len(found)} ONNX graphs here ({', '.join(found) or 'none'}), not one.",
        hint="Import each .onnx file by itself, with the files that hold its weights.",
        seen=found,
    )


def _plan(model: OnnxModel) -> tuple[Plan | None, tuple[str, ...]]:
    """Plan the network, or say which operations are in its way."""
    try:
        return plan_layers(model), ()
    except UnsupportedLayers as error:
        layers = error.detail["layers"]
        reasons = list(layers) if isinstance(layers, list) else []
    shown = "; ".join(reasons[:MOST_TOLD])
    more = f"; and {len(reasons) - MOST_TOLD} more" if len(reasons) > MOST_TOLD else ""
    return None, (f"The graph is served as it is and cannot be fine-tuned: {shown}{more}.",)


def _prepare(
    model: OnnxModel, own: Own | None, picture: PictureInput | str, wishes: Wishes
) -> Preprocessing | None:
    """Give the preprocessing that the graph states, or the usual one; what is wished for wins.

    None where no picture is read, or no row of scores given.
    """
    if isinstance(picture, str):
        return None
    if own is None and not gives_scores(model):
        return None
    found = own.preprocessing if own else assume_preprocessing(picture)
    if not wishes.preprocessing:
        return found
    given = as_given(wishes.preprocessing, channels=found.channel_count)
    return replace(found, **given)
