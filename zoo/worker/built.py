"""What a job has made of a checkpoint or of another revision, before it is published."""

from dataclasses import dataclass
from typing import Any

from zoo.domain.config import DENSE, GRAPH, LAYERS, PARITY
from zoo.domain.preprocessing import Preprocessing
from zoo.domain.recipe import Recipe
from zoo.domain.revision import Blob
from zoo.export.parity import BlobParity, Parity
from zoo.networks.classifier import Classifier
from zoo.operations.opening import Zoo
from zoo.operations.publish import put_json
from zoo.worker.certificate import Certificate


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
    layers: dict[str, Any] | None = None  # of layers.json; None where they cannot be told
    certificate: Certificate | None = None  # of a dense network

    @property
    def summary(self) -> dict[str, Any]:
        """Give what lists show of the network's maps, where it gives some."""
        return {"dense": self.certificate.summary()} if self.certificate else {}

    @property
    def paragraphs(self) -> tuple[str, ...]:
        """Give what the card tells of the network's maps, where it gives some."""
        if self.certificate is None:
            return ()
        told = {
            "How the map lies over pictures": self.certificate.tell_geometry(),
            "What was measured": self.certificate.tell_measured(),
        }
        return tuple(
            f"{title}:\n\n" + "\n".join(f"- {sentence}" for sentence in sentences)
            for title, sentences in told.items()
        )

    def files(self, zoo: Zoo) -> dict[str, Blob]:
        """Keep the files that tell of the network, and its graph."""
        files = {}
        if self.graph is not None:
            files[GRAPH] = zoo.blobs.put([self.graph])
        if self.parity is not None:
            files[PARITY] = put_json(zoo, self.parity.as_json())
        if self.layers is not None:
            files[LAYERS] = put_json(zoo, self.layers)
        if self.certificate is not None:
            geometry = self.certificate.geometry.as_json()
            told = {"geometry": geometry, "certificate": self.certificate.as_json()}
            files[DENSE] = put_json(zoo, told)
        return files
