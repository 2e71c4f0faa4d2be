"""An open zoo, over which the verbs of this machine stand.

Operations that compute are imported where they are used: numpy, Pillow and ONNX Runtime take longer
to come than most commands take.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo.operations.opening import Zoo


@dataclass(frozen=True, slots=True)
class OverZoo:
    """An open zoo of this machine."""

    zoo: Zoo
