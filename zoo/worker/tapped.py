"""Codes of a dataset's pictures, and where they were taken."""

from dataclasses import dataclass
from typing import Any

from zoo.training.cache import Codes
from zoo.training.depth import DepthPoint
from zoo.worker.precision import Chosen

FP32 = Chosen()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tapped:
    """Codes of a dataset's pictures, by digest, and where they were taken.

    In bfloat16 only those of training pictures are: of the others the exported graph is asked.
    """

    taps: tuple[str, ...]
    codes: dict[str, Codes]
    depth: tuple[DepthPoint, ...]  # what the choice rests on; none where nothing was chosen
    chosen: Chosen = FP32

    def as_json(self) -> dict[str, Any]:
        """Write down where codes were taken, and why, as training.json holds it."""
        return {
            "taps": list(self.taps),
            "depth": [point.as_json() for point in self.depth],
            **self.chosen.as_json(),
        }
