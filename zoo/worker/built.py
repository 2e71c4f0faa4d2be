"""What an import's job has made of a checkpoint, before it is published."""

from dataclasses import dataclass

from zoo.domain.preprocessing import Preprocessing
from zoo.domain.recipe import Recipe
from zoo.export.parity import BlobParity, Parity
from zoo.networks.classifier import Classifier


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A network that was built and proven."""

    runs: str
    recipe: Recipe
    labels: tuple[str, ...]
    pictures: Preprocessing | None
    graph: bytes | None  # None where it has no equal in ONNX, and a note says why
    parity: Parity | BlobParity | None
    notes: tuple[str, ...] = ()
    classifier: Classifier | None = None
