"""What a revision is found by: its summary, and where that says nothing its card and config.json.

Revisions that clients of the Hub push have no summary, and still a licence, tags and classes.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from zoo.domain.config import CARD, CONFIG, GRAPH
from zoo.domain.revision import Blob
from zoo.domain.search import LONGEST_VALUE, MOST_VALUES, Facet, Runs, Size, Traits
from zoo.errors import BlobNotFound, MalformedCard
from zoo.formats.frontmatter import read_front_matter
from zoo.operations.opening import Zoo

LARGEST = 2**20  # bytes of a card or config.json that is looked at
MOST = 2**63 - 1  # that a size may be


def find_traits(
    zoo: Zoo, files: Mapping[str, Blob], summary: Mapping[str, Any], *, dataset: str | None
) -> Traits:
    """Tell what a revision of these files is found by; ``dataset`` is the one it was made with."""
    card, config = _read_card(zoo, files.get(CARD)), _read_object(zoo, files.get(CONFIG))
    runs = summary.get("runs") or (Runs.CLASSIFIER if GRAPH in files else Runs.STORED).value
    values: dict[Facet, Iterable[object]] = {
        Facet.ARCHITECTURE: [
            summary.get("architecture")
            or config.get("architecture")
            or next(iter(_listed(config.get("architectures"))), None)
        ],
        Facet.SOURCE: [summary.get("source")],
        Facet.RUNS: [runs],
        Facet.LICENCE: [summary.get("license") or card.get("license")],
        Facet.DATASET: [dataset, *_listed(card.get("datasets"))],
        Facet.STRATEGY: [summary.get("strategy")],
        Facet.TAG: [
            *_listed(card.get("tags")),
            card.get("pipeline_tag"),
            card.get("library_name"),
        ],
    }
    sizes = {
        Size.CLASSES: summary.get("classes", config.get("num_classes")),
        Size.PARAMETERS: summary.get("parameters"),
    }
    return Traits(
        values={facet: _plain(facet, found) for facet, found in values.items()},
        sizes={
            size: told for size, told in sizes.items() if type(told) is int and 0 <= told < MOST
        },
    )


def _plain(facet: Facet, found: Iterable[object]) -> tuple[str, ...]:
    """Give values as they are stored: texts, each once, no longer and no more than they may be."""
    texts = [one.strip() for one in found if isinstance(one, str)]
    if facet is Facet.DATASET:
        texts = [text.partition("@")[0] for text in texts]
    kept = dict.fromkeys(text[:LONGEST_VALUE] for text in texts if text and _is_whole(text))
    return tuple(kept)[:MOST_VALUES]


def _is_whole(text: str) -> bool:
    """Tell whether every database and every answer can hold a text: no NUL, no half letter."""
    return not any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in text)


def _listed(value: object) -> list[object]:
    """Give a list as it is, a single text as a list of it, anything else as none."""
    if isinstance(value, list):
        return value
    return [value] if isinstance(value, str) else []


def _read_card(zoo: Zoo, blob: Blob | None) -> dict[str, Any]:
    try:
        front, _ = read_front_matter(_read(zoo, blob).decode(errors="replace"), name=CARD)
    except MalformedCard:
        return {}
    return front


def _read_object(zoo: Zoo, blob: Blob | None) -> dict[str, Any]:
    try:
        data = json.loads(_read(zoo, blob) or b"{}")
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _read(zoo: Zoo, blob: Blob | None) -> bytes:
    """Read a small file; nothing of one that is large, or not there, which publishing refuses."""
    if blob is None or blob.size_bytes > LARGEST:
        return b""
    try:
        with zoo.blobs.open(blob.digest) as file:
            return file.read()
    except BlobNotFound:
        return b""
