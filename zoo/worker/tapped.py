"""Codes of a dataset's pictures, and where they were taken."""

from dataclasses import dataclass
from typing import Any

from zoo.training.cache import Codes
from zoo.training.depth import DepthPoint


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tapped:
    """Codes of all pictures of a dataset, by digest, and where they were taken."""

    taps: tuple[str, ...]
    codes: dict[str, Codes]
    depth: tuple[DepthPoint, ...]  # what the choice rests on; none where nothing was chosen

    def as_json(self) -> dict[str, Any]:
        """Write down where codes were taken, and why, as training.json holds it."""
        return {"taps": list(self.taps), "depth": [point.as_json() for point in self.depth]}
