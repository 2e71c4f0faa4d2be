"""What a revision's own files tell of it: the front matter of its card, its parameters."""

import json
import math
from collections import Counter
from typing import Any

from zoo.domain.config import CARD, WEIGHTS
from zoo.domain.revision import Revision
from zoo.errors import MalformedCard, MalformedCheckpoint, UnknownFormat
from zoo.formats.frontmatter import read_front_matter
from zoo.formats.safetensors import read_safetensors_file
from zoo.operations.fetch import get_file
from zoo.operations.opening import Zoo

LARGEST_CARD = 2**20  # bytes that are looked at for front matter


def read_card(zoo: Zoo, revision: Revision) -> dict[str, Any]:
    """Read the front matter of a revision's card, in JSON's types; none where there is none."""
    found = revision.find_file(CARD)
    if found is None or found.size_bytes > LARGEST_CARD:
        return {}
    _, path = get_file(zoo, revision, CARD)
    try:
        front, _ = read_front_matter(path.read_text(encoding="utf-8", errors="replace"), name=CARD)
    except MalformedCard:
        return {}
    text = json.dumps(front, default=str)
    plain: dict[str, Any] = json.loads(text, parse_constant=str)  # NaN is no JSON to others.
    return plain


def check_card(text: str) -> None:
    """Look whether the front matter of a card can be read.

    Raises:
        MalformedCard: it cannot; the line is told.
    """
    read_front_matter(text, name=CARD)


def count_parameters(zoo: Zoo, revision: Revision) -> dict[str, int]:
    """Count the numbers in a revision's safetensors by type; nothing where there are none."""
    if revision.find_file(WEIGHTS) is None:
        return {}
    _, path = get_file(zoo, revision, WEIGHTS)
    try:
        weights = read_safetensors_file(path, name=WEIGHTS).weights
    except (MalformedCheckpoint, UnknownFormat):
        return {}
    counts: Counter[str] = Counter()
    for array in weights.values():
        counts[array.dtype.name] += math.prod(array.shape)
    return dict(counts)
