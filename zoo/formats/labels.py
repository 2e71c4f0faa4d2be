"""Names of classes from a package: one a line, or after their WordNet ids."""

import re
from collections import Counter
from collections.abc import Sequence

from zoo.errors import MalformedCard

SYNSET = re.compile(r"(n[0-9]{8})(?:\s+(.*))?")


def read_labels(text: str) -> tuple[str, ...]:
    """Read one class a line; of ``n01440764 tench`` the label is ``tench``."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    matches = [SYNSET.fullmatch(line) for line in lines]
    if not all(matches):
        return _told_apart(lines, [str(index) for index in range(len(lines))])
    synsets = [match for match in matches if match]
    return _told_apart([match[2] or match[1] for match in synsets], [match[1] for match in synsets])


def check_labels(value: object, *, name: str) -> tuple[str, ...]:
    """Read the ``labels`` of a front matter; ``name`` is the file's, for errors.

    Raises:
        MalformedCard: they are not a list of names.
    """
    if not isinstance(value, list) or not value:
        raise MalformedCard(f"{name}: labels should be a list of names.", file=name)
    for index, label in enumerate(value):
        if isinstance(label, bool) or not isinstance(label, str | int | float):
            raise MalformedCard(
                f"{name}: label {index} is {label!r}, not a name.",
                hint="Put quotes around names that YAML takes for something else.",
                file=name,
            )
    labels = [str(label) for label in value]
    return _told_apart(labels, [str(index) for index in range(len(labels))])


def _told_apart(labels: Sequence[str], marks: Sequence[str]) -> tuple[str, ...]:
    """Add its mark to every label that stands twice: ImageNet has two kinds of crane."""
    counts = Counter(labels)
    return tuple(
        f"{label} ({mark})" if counts[label] > 1 else label
        for label, mark in zip(labels, marks, strict=True)
    )
