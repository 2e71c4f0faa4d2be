"""What is known of a checkpoint before its network is built: handed from the importer to the job.

It lies in the store as JSON while the job waits, so that the row of the job stays small.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from zoo.domain.config import GRAPH, ModelConfig
from zoo.domain.preprocessing import Preprocessing
from zoo.domain.recipe import Recipe
from zoo.domain.revision import Blob
from zoo.domain.search import Runs
from zoo.formats.claims import Claim, find_claims
from zoo.operations.card import tell_preprocessing, write_card
from zoo.operations.opening import Zoo
from zoo.operations.publish import put_json

if TYPE_CHECKING:  # It brings NumPy, which queueing a job does without.
    from zoo.domain.checkpoint import Checkpoint

CLASSIFIER, DENSE = Runs.CLASSIFIER.value, Runs.DENSE.value
NO_GRAPH = f"There is no {GRAPH}:"  # of a note that tells why
NETWORK, STORED = Runs.NETWORK.value, Runs.STORED.value
# Kinds of sources that no network is built from.
SERVED_AS_IT_IS = frozenset({"onnx-graph"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A revision in the making."""

    kind: str
    title: str
    architecture: str
    recipe: Recipe | None  # None: stored, and ``reason`` says why
    reason: str
    labels: tuple[str, ...] | None
    pictures: Preprocessing | None
    given: dict[str, Any]  # fields of Preprocessing that win over what a library says
    licence: str | None
    prose: str
    tags: tuple[str, ...]
    notes: tuple[str, ...]
    parameters: int
    originals: tuple[str, ...]
    claims: tuple[Claim, ...] = field(default=())

    @classmethod
    def of(
        cls,
        checkpoint: "Checkpoint",
        *,
        recipe: Recipe | None,
        given: Mapping[str, Any] | None,
        originals: tuple[str, ...],
    ) -> Self:
        """Draw up what a reader found; ``originals`` are the names they are kept under."""
        return cls(
            kind=checkpoint.kind,
            title=checkpoint.title,
            architecture=checkpoint.architecture,
            recipe=recipe,
            reason=checkpoint.reason,
            labels=checkpoint.labels,
            pictures=checkpoint.preprocessing,
            given=dict(given or {}),
            licence=checkpoint.licence,
            prose=checkpoint.prose,
            tags=checkpoint.tags,
            notes=checkpoint.notes,
            parameters=sum(array.size for array in checkpoint.weights.values()),
            originals=originals,
            claims=find_claims(checkpoint.prose),
        )

    def config(
        self,
        recipe: Recipe,
        *,
        labels: tuple[str, ...],
        pictures: Preprocessing | None,
    ) -> ModelConfig:
        """Give the content of config.json, now that the network is known."""
        return ModelConfig(
            architecture=self.architecture,
            label_names=labels,
            pictures=pictures,
            recipe=recipe,
            lineage={},
        )

    def summary(
        self, *, runs: str, labels: tuple[str, ...], pictures: Preprocessing | None
    ) -> dict[str, Any]:
        """Give what lists and searches show."""
        return {
            "architecture": self.architecture,
            "classes": len(labels),
            "parameters": self.parameters,
            "license": self.licence,
            "source": self.kind,
            "runs": runs,
            "preprocessing": pictures.source if pictures else None,
        }

    def card(
        self,
        *,
        labels: tuple[str, ...],
        pictures: Preprocessing | None,
        notes: tuple[str, ...] = (),
        paragraphs: tuple[str, ...] = (),
    ) -> str:
        """Write the card; ``notes`` and ``paragraphs`` are what the job found out."""
        front = {
            "license": self.licence,
            "tags": [*self.tags, *(["image-classification"] if labels else [])],
            "pipeline_tag": "image-classification" if labels else None,
            "labels": list(labels),
        }
        told = "\n".join(f"- {note}" for note in (*self.notes, *notes))
        kept = ", ".join(f"`{name}`" for name in self.originals)
        body = [
            f"Imported from files that are kept beside this card as they came: {kept}."
            if kept
            else "",
            f"Stored, not runnable: {self.reason}" if self.recipe is None else "",
            tell_preprocessing(pictures) if pictures else "",
            f"What to know:\n\n{told}" if told else "",
            *paragraphs,
            self.prose,
        ]
        return write_card(front, self.title or self.architecture, body)

    def as_json(self) -> dict[str, Any]:
        """Write it down with plain JSON types."""
        return {
            "kind": self.kind,
            "title": self.title,
            "architecture": self.architecture,
            "recipe": self.recipe.as_json() if self.recipe else None,
            "reason": self.reason,
            "labels": None if self.labels is None else list(self.labels),
            "pictures": self.pictures.as_json() if self.pictures else None,
            "given": self.given,
            "licence": self.licence,
            "prose": self.prose,
            "tags": list(self.tags),
            "notes": list(self.notes),
            "parameters": self.parameters,
            "originals": list(self.originals),
            "claims": [[claim.value, claim.sentence] for claim in self.claims],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read what ``as_json`` wrote."""
        return cls(
            **data
            | {
                "recipe": Recipe.from_json(data["recipe"]) if data["recipe"] else None,
                "labels": None if data["labels"] is None else tuple(data["labels"]),
                "pictures": Preprocessing.from_json(data["pictures"]) if data["pictures"] else None,
                "tags": tuple(data["tags"]),
                "notes": tuple(data["notes"]),
                "originals": tuple(data["originals"]),
                "claims": tuple(
                    Claim(value=value, sentence=sentence) for value, sentence in data["claims"]
                ),
            }
        )


def put_draft(zoo: Zoo, draft: Draft) -> Blob:
    """Keep a draft until the job that completes it."""
    return put_json(zoo, draft.as_json())


def get_draft(zoo: Zoo, digest: str) -> Draft:
    """Give a draft that was kept."""
    return Draft.from_json(json.loads(zoo.blobs.local_path(digest).read_bytes()))
