"""config.json: what it takes to build and feed a network, in the shape timm's clients read."""

from dataclasses import dataclass
from typing import Any, Self

from zoo.domain.preprocessing import Channels, Preprocessing
from zoo.domain.reading import read_labels, read_object, read_text
from zoo.domain.recipe import Recipe

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
GRAPH = "model.onnx"
CARD = "README.md"
TRAINING = "training.json"
PARITY = "parity.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """The content of a revision's config.json."""

    architecture: str
    label_names: tuple[str, ...]
    preprocessing: Preprocessing
    recipe: Recipe
    lineage: dict[str, str]  # parent and dataset by address; empty for an import

    def as_json(self) -> dict[str, Any]:
        """Write it down: timm's keys first, ours under ``zoo``."""
        height, width = self.preprocessing.crop_px
        return {
            "architecture": self.architecture,
            "num_classes": len(self.label_names),
            "label_names": list(self.label_names),
            "pretrained_cfg": {
                "input_size": [self.preprocessing.channel_count, height, width],
                "crop_pct": min(height, width) / self.preprocessing.resize_px,
                "interpolation": "bilinear",
                **self._timm_moments(),
            },
            "zoo": {
                **self.recipe.as_json(),
                "preprocessing": self.preprocessing.as_json(),
                "lineage": self.lineage,
            },
        }

    def _timm_moments(self) -> dict[str, list[float]]:
        """Give mean and std as timm means them: of RGB pixels in 0..1."""
        chosen = self.preprocessing
        scale = 255 * chosen.scale
        step = -1 if chosen.channels is Channels.BGR else 1
        return {
            "mean": [value / scale for value in chosen.mean[::step]],
            "std": [value / scale for value in chosen.std[::step]],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read what ``as_json`` wrote.

        Raises:
            ValueError: a value is of another kind, or out of range.
            KeyError, TypeError: a key is missing, or unknown.
        """
        ours = read_object(read_object(data, "the configuration")["zoo"], "zoo")
        lineage = read_object(ours["lineage"], "lineage")
        return cls(
            architecture=read_text(data["architecture"], "architecture"),
            label_names=read_labels(data["label_names"], "label_names"),
            preprocessing=Preprocessing.from_json(
                read_object(ours["preprocessing"], "preprocessing")
            ),
            recipe=Recipe.from_json(ours),
            lineage={key: read_text(value, f"lineage.{key}") for key, value in lineage.items()},
        )
