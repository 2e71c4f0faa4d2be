"""How a network is built: a source, then surgeries. Never code, never a pickle."""

from dataclasses import asdict, dataclass, field
from typing import Any, Self

from zoo.domain.reading import MOST_CLASSES, read_list, read_object, read_text, read_whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What the network is first built from: a file of the revision, or a library's own name."""

    kind: str  # a key of zoo.networks.table.SOURCES: "caffe"
    path: str = ""  # the file of the revision that describes it: "deploy.prototxt"
    architecture: str = ""  # the library's name of it: "resnet18"
    arguments: dict[str, Any] = field(default_factory=dict)  # what its builder is told, plain JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceHead:
    """Drop the classifier ``at`` this layer and all after it; put a new one on its codes."""

    at: str  # layer name of the old head
    classes: int
    kind: str = "replace_head"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A source followed by surgeries, in order."""

    source: Source
    surgeries: tuple[ReplaceHead, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Write the recipe down as the ``zoo`` section of config.json holds it."""
        return {
            "source": asdict(self.source),
            "surgeries": [asdict(surgery) for surgery in self.surgeries],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read what ``as_json`` wrote.

        Raises:
            ValueError: a value is of another kind, or out of range.
        """
        source = read_object(data["source"], "source")
        surgeries = read_list(data["surgeries"], "surgeries")
        return cls(
            source=_read_source(source),
            surgeries=tuple(
                _read_surgery(surgery, f"surgeries[{index}]")
                for index, surgery in enumerate(surgeries)
            ),
        )

    def then(self, surgery: ReplaceHead) -> "Recipe":
        """Give the recipe with one more surgery at its end."""
        return Recipe(source=self.source, surgeries=(*self.surgeries, surgery))


def _read_source(data: dict[str, Any]) -> Source:
    texts = {key: value for key, value in data.items() if key != "arguments"}
    return Source(
        **{key: read_text(value, f"source.{key}") for key, value in texts.items()},
        arguments=read_object(data.get("arguments", {}), "source.arguments"),
    )


def _read_surgery(value: object, name: str) -> ReplaceHead:
    data = read_object(value, name)
    return ReplaceHead(
        **data
        | {
            "at": read_text(data["at"], f"{name}.at"),
            "classes": read_whole(data["classes"], f"{name}.classes", most=MOST_CLASSES),
            "kind": read_text(data["kind"], f"{name}.kind"),
        }
    )
