"""Cards: README.md of a revision, YAML front matter for machines and prose for people."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from zoo.domain.preprocessing import Preprocessing, Resize


def write_card(front: Mapping[str, Any], title: str, paragraphs: Sequence[str]) -> str:
    """Write a card down; front matter without a value is left out."""
    kept = {key: value for key, value in front.items() if value not in (None, [], {}, "")}
    matter = yaml.safe_dump(kept, sort_keys=False, allow_unicode=True, width=100)
    body = "\n\n".join(paragraph.strip() for paragraph in paragraphs if paragraph.strip())
    return f"---\n{matter}---\n\n# {title}\n\n{body}\n"


def tell_preprocessing(preprocessing: Preprocessing) -> str:
    """Say in words how a picture is prepared, and where that is known from."""
    height, width = preprocessing.crop_px
    first = (
        f"the shorter side is resized to {preprocessing.resize_px} pixels"
        if preprocessing.resize is Resize.SHORT_SIDE
        else f"it is resized to {preprocessing.resize_px} pixels a side, whatever its shape"
    )
    mean = "the mean image" if preprocessing.mean_tensor else _numbers(preprocessing.mean)
    return (
        f"A picture is prepared so: {first}, the middle {height} x {width} is cut out, channels "
        f"are read as {preprocessing.channels.value}, and every value x of 0..255 becomes "
        f"(x * {preprocessing.scale:.10g} - {mean}) / {_numbers(preprocessing.std)}. "
        f"Known from: {preprocessing.source.rstrip('.')}."
    )


def _numbers(values: Sequence[float]) -> str:
    """Write one number per channel, or one for all that are alike."""
    if len(set(values)) == 1:
        return f"{values[0]:.10g}"
    return "(" + ", ".join(f"{value:.10g}" for value in values) + ")"
