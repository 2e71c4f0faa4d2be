"""config.json: what it takes to build and feed a network, in the shape timm's clients read."""

from dataclasses import dataclass
from typing import Any, Self

from zoo.domain.preprocessing import Channels, Preprocessing
from zoo.domain.reading import read_labels, read_list, read_object, read_text
from zoo.domain.recipe import Recipe
from zoo.errors import NotRunnable

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
GRAPH = "model.onnx"
CARD = "README.md"
TRAINING = "training.json"
PARITY = "parity.json"
REPORT = "report.html"  # of a fine-tune, in one file
DENSE = "dense.json"  # geometry and certificate of a network that reads pictures of any size
QUANTIZATION = "quantization.json"  # how a graph of fewer bits was made, and what it costs
LAYERS = "layers.json"  # shapes, parameters, operations and windows of every layer


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """The content of a revision's config.json."""

    architecture: str
    label_names: tuple[str, ...]  # none for a network that is no classifier
    pictures: Preprocessing | None  # None for a network that reads no picture
    recipe: Recipe
    lineage: dict[str, str]  # parent and dataset by address; empty for an import

    @property
    def preprocessing(self) -> Preprocessing:
        """Tell how pictures are prepared for the network.

        Raises:
            NotRunnable: it reads no picture.
        """
        if self.pictures is None:
            raise NotRunnable(
                f"The network {self.architecture!r} reads no picture.",
                hint="Only networks that read one picture can be fine-tuned, and predict.",
            )
        return self.pictures

    def as_json(self) -> dict[str, Any]:
        """Write it down: timm's keys first, ours under ``zoo``."""
        return {
            "architecture": self.architecture,
            "num_classes": len(self.label_names),
            "label_names": list(self.label_names),
            **({"pretrained_cfg": _timm_cfg(self.pictures)} if self.pictures else {}),
            "zoo": {
                **self.recipe.as_json(),
                "preprocessing": self.pictures.as_json() if self.pictures else None,
                "lineage": self.lineage,
            },
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
        labels = read_list(data["label_names"], "label_names")
        pictures = ours["preprocessing"]
        return cls(
            architecture=read_text(data["architecture"], "architecture"),
            label_names=read_labels(labels, "label_names") if labels else (),
            pictures=None
            if pictures is None
            else Preprocessing.from_json(read_object(pictures, "preprocessing")),
            recipe=Recipe.from_json(ours),
            lineage={key: read_text(value, f"lineage.{key}") for key, value in lineage.items()},
        )


def _timm_cfg(chosen: Preprocessing) -> dict[str, Any]:
    """Write the preprocessing as timm means it: mean and std of RGB pixels in 0..1."""
    height, width = chosen.crop_px
    scale = 255 * chosen.scale
    step = -1 if chosen.channels is Channels.BGR else 1
    return {
        "input_size": [chosen.channel_count, height, width],
        "crop_pct": min(height, width) / chosen.resize_px,
        "interpolation": chosen.interpolation.value,
        "mean": [value / scale for value in chosen.mean[::step]],
        "std": [value / scale for value in chosen.std[::step]],
    }
