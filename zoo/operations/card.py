"""Cards: README.md of a revision, YAML front matter for machines and prose for people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from zoo.domain.config import CARD
from zoo.domain.preprocessing import Preprocessing, Resize
from zoo.domain.revision import Revision
from zoo.errors import MalformedCard
from zoo.formats.frontmatter import read_front_matter
from zoo.operations.opening import Zoo

LONGEST = 2**17  # bytes of a card that are read to be shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A card as people read it."""

    front: Mapping[str, Any]  # empty where it cannot be read
    prose: str  # Markdown, by whoever wrote it
    digest: str  # of the file
    is_cut: bool  # the file is longer than what is shown


def read_card(zoo: Zoo, revision: Revision) -> Card | None:
    """Read the card of a revision, the beginning of one that is very long; None without one."""
    file = revision.find_file(CARD)
    if file is None:
        return None
    with zoo.blobs.open(file.digest) as opened:
        text = opened.read(LONGEST).decode(errors="replace")
    try:
        front, prose = read_front_matter(text, name=CARD)
    except MalformedCard:
        front, prose = {}, text
    is_cut = file.size_bytes > LONGEST
    return Card(front=front, prose=prose, digest=file.digest, is_cut=is_cut)


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
