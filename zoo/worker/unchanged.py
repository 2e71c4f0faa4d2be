"""What a fine-tune left as it was."""

from dataclasses import dataclass

import numpy as np

from zoo.domain.weights import Weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchanged:
    """How many tensors of the parent a network still holds, to the bit."""

    tensors: int
    of: int  # those that both have, statistics among them

    def __str__(self) -> str:
        """Say it."""
        return f"{self.tensors} of {self.of} tensors of the parent are unchanged to the bit"


def count_unchanged(before: Weights, after: Weights) -> Unchanged:
    """Compare the tensors of a network with those of its parent that have their names."""
    both = [name for name in after if name in before and before[name].shape == after[name].shape]
    same = [name for name in both if np.array_equal(before[name], after[name], equal_nan=True)]
    return Unchanged(tensors=len(same), of=len(both))
