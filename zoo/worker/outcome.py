"""What a training came to."""

from dataclasses import asdict, dataclass
from typing import Any

from zoo.domain.training import Measured
from zoo.training.judging import Mix, Verdict
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
