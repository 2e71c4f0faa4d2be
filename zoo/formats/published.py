"""A revision of another zoo, as it was exported or downloaded."""

import json
from collections.abc import Mapping
from pathlib import Path

from zoo.domain.checkpoint import Checkpoint, Wishes
from zoo.domain.config import CARD, CONFIG, WEIGHTS, ModelConfig
from zoo.errors import MalformedCheckpoint
from zoo.formats.frontmatter import read_front_matter
from zoo.formats.safetensors import read_safetensors
from zoo.formats.statement import MEAN_TENSOR

LARGEST = 16 * 2**20  # bytes of config.json, or of a card


def is_published(names: Mapping[str, Path]) -> bool:
    """Tell whether a config.json of the zoo lies beside weights."""
    return {CONFIG, WEIGHTS} <= names.keys() and "zoo" in _read_json(names[CONFIG])


def read_published_checkpoint(files: Mapping[str, Path], wishes: Wishes) -> Checkpoint:
    """Read a revision with its recipe, weights, labels and preprocessing, as they were published.

    Raises:
        MalformedCheckpoint: its config.json cannot be understood.
    """
    try:
        config = ModelConfig.from_json(_read_json(files[CONFIG]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MalformedCheckpoint(
            f"{CONFIG} cannot be understood: {error!r}",
            hint="Import the package it was made from.",
            file=CONFIG,
        ) from error
    weights = read_safetensors(files[WEIGHTS], name=WEIGHTS)
    front, prose = _read_card(files)
    licence = front.get("license")
    return Checkpoint(
        kind="zoo",
        title=config.architecture,
        architecture=config.architecture,
        weights={name: weights[name] for name in weights if name != MEAN_TENSOR},
        source=config.recipe.source,
        surgeries=config.recipe.surgeries,
        labels=wishes.labels or config.label_names or None,
        preprocessing=config.pictures,
        mean_image=weights.get(MEAN_TENSOR),
        licence=str(licence) if licence else None,
        prose=prose,
        tags=("zoo",),
    )


def _read_json(path: Path) -> dict[str, object]:
    """Read an object; anything else is none of ours."""
    if path.stat().st_size > LARGEST:
        return {}
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _read_card(files: Mapping[str, Path]) -> tuple[dict[str, object], str]:
    if CARD not in files or files[CARD].stat().st_size > LARGEST:
        return {}, ""
    text = files[CARD].read_text(encoding="utf-8-sig", errors="replace")
    return read_front_matter(text, name=CARD)
