"""What is operated on, what came of it, and how its revision tells of it."""

from dataclasses import dataclass, replace
from typing import Any

from torch.fx import GraphModule

from zoo.domain.config import ModelConfig
from zoo.domain.revision import Blob
from zoo.domain.surgery import Surgery
from zoo.domain.unequal import carry_weighed
from zoo.domain.weights import Weights
from zoo.formats.safetensors import write_safetensors
from zoo.networks.build import weights_of
from zoo.networks.table import SURGERIES
from zoo.operations.card import tell_preprocessing, write_card
from zoo.operations.opening import Zoo
from zoo.worker.built import Result
from zoo.worker.certificate import Size
from zoo.worker.parent import Parent
from zoo.worker.progress import Progress

TOLD = 5  # layers that a card names at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is to be done, and to which network."""

    zoo: Zoo
    parent: Parent
    surgery: Surgery
    labels: tuple[str, ...] | None  # of a new head
    sizes_px: tuple[Size, ...]  # that a certificate is measured at
    progress: Progress

    def config(self, **changed: Any) -> ModelConfig:  # noqa: ANN401  # fields of a configuration
        """Give the content of config.json; what the surgery changes of the parent's is given."""
        return replace(
            self.parent.config,
            recipe=self.parent.config.recipe.then(self.surgery),
            lineage={"parent": self.parent.revision.address},
            **changed,
        )

    def operate(self) -> GraphModule:
        """Give the changed network."""
        return SURGERIES[self.surgery.kind](self.parent.network, self.surgery)

    def keep(self, network: GraphModule, *, beside: Weights | None = None) -> Blob:
        """Keep a network's weights, and what lies beside them."""
        return self.zoo.blobs.put(write_safetensors({**weights_of(network), **(beside or {})}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Operated:
    """What came of it."""

    title: str
    told: str  # what was done, for the card
    network: GraphModule
    config: ModelConfig
    weights: Blob
    result: Result
    tags: tuple[str, ...] = ()


def summarise(task: Task, operated: Operated) -> dict[str, Any]:
    """Give what lists and searches show."""
    config, pictures = operated.config, operated.config.pictures
    return {
        "architecture": config.architecture,
        "classes": len(config.label_names),
        "parameters": sum(tensor.numel() for tensor in operated.network.parameters()),
        "license": task.parent.revision.summary.get("license"),
        "source": config.recipe.source.kind,
        "runs": operated.result.runs,
        "preprocessing": pictures.source if pictures else None,
        **carry_weighed(task.parent.revision.summary),
        "surgery": task.surgery.kind,
        "notes": list(operated.result.notes),
        **operated.result.summary,
    }


def describe(task: Task, operated: Operated) -> str:
    """Write the card: what was done, what was measured, how pictures are prepared."""
    config, result = operated.config, operated.result
    notes = "\n".join(f"- {note}" for note in result.notes)
    front = {
        "license": task.parent.revision.summary.get("license"),
        "base_model": task.parent.revision.address,
        "tags": [*operated.tags, *(["image-classification"] if config.label_names else [])],
        "pipeline_tag": "image-classification" if config.label_names else None,
        "labels": list(config.label_names),
    }
    body = [
        operated.told,
        *result.paragraphs,
        f"What to know:\n\n{notes}" if notes else "",
        tell_preprocessing(config.pictures) if config.pictures else "",
    ]
    return write_card(front, operated.title, body)


def name_layers(layers: tuple[str, ...]) -> str:
    """Name layers, not all of many."""
    told = ", ".join(f"`{layer}`" for layer in layers[:TOLD])
    return told + (f" and {len(layers) - TOLD} more" if len(layers) > TOLD else "")
