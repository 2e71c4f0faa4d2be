"""A repository of the Hub, as it was downloaded, as a checkpoint."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from zoo.domain.checkpoint import Checkpoint, Wishes
from zoo.domain.config import CARD, CONFIG, WEIGHTS
from zoo.domain.preprocessing import Preprocessing
from zoo.domain.weights import Weights
from zoo.errors import MalformedCheckpoint
from zoo.formats.frontmatter import read_front_matter
from zoo.formats.hub.settings import HubConfig
from zoo.formats.hub.timm import read_timm_config
from zoo.formats.hub.transformers import read_transformers_config
from zoo.formats.named import read_architecture, read_weights
from zoo.formats.statement import as_given

PREPROCESSOR = "preprocessor_config.json"
ORIGINAL = "original-config.json"  # beside the zoo's own config.json
# The same weights in several forms; the first that is there is read.
FORMS = (WEIGHTS, f"{WEIGHTS}.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
TIMM_WRAPPER, WRAPPED = "timm_wrapper", "timm_model."  # transformers' shell around timm's networks
LARGEST = 16 * 2**20  # bytes of a configuration, or of a card


def is_hub(names: Mapping[str, Path]) -> bool:
    """Tell whether a config.json of timm or transformers lies beside weights."""
    if CONFIG not in names or not any(form in names for form in FORMS):
        return False
    try:
        data = _read_json(names[CONFIG], CONFIG)
    except MalformedCheckpoint:
        return False
    return "architecture" in data or "model_type" in data


def read_hub_checkpoint(files: Mapping[str, Path], wishes: Wishes) -> Checkpoint:
    """Read a repository: config.json, weights, and preprocessor_config.json and card if there.

    The configuration is kept as ``original-config.json``, because a revision has its own.

    Raises:
        MalformedCheckpoint: a configuration cannot be understood, or the weights are damaged.
        UnknownFormat, UnsafePickle: the weights cannot be read, or will not be.
        Invalid: the architecture wished for is not of the form ``library:name``.
    """
    told = _read_config(files)
    name, weights, notes = read_weights(_choose_weights(files))
    source = read_architecture(wishes.architecture) if wishes.architecture else told.source
    front, prose = _read_card(files)
    licence = front.get("license")
    return Checkpoint(
        kind="hub",
        title=Path(str(front.get("name") or told.architecture)).name,
        architecture=source.architecture if source else told.architecture,
        weights=_unwrap(weights),
        source=source,
        reason="" if source else told.reason,
        labels=told.labels if wishes.labels is None else wishes.labels,
        preprocessing=_prepare(told.preprocessing, wishes),
        licence=str(licence) if licence else None,
        prose=prose,
        tags=("hub", source.kind) if source else ("hub",),
        notes=(*told.notes, *notes, *_ignored(files, name)),
        renamed={CONFIG: ORIGINAL},
    )


def _read_config(files: Mapping[str, Path]) -> HubConfig:
    data = _read_json(files[CONFIG], CONFIG)
    try:
        if "architecture" in data and data.get("model_type", TIMM_WRAPPER) == TIMM_WRAPPER:
            return read_timm_config(data)
        found = files.get(PREPROCESSOR)
        preprocessor = _read_json(found, PREPROCESSOR) if found else None
        return read_transformers_config(data, preprocessor, path=ORIGINAL)
    except ValueError as error:
        raise MalformedCheckpoint(
            f"The configuration of the repository cannot be used: {error}.",
            hint="Mend the value named, or import the weights alone with --arch.",
            file=CONFIG,
        ) from error


def _read_json(path: Path, name: str) -> dict[str, Any]:
    with path.open("rb") as file:
        text = file.read(LARGEST)  # what is cut off there is no JSON any more
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MalformedCheckpoint(f"{name} is no JSON: {error}", file=name) from error
    if not isinstance(data, dict):
        raise MalformedCheckpoint(f"{name} is no JSON object.", file=name)
    return data


def _choose_weights(files: Mapping[str, Path]) -> Mapping[str, Path]:
    """Leave one form of the weights, with its shards where it is an index."""
    form = next(form for form in FORMS if form in files)
    if not form.endswith(".index.json"):
        return {form: files[form]}
    stem = form.partition(".")[0]
    shards = {name: path for name, path in files.items() if name.startswith(f"{stem}-")}
    return {form: files[form], **shards}


def _unwrap(weights: Weights) -> Weights:
    """Take off the shell that transformers puts around timm's networks."""
    if not all(name.startswith(WRAPPED) for name in weights):
        return weights
    return {name.removeprefix(WRAPPED): weights[name] for name in weights}


def _prepare(found: Preprocessing | None, wishes: Wishes) -> Preprocessing | None:
    if not wishes.preprocessing:
        return found
    start = found or Preprocessing()
    return replace(start, **as_given(wishes.preprocessing, channels=start.channel_count))


def _ignored(files: Mapping[str, Path], name: str) -> tuple[str, ...]:
    others = [form for form in FORMS if form in files and form != name]
    return (f"Other forms of the weights were not read: {', '.join(others)}.",) if others else ()


def _read_card(files: Mapping[str, Path]) -> tuple[dict[str, Any], str]:
    if CARD not in files or files[CARD].stat().st_size > LARGEST:
        return {}, ""
    text = files[CARD].read_text(encoding="utf-8-sig", errors="replace")
    return read_front_matter(text, name=CARD)
