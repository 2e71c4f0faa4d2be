"""What is to be seen of another zoo and its models."""

import io
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, TypeVar
from urllib.parse import quote

from PIL import Image, UnidentifiedImageError

from zoo.client.reading import Asking, model_path
from zoo.client.remote import Query
from zoo.domain.comparison import Comparison, FileChange, Lineage, TensorChange, ValueChange
from zoo.domain.filters import Drift, FilterStatistics, KernelStatistics, OtherTensor, Scaling
from zoo.domain.layers import Inventory
from zoo.domain.revision import Revision
from zoo.domain.statistics import ModelStatistics, Totals
from zoo.operations.filters import FilterPicture, FilterReport, no_filters
from zoo.operations.kernels import Shows

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Differences:
    old: str
    new: str
    tensors: tuple[TensorChange, ...] | None
    files: tuple[FileChange, ...]
    values: tuple[ValueChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Filters:
    model: str
    digest: str
    first: str | None
    layers: list[dict[str, Any]]
    others: tuple[OtherTensor, ...]
    against: str | None
    drift: tuple[Drift, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kernel:
    layer: str
    index: int
    filters: int
    shape: tuple[int, ...]
    min: float | None
    max: float | None
    mean: float | None
    std: float | None
    norm: float | None
    planes: tuple[tuple[tuple[float | None, ...], ...], ...]
    is_whole: bool


class Looking(Asking):
    """What is to be seen of models there and of that zoo."""

    __slots__ = ()

    def list_layers(self, revision: Revision) -> Inventory:
        """List the layers of a revision's network."""
        told = self.remote.ask("GET", self.at(revision.address, "layers"))
        return self._parsed(Inventory.from_json, told)

    def describe_filters(self, address: str, *, against: str | None = None) -> FilterReport:
        """Say what filters hold, and how far they moved."""
        found = self._filters(address, against=against)
        return FilterReport(
            revision=self.get_revision(found.model),
            digest=found.digest,
            layers=tuple(self._parsed(FilterStatistics.from_json, one) for one in found.layers),
            others=found.others,
            first=found.first,
            against=self.get_revision(found.against) if found.against else None,
            drift=found.drift or (),
        )

    def draw_filters(self, address: str, layer: str | None, *, scaling: Scaling) -> FilterPicture:
        """Draw the filters of a layer, or of the first one.

        Raises:
            LayerNotFound: there is none that could be drawn.
        """
        return self._draw(address, layer, {"scaling": scaling.value})

    def get_kernel(self, address: str, layer: str | None, index: int) -> KernelStatistics:
        """Tell the numbers of one filter of a layer, or of the first one.

        Raises:
            LayerNotFound: there is no such layer, or it has no filter of that number.
        """
        layer = self._first(address) if layer is None else layer
        found = self.ask(_Kernel, "GET", self.at(address, f"kernels/{index}/{quote(layer)}"))
        told = asdict(found)
        return KernelStatistics(least=told.pop("min"), largest=told.pop("max"), **told)

    def draw_kernel(
        self, address: str, layer: str | None, index: int, *, is_spectrum: bool
    ) -> FilterPicture:
        """Draw one filter channel by channel, or its gain for waves.

        Raises:
            LayerNotFound: there is no such layer, or it has no filter of that number.
        """
        shows = Shows.SPECTRUM if is_spectrum else Shows.PLANES
        return self._draw(address, layer, {"kernel": index, "shows": shows.value})

    def compare(self, old: str, new: str) -> Comparison:
        """Say what differs between two revisions."""
        found = self.ask(_Differences, "GET", self.at(new, "compare"), query={"against": old})
        return Comparison(
            old=self.get_revision(found.old),
            new=self.get_revision(found.new),
            tensors=found.tensors,
            files=found.files,
            values=found.values,
        )

    def get_lineage(self, address: str) -> Lineage:
        """Give the tree that a revision stands in."""
        return self.ask(Lineage, "GET", self.at(address, "lineage"))

    def get_totals(self) -> Totals:
        """Count what the zoo holds."""
        return self.ask(Totals, "GET", "/v1/statistics")

    def get_model_statistics(self, name: str) -> ModelStatistics:
        """Count the downloads of a model's files."""
        return self.ask(ModelStatistics, "GET", f"{model_path(name)}/statistics")

    def _first(self, address: str) -> str:
        """Name the layer that is shown where none is named.

        Raises:
            LayerNotFound: there is none with filters.
        """
        found = self._filters(address)
        if found.first is None:
            raise no_filters(self.get_revision(found.model), address)
        return found.first

    def _draw(self, address: str, layer: str | None, query: Query) -> FilterPicture:
        layer = self._first(address) if layer is None else layer
        path = f"{self.at(address, 'filters')}/{quote(layer)}.png"
        png = b"".join(self.remote.fetch(path, query=query))
        texts = self._texts(png)
        return FilterPicture(png=png, layer=texts["layer"], told=texts["shown"])

    def _filters(self, address: str, *, against: str | None = None) -> _Filters:
        return self.ask(_Filters, "GET", self.at(address, "filters"), query={"against": against})

    def _parsed(self, parse: Callable[[object], T], told: object) -> T:
        """Read what the value itself knows to read."""
        try:
            return parse(told)
        except (ValueError, KeyError) as error:
            raise self.remote.unlike(error) from error

    def _texts(self, png: bytes) -> dict[str, str]:
        """Read the texts that a picture carries; its pixels are not decoded."""
        try:
            with Image.open(io.BytesIO(png), formats=["PNG"]) as picture:
                texts = {str(name): str(text) for name, text in picture.info.items()}
        except (UnidentifiedImageError, ValueError, OSError) as error:
            raise self.remote.unlike(error) from error
        if not {"layer", "shown"} <= texts.keys():
            raise self.remote.unlike("its picture does not say what it shows")
        return texts
