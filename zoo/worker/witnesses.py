"""The few pictures that stand for all where both sides of a comparison would cost a pass."""

from collections.abc import Sequence

from zoo.domain.dataset import Picture

WITNESSES = 8


def choose_witnesses(pictures: Sequence[Picture]) -> list[Picture]:
    """Give some pictures, evenly from all: they lie class by class."""
    count = min(WITNESSES, len(pictures))
    return [pictures[at * len(pictures) // count] for at in range(count)]
