"""What weights tell of the network they are for: the builder's arguments, and other names."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zoo.domain.recipe import Source
from zoo.domain.weights import Weights
from zoo.errors import Unsupported
from zoo.networks.vision.architectures import LISTS
from zoo.networks.vision.arguments import PORTED
from zoo.networks.vision.creating import COUNTER, create, numbers_of
from zoo.networks.vision.describing import IMAGENET
from zoo.networks.vision.drawing import undrawn

# Which argument the shapes of weights tell, at which of their axes; another value of it.
FITTED = {
    "torchvision": (("num_classes", 0, IMAGENET + 1),),
    "timm": (("num_classes", 0, IMAGENET + 1), ("in_chans", 1, 1)),
}
_Shapes = Mapping[str, tuple[int, ...]]


def fit_arguments(source: Source, weights: Weights) -> Source:
    """Tell the builder what the weights' own shapes say: classes, channels, auxiliary heads.

    What the source tells stays as it is. Where nothing fits the source comes back unchanged, and
    ``load_weights`` will say what is wrong.

    Raises:
        Unsupported: as ``build_vision``.
    """
    if source.kind not in LISTS:
        return source
    told = dict(PORTED.get(source.architecture, {})) | source.arguments
    source = replace(source, arguments=told)
    if source.architecture in PORTED and source.kind == "torchvision":
        has_aux = any(name.lower().startswith("aux") for name in weights)
        source = replace(source, arguments={"aux_logits": has_aux} | told)
    shapes = _shapes(source)
    found: dict[str, int] = {}
    for argument, axis, probe in FITTED[source.kind]:
        if argument in source.arguments:
            continue
        others = _find_shapes(replace(source, arguments=source.arguments | {argument: probe}))
        size = _told_by(weights, shapes, others, axis=axis)
        if size is not None:
            found[argument] = size
    return replace(source, arguments=source.arguments | found)


def fit_weights(
    source: Source, weights: Weights, files: Mapping[str, Path] | None = None
) -> Weights:
    """Give the weights the names that the installed library has for them.

    transformers has renamed the parts of its networks since many files were written, and renames
    what it loads; so it is let load them, from memory. What does not fit comes back as it was, and
    ``load_weights`` will say what is wrong. Other libraries' weights come back as they are.

    Raises:
        Unsupported, MalformedCheckpoint: as ``build_vision``.
    """
    if source.kind != "transformers":
        return weights
    with undrawn():
        built = create(source, files or {}).get_submodule("model")
    if {name for name in built.state_dict() if not name.endswith(COUNTER)} <= weights.keys():
        return weights
    given = {name: torch.tensor(np.array(value)) for name, value in weights.items()}
    config: Any = built.config
    loaded, told = type(built).from_pretrained(  # type: ignore[attr-defined]  # transformers' own
        None, config=config, state_dict=given, output_loading_info=True
    )
    if any(told[key] for key in ("missing_keys", "mismatched_keys", "unexpected_keys")):
        return weights
    return numbers_of(loaded)


def _shapes(source: Source) -> _Shapes:
    with undrawn():
        state = create(source, {}).state_dict()
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def _find_shapes(source: Source) -> _Shapes:
    """Give the shapes of a network's tensors; none where it does not take the arguments."""
    try:
        return _shapes(source)
    except Unsupported:
        return {}


def _told_by(weights: Weights, shapes: _Shapes, others: _Shapes, *, axis: int) -> int | None:
    """Find a size by the tensors that change with it; None where it is as it is, or unclear."""
    found = {
        weights[name].shape[axis]
        for name, shape in shapes.items()
        if others.get(name, shape) != shape
        and name in weights
        and weights[name].ndim == len(shape) > axis
    }
    own = {shape[axis] for name, shape in shapes.items() if others.get(name, shape) != shape}
    return int(found.pop()) if len(found) == 1 and not found <= own else None
