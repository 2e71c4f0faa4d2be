"""What a training came to, and what it left as it was."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from torch.fx import GraphModule

from zoo.domain.weights import Weights
from zoo.networks.build import weights_of
from zoo.training.judging import Mix, Verdict
from zoo.training.loop import Measured
from zoo.training.probe import Probe
from zoo.worker.subject import Subject


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trained:
    """What came of a training: the parent's network holds the new weights by now."""

    subject: Subject  # its parent is another network where that was trained from scratch
    taps: tuple[str, ...]
    probe: Probe  # the head
    verdict: Verdict
    curve: tuple[Measured, ...]
    mixes: tuple[Mix, ...]
    share: float  # of the way from the first weights to the last ones that was kept
    parts: int  # that batches were divided into for want of memory
    resumed_at: int | None  # step that an earlier attempt had come to
    device: str

    def as_json(self) -> dict[str, Any]:
        """Write it down with plain JSON types."""
        return {
            "curve": [asdict(one) for one in self.curve],
            "mixes": [asdict(mix) for mix in self.mixes],
            "share": self.share,
            "verdict": self.verdict.as_json(),
            "batch_parts": self.parts,
            "resumed_at_step": self.resumed_at,
            "device": self.device,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchanged:
    """How many tensors of the parent a network still holds, to the bit."""

    tensors: int
    of: int  # those that both have, statistics among them

    def __str__(self) -> str:
        """Say it."""
        return f"{self.tensors} of {self.of} tensors of the parent are unchanged to the bit"


def count_unchanged(before: Weights, network: GraphModule) -> Unchanged:
    """Compare the tensors of a network with those of its parent that have their names."""
    after = weights_of(network)
    both = [name for name in after if name in before and before[name].shape == after[name].shape]
    same = [name for name in both if np.array_equal(before[name], after[name], equal_nan=True)]
    return Unchanged(tensors=len(same), of=len(both))
