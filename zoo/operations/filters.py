"""What the filters of a revision hold, look like, and how far they moved: without its network.

The statistics of weights are computed once and kept under the weights' digest; what is kept is
never trusted to be whole or of this release, and is computed again where it is not.
"""

import difflib
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from zoo.domain.config import CONFIG
from zoo.domain.filters import Drift, FilterStatistics, OtherTensor, Scaling, Tensor
from zoo.domain.preprocessing import CHANNEL_COUNTS, Channels
from zoo.domain.reading import read_list
from zoo.domain.revision import File, Revision
from zoo.errors import LayerNotFound, RevisionNotFound
from zoo.filters.portrait import draw_portrait
from zoo.filters.statistics import describe_tensor
from zoo.images.heat import as_png
from zoo.operations.drift import find_drift
from zoo.operations.fetch import get_revision, read_config
from zoo.operations.kept import keep, read_kept
from zoo.operations.opening import Zoo
from zoo.operations.tensors import open_tensors, open_weights

PARENT = "parent"
VERSION = 1  # of what is kept, and of how pictures are drawn: raise it where either changes
NEAR = 3  # names that an error tells
PLANE = 4  # axes of a convolution's filters

Named = TypeVar("Named", Tensor, FilterStatistics)


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterReport:
    """What there is to say of a revision's filters."""

    revision: Revision
    digest: str  # of its weights
    layers: tuple[FilterStatistics, ...]  # in the order of the network
    others: tuple[OtherTensor, ...]  # that are no filters: biases, statistics of normalisation
    first: str | None  # the layer that reads the picture
    against: Revision | None = None
    drift: tuple[Drift, ...] = ()  # of every tensor, filters or not

    def as_json(self) -> dict[str, Any]:
        """Write it down."""
        return {
            "model": self.revision.address,
            "digest": self.digest,
            "first": self.first,
            "layers": [layer.as_json() for layer in self.layers],
            "others": [
                {"name": other.name, "kind": other.kind, "shape": list(other.shape)}
                for other in self.others
            ],
            "against": self.against.address if self.against else None,
            "drift": [one.as_json() for one in self.drift] if self.against else None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterView:
    """What a picture of filters depends on."""

    revision: Revision
    digest: str  # of its weights
    tensor: Tensor
    channels: Channels | None  # of the picture that the filters read; None: of another layer's map
    scaling: Scaling
    has_legend: bool = True

    @property
    def tag(self) -> str:
        """A name that changes with everything the picture depends on."""
        parts = [VERSION, self.digest, self.tensor.name, self.channels, self.scaling]
        parts += [] if self.has_legend else ["no legend"]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterPicture:
    """A picture of a layer's filters."""

    png: bytes
    layer: str
    told: str  # what is shown, of how much


def describe_filters(zoo: Zoo, address: str, *, against: str | None = None) -> FilterReport:
    """Say what the filters of the revision at an address hold.

    ``against`` is the address of a revision to compare every tensor with, or the word ``parent``.

    Raises:
        ModelNotFound, RevisionNotFound: there is no such revision, or it has no parent.
        FileNotFound: it has no weights that are read.
        MalformedCheckpoint: they cannot be read.
    """
    revision = get_revision(zoo, address)
    other = None if against is None else _get_other(zoo, revision, against)
    file, tensors = open_tensors(zoo, revision)
    kept = _find_statistics(zoo, file.digest, tensors)
    filters = [tensor for tensor in tensors.values() if tensor.has_filters]
    first = _find_first(filters, _find_channels(zoo, revision))
    return FilterReport(
        revision=revision,
        digest=file.digest,
        layers=tuple(kept[tensor.name] for tensor in filters),
        others=tuple(
            OtherTensor(name=tensor.name, kind=tensor.kind, shape=tensor.shape)
            for tensor in tensors.values()
            if not tensor.has_filters
        ),
        first=first.layer if first else None,
        against=other,
        drift=_find_drift(zoo, file, tensors, other) if other else (),
    )


def _find_drift(
    zoo: Zoo, file: File, tensors: Mapping[str, Tensor], other: Revision
) -> tuple[Drift, ...]:
    other_file, others = open_tensors(zoo, other)
    return find_drift(zoo, (file.digest, other_file.digest), tensors, others)


def warm_filters(zoo: Zoo, digest: str) -> None:
    """Compute and keep the statistics of the filters in weights that the store holds.

    Raises:
        MalformedCheckpoint: the weights cannot be read.
    """
    _find_statistics(zoo, digest, open_weights(zoo.blobs.local_path(digest)))


def find_view(
    zoo: Zoo,
    address: str,
    layer: str | None = None,
    *,
    scaling: Scaling = Scaling.SHARED,
    has_legend: bool = True,
) -> FilterView:
    """Find what to draw: a layer, by its name or its tensor's, or the first one.

    Raises:
        ModelNotFound, RevisionNotFound: there is no such revision.
        FileNotFound: it has no weights that are read.
        LayerNotFound: it has no such layer, or none with filters.
    """
    revision = get_revision(zoo, address)
    file, tensors = open_tensors(zoo, revision)
    filters = [tensor for tensor in tensors.values() if tensor.has_filters]
    channels = _find_channels(zoo, revision)
    first = _find_first(filters, channels)
    if first is None:
        raise no_filters(revision, address)
    chosen = first if layer is None else _get_layer(revision, filters, layer)
    return FilterView(
        revision=revision,
        digest=file.digest,
        tensor=chosen,
        channels=channels if chosen is first else None,
        scaling=scaling,
        has_legend=has_legend,
    )


def draw_view(view: FilterView) -> FilterPicture:
    """Draw it: a PNG that carries what it shows as texts.

    Raises:
        Invalid: there is no number to be drawn.
    """
    portrait = draw_portrait(
        view.tensor, scaling=view.scaling, channels=view.channels, has_legend=view.has_legend
    )
    layer = view.tensor.layer
    texts = {"model": view.revision.address, "layer": layer, "shown": portrait.told}
    return FilterPicture(png=as_png(portrait.pixels, texts), layer=layer, told=portrait.told)


def draw_filters(
    zoo: Zoo, address: str, layer: str | None = None, *, scaling: Scaling = Scaling.SHARED
) -> FilterPicture:
    """Draw a layer of a revision, or its first one, as ``find_view`` and ``draw_view`` do."""
    return draw_view(find_view(zoo, address, layer, scaling=scaling))


def select_layer(report: FilterReport, layer: str) -> FilterStatistics:
    """Give the statistics of a layer, by its name or its tensor's.

    Raises:
        LayerNotFound: there is no such layer with filters; near ones are in the hint.
    """
    return _get_layer(report.revision, report.layers, layer)


def select_drift(report: FilterReport, layer: str) -> list[Drift]:
    """Give the drift of the tensors of a layer, its filters and what else it has.

    Raises:
        LayerNotFound: there is no such layer; near ones are in the hint.
    """
    known = {name: one.layer for one in report.drift for name in _names(one)}
    if layer not in known:
        raise _unknown_layer(report.revision, layer, known)
    return [one for one in report.drift if layer in _names(one)]


def _names(one: Tensor | FilterStatistics | Drift) -> set[str]:
    """Give what a tensor is called: by its own name, and by that of its layer."""
    return {one.name, one.layer}


def _get_layer(revision: Revision, filters: Iterable[Named], layer: str) -> Named:
    known = {name: one for one in filters for name in _names(one)}
    if layer not in known:
        raise _unknown_layer(revision, layer, {name: one.layer for name, one in known.items()})
    return known[layer]


def no_filters(revision: Revision, address: str) -> LayerNotFound:
    """Say that the revision at an address has nothing that could be drawn."""
    return LayerNotFound(
        f"No tensor of {revision.address} holds filters.",
        hint=f"See what it holds: zoo filters {address} --json",
    )


def _unknown_layer(revision: Revision, layer: str, known: Mapping[str, str]) -> LayerNotFound:
    """Say that there is no such layer; ``known`` are layers by all that they are called."""
    near = _find_near(layer, {name.casefold(): found for name, found in known.items()})
    meant = f"Did you mean {' or '.join(map(repr, near))}? " if near else ""
    return LayerNotFound(
        f"{revision.address} has no layer {layer!r} whose numbers could be shown.",
        hint=f"{meant}See: zoo filters {revision.model}",
        layer=layer,
        near=near,
    )


def _find_near(layer: str, known: Mapping[str, str]) -> list[str]:
    """Give the layers that are called alike, or so at an end, in letters of any size."""
    asked = layer.casefold()
    ends = (f".{asked}", f"/{asked}")
    sharing = [name for name in known if name.endswith(ends) or asked.startswith(f"{name}.")]
    written = difflib.get_close_matches(asked, known, n=2 * NEAR)
    return list(dict.fromkeys(known[name] for name in [*sharing, *written]))[:NEAR]


def _get_other(zoo: Zoo, revision: Revision, against: str) -> Revision:
    """Give the revision to compare with."""
    if against != PARENT:
        return get_revision(zoo, against)
    if revision.parent is None:
        raise RevisionNotFound(
            f"{revision.address} has no parent: it was not made from another model.",
            hint="Name the model to compare it with: --against MODEL",
            revision=revision.address,
        )
    return get_revision(zoo, revision.parent)


def _find_channels(zoo: Zoo, revision: Revision) -> Channels | None:
    """Tell in which order the network reads colours; None where it reads none or nothing tells."""
    if revision.find_file(CONFIG) is None:
        return None
    pictures = read_config(zoo, revision).pictures
    return pictures.channels if pictures else None


def _find_first(filters: list[Tensor], channels: Channels | None) -> Tensor | None:
    """Find the layer that reads the picture: the first convolution of as many channels.

    Where none has as many it is the first convolution, and where there is none the first layer.
    """
    planes = [tensor for tensor in filters if len(tensor.shape) == PLANE]
    count = CHANNEL_COUNTS[channels] if channels else None
    reading = [tensor for tensor in planes if tensor.shape[1] == count]
    return next(iter([*reading, *planes, *filters]), None)


def _find_statistics(
    zoo: Zoo, digest: str, tensors: Mapping[str, Tensor]
) -> Mapping[str, FilterStatistics]:
    """Give the statistics of the filters by tensor, kept or computed and then kept."""
    filters = [tensor for tensor in tensors.values() if tensor.has_filters]
    kept = _read_statistics(read_kept(zoo, "filters", digest, version=VERSION))
    if kept is None or kept.keys() != {tensor.name for tensor in filters}:
        kept = {tensor.name: describe_tensor(tensor) for tensor in filters}
        layers = [layer.as_json() for layer in kept.values()]
        keep(zoo, "filters", digest, {"layers": layers}, version=VERSION)
    return kept


def _read_statistics(data: dict[str, Any] | None) -> dict[str, FilterStatistics] | None:
    """Read what was kept; None where there is nothing, or nothing of use."""
    try:
        layers = map(
            FilterStatistics.from_json, read_list(data["layers"], "layers") if data else ()
        )
        return {layer.name: layer for layer in layers}
    except (ValueError, KeyError, RecursionError):
        return None
