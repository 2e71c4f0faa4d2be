"""How a network is built: a source, then surgeries. Never code, never a pickle."""

from dataclasses import asdict, dataclass, field
from typing import Any, Self

from zoo.domain.reading import read_list, read_object, read_text
from zoo.domain.surgery import Surgery, read_surgery, surgery_as_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What the network is first built from: a file of the revision, or a library's own name."""

    kind: str  # a key of zoo.networks.table.SOURCES: "caffe"
    path: str = ""  # the file of the revision that describes it: "deploy.prototxt"
    architecture: str = ""  # the library's name of it: "resnet18"
    arguments: dict[str, Any] = field(default_factory=dict)  # what its builder is told, plain JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A source followed by surgeries, in order."""

    source: Source
    surgeries: tuple[Surgery, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Write the recipe down as the ``zoo`` section of config.json holds it."""
        return {
            "source": asdict(self.source),
            "surgeries": [surgery_as_json(surgery) for surgery in self.surgeries],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read what ``as_json`` wrote.

        Raises:
            ValueError: a value is of another kind, or out of range.
            Unsupported: a surgery is one that this version does not know.
        """
        source = read_object(data["source"], "source")
        surgeries = read_list(data["surgeries"], "surgeries")
        return cls(
            source=_read_source(source),
            surgeries=tuple(
                read_surgery(surgery, f"surgeries[{index}]")
                for index, surgery in enumerate(surgeries)
            ),
        )

    def then(self, surgery: Surgery) -> "Recipe":
        """Give the recipe with one more surgery at its end."""
        return Recipe(source=self.source, surgeries=(*self.surgeries, surgery))


def _read_source(data: dict[str, Any]) -> Source:
    texts = {key: value for key, value in data.items() if key != "arguments"}
    return Source(
        **{key: read_text(value, f"source.{key}") for key, value in texts.items()},
        arguments=read_object(data.get("arguments", {}), "source.arguments"),
    )
