"""Bodies whose graph was written and proven once: another head needs no torch.

What is kept names files that the store holds, and where codes are kept. It says nothing that is not
checked when it is used: bytes by their digests, the graph by its answers.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

from zoo.domain.config import WEIGHTS, ModelConfig
from zoo.domain.plan import CodesPrecision
from zoo.domain.reading import read_list, read_object, read_text
from zoo.domain.recipe import Recipe
from zoo.domain.revision import Revision
from zoo.images.resize import pixels_key
from zoo.operations.kept import keep, read_kept
from zoo.operations.opening import Zoo
from zoo.training.cache import CodesCache, body_key
from zoo.worker.precision import Choice

KIND, VERSION = "bodies", 2
WRITERS = ("zoo", "torch", "onnx", "numpy")  # whose versions the files depend on


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A revision's network under a new head of so many classes."""

    recipe: Recipe  # with the head
    weights: str  # digest of model.safetensors, with some head
    graph: str  # digest of model.onnx, with the same
    layers: str | None  # digest of layers.json
    parameters: int
    folder: str  # of its codes as torch gives them
    precision: CodesPrecision  # of those codes
    compared: tuple[str, str] | None  # folders of codes in fp32 and bfloat16, where both were taken

    def as_json(self) -> dict[str, Any]:
        """Write it down with plain JSON types."""
        return asdict(self) | {"recipe": self.recipe.as_json(), "precision": self.precision.value}


def body_of(revision: Revision, config: ModelConfig, taps: Sequence[str]) -> dict[str, Any]:
    """Tell all that the codes of a revision's network at some taps depend on."""
    weights = revision.find_file(WEIGHTS)
    return {
        "weights": weights.digest if weights else None,
        "recipe": config.recipe.as_json(),
        "preprocessing": config.preprocessing.as_json(),
        "pixels": pixels_key(),
        "taps": list(taps),
    }


def runtime_codes(zoo: Zoo, about: dict[str, Any]) -> CodesCache:
    """Give the cache of a body's codes as ONNX Runtime computes them."""
    runtime = {"runtime": f"onnxruntime {_find_version()}", "writers": _versions(), **about}
    return CodesCache(folder=zoo.codes_folder / body_key(runtime))


def keep_body(zoo: Zoo, about: dict[str, Any], classes: int, choice: Choice, body: Body) -> None:
    """Keep a body that was proven; ``choice`` tells what its codes could be computed in."""
    key = _key(zoo, about, classes, choice)
    keep(zoo, KIND, key, {"body": body.as_json()}, version=VERSION)


def find_body(zoo: Zoo, about: dict[str, Any], classes: int, choice: Choice) -> Body | None:
    """Give a body under a head of so many classes, where one was proven here."""
    data = read_kept(zoo, KIND, _key(zoo, about, classes, choice), version=VERSION)
    try:
        return None if data is None else _read(read_object(data["body"], "body"))
    except (ValueError, KeyError, TypeError):
        return None


def _key(zoo: Zoo, about: dict[str, Any], classes: int, choice: Choice) -> str:
    """Name a body after what it depends on."""
    chosen = {"precision": choice.as_json(), "device": zoo.settings.device}
    return body_key({"classes": classes, "writers": _versions(), **chosen, **about})


def _versions() -> dict[str, str]:
    return {name: version(name) for name in WRITERS}


def _find_version() -> str:
    import onnxruntime  # noqa: PLC0415  # only where there is something to compare

    return str(onnxruntime.__version__)


def _read(data: dict[str, Any]) -> Body:
    return Body(
        recipe=Recipe.from_json(data["recipe"]),
        weights=read_text(data["weights"], "weights"),
        graph=read_text(data["graph"], "graph"),
        layers=None if data["layers"] is None else read_text(data["layers"], "layers"),
        parameters=int(data["parameters"]),
        folder=read_text(data["folder"], "folder"),
        precision=CodesPrecision(data["precision"]),
        compared=None if data["compared"] is None else _read_pair(data["compared"]),
    )


def _read_pair(data: object) -> tuple[str, str]:
    exact, rough = (read_text(one, "compared") for one in read_list(data, "compared"))
    return exact, rough
