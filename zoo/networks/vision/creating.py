"""The module that a library makes of a name and arguments, once both were looked at."""

import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zoo.domain.reading import read_object
from zoo.domain.recipe import Source
from zoo.domain.weights import Weights
from zoo.errors import MalformedCheckpoint, Unsupported
from zoo.networks.vision.architectures import LISTS, check_name
from zoo.networks.vision.arguments import (
    PORTED,
    TIMM_REFUSED,
    TORCHVISION_ARGUMENTS,
    TRANSFORMERS_DROPPED,
    check_values,
)
from zoo.networks.vision.libraries import import_timm, import_torchvision, import_transformers

LARGEST_TEXT = 4 * 2**20  # bytes of a library's configuration
COUNTER = "num_batches_tracked"


def create(source: Source, files: Mapping[str, Path], *, is_drawn: bool = False) -> nn.Module:
    """Let the library build its module, by name and arguments that were looked at."""
    if source.kind in LISTS:
        check_name(source.kind, source.architecture)
    check_values(source.arguments, source.architecture)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what a library would do with weights of its own
            return CREATORS[source.kind](source, files, is_drawn)
    except (ArithmeticError, AttributeError, LookupError, AssertionError) as error:
        raise _refusal(source, error) from error
    except (RuntimeError, TypeError, ValueError, MemoryError) as error:
        raise _refusal(source, error) from error


def numbers_of(built: nn.Module) -> Weights:
    """Copy the numbers a module has, by name; the counters of its batches are none."""
    return {
        name: tensor.detach().numpy().copy()
        for name, tensor in built.state_dict().items()
        if not name.endswith(COUNTER)
    }


def _refusal(source: Source, error: Exception) -> Unsupported:
    said = str(error).strip().partition("\n")[0]
    told = json.dumps(source.arguments) if source.arguments else "no arguments"
    return Unsupported(
        f"{source.kind} cannot build {source.architecture or source.path!r} with {told}: {said}",
        hint="Compare the arguments with the library's own documentation of that architecture.",
        architecture=source.architecture,
    )


def _create_torchvision(
    source: Source,
    _files: Mapping[str, Path],
    is_drawn: bool,  # noqa: FBT001  # one signature for all
) -> nn.Module:
    unknown = sorted(set(source.arguments) - TORCHVISION_ARGUMENTS)
    if unknown:
        raise TypeError(f"these arguments are not taken here: {', '.join(unknown)}")
    told = PORTED.get(source.architecture, {}) | source.arguments
    if source.architecture in PORTED:
        told = {"init_weights": is_drawn, "aux_logits": True} | told
    built: nn.Module = import_torchvision().get_model(source.architecture, weights=None, **told)
    return built


def _create_timm(
    source: Source,
    _files: Mapping[str, Path],
    _is_drawn: bool,  # noqa: FBT001  # one signature for all
) -> nn.Module:
    refused = sorted(set(source.arguments) & TIMM_REFUSED)
    if refused:
        raise TypeError(f"these arguments are not taken here: {', '.join(refused)}")
    built: nn.Module = import_timm().create_model(
        source.architecture, pretrained=False, **source.arguments
    )
    return built


class _Scores(nn.Module):
    """A classifier of transformers as a module from pictures to scores."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        """Score a batch."""
        scores: Tensor = self.model(pixel_values=x, return_dict=False)[0]
        return scores


def _create_transformers(
    source: Source,
    files: Mapping[str, Path],
    _is_drawn: bool,  # noqa: FBT001  # one signature for all
) -> nn.Module:
    transformers = import_transformers()
    data = _read_config(files[source.path], source.path) | source.arguments
    check_values(data, source.path)
    model_type = data.pop("model_type", None)
    known = transformers.models.auto.modeling_auto.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES
    if model_type not in known or model_type == "timm_wrapper":
        raise ValueError(f"transformers has no classifier of pictures of the type {model_type!r}")
    kept = {key: value for key, value in data.items() if key not in TRANSFORMERS_DROPPED}
    config = transformers.AutoConfig.for_model(model_type, **kept)
    model = transformers.AutoModelForImageClassification.from_config(
        config, trust_remote_code=False, dtype=torch.float32, attn_implementation="eager"
    )
    return _Scores(model)


def _read_config(path: Path, name: str) -> dict[str, Any]:
    with path.open("rb") as file:
        text = file.read(LARGEST_TEXT)  # what is cut off there is no JSON any more
    try:
        return read_object(json.loads(text), name)
    except (ValueError, RecursionError) as error:
        raise MalformedCheckpoint(
            f"{name} cannot be read: {error}",
            hint="Take the config.json that was published with the weights.",
            file=name,
        ) from error


CREATORS: Mapping[str, Callable[[Source, Mapping[str, Path], bool], nn.Module]] = {
    "torchvision": _create_torchvision,
    "timm": _create_timm,
    "transformers": _create_transformers,
}
