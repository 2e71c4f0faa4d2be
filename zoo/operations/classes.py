"""Finding a class of a model by its name or its index."""

import difflib
from collections.abc import Sequence

from zoo.errors import Invalid

NEAR, TOLD = 3, 10  # near names and indices that an error tells at most


def get_class(labels: Sequence[str], asked: str) -> int:
    """Give the index of the class that is called so or, where none is, has that index.

    Raises:
        Invalid: there is none, and near names are told; or several are called so.
    """
    named = [index for index, label in enumerate(labels) if label == asked]
    if len(named) == 1:
        return named[0]
    if named:
        raise _ambiguous(asked, named)
    if asked in map(str, range(len(labels))):
        return int(asked)
    raise _unknown(labels, asked)


def _ambiguous(asked: str, indices: list[int]) -> Invalid:
    told = ", ".join(map(str, indices[:TOLD]))
    return Invalid(
        f"{len(indices)} classes are called {asked!r}: {told}.",
        hint="Give the index of the one you mean.",
        indices=indices[:TOLD],
    )


def _unknown(labels: Sequence[str], asked: str) -> Invalid:
    near = _near(labels, asked)
    meant = f"Did you mean {' or '.join(map(repr, near))}? " if near else ""
    return Invalid(
        f"There is no class {asked!r} among the {len(labels)} of the model.",
        hint=f"{meant}Give a label, or an index from 0 to {len(labels) - 1}.",
        label=asked,
        near=near,
    )


def _near(labels: Sequence[str], asked: str) -> list[str]:
    """List labels that hold what was asked for, and then those that are spelt like it."""
    lowered = {label.casefold(): label for label in labels}
    wanted = asked.strip().casefold()
    holding = [label for low, label in lowered.items() if wanted and wanted in low]
    alike = [lowered[low] for low in difflib.get_close_matches(wanted, lowered, n=NEAR)]
    return list(dict.fromkeys([*alike, *sorted(holding, key=len)]))[:NEAR]
