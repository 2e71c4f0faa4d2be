"""Which layers a fine-tune trains, and which it leaves: as planned first, then as measured."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from zoo.domain.comparison import Change, TensorChange
from zoo.domain.job import Job, JobKind
from zoo.domain.plan import Strategy
from zoo.domain.revision import Revision
from zoo.errors import FileNotFound, MalformedCheckpoint, NotFound, NotRunnable
from zoo.operations.compare import compare_prints
from zoo.operations.fetch import get_revision
from zoo.operations.layers import find_layers
from zoo.operations.opening import Zoo
from zoo.operations.prints import take_prints
from zoo.operations.tensors import open_tensors

KEEPING = {Change.SAME, Change.RENAMED}
REPLACING = {Change.ADDED, Change.RESIZED}
# Why nothing is known of the layers of a revision that is there, or was.
UNKNOWN = (FileNotFound, MalformedCheckpoint, NotFound, NotRunnable)


class Fate(StrEnum):
    """What becomes of a layer."""

    KEPT = "kept"  # to the bit
    TRAINED = "trained"
    NEW = "new"  # not the parent's: the head


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerFate:
    """A layer with weights, and what becomes of it."""

    layer: str
    fate: Fate


@dataclass(frozen=True, slots=True, kw_only=True)
class Fates:
    """The layers with weights in the order of the network."""

    layers: tuple[LayerFate, ...]
    is_measured: bool  # by the digests of the tensors; otherwise it is planned

    def list_of(self, fate: str) -> list[str]:
        """List the layers of one fate."""
        return [one.layer for one in self.layers if one.fate.value == fate]


def find_fates(zoo: Zoo, job: Job) -> Fates | None:
    """Tell what becomes of the layers in a fine-tune; None where that is not known, or not yet."""
    if job.kind is not JobKind.FINETUNE:
        return None
    result = job.result or {}
    address = result.get("trained") or result.get("revision")
    try:
        parent = get_revision(zoo, job.params["model"])
        if address:
            return _measure(zoo, parent, get_revision(zoo, address))
        return _plan(zoo, parent, job)
    except UNKNOWN:
        return None


def _measure(zoo: Zoo, parent: Revision, child: Revision) -> Fates:
    """Compare the digests of all tensors with those of the parent."""
    old, new = (
        take_prints(zoo, file.digest, tensors)
        for file, tensors in (open_tensors(zoo, each) for each in (parent, child))
    )
    changes: dict[str, list[TensorChange]] = {}
    for one in compare_prints(old, new):
        if one.change is not Change.REMOVED:
            changes.setdefault(one.name.rpartition(".")[0] or one.name, []).append(one)
    layers = (LayerFate(layer=layer, fate=_judge(found)) for layer, found in changes.items())
    return Fates(layers=tuple(layers), is_measured=True)


def _judge(changes: Iterable[TensorChange]) -> Fate:
    """Judge a layer by its tensors; the same numbers in another shape are kept."""
    fates = {
        Fate.KEPT
        if one.change in KEEPING or one.relative == 0
        else Fate.NEW
        if one.change in REPLACING
        else Fate.TRAINED
        for one in changes
    }
    return next(fate for fate in (Fate.NEW, Fate.TRAINED, Fate.KEPT) if fate in fates)


def _plan(zoo: Zoo, parent: Revision, job: Job) -> Fates | None:
    """Tell it by the plan; of one that trains only once its rates are told."""
    strategy = Strategy(job.params["strategy"])
    is_trained = strategy.is_trained or strategy is Strategy.AUTO
    inventory = find_layers(zoo, parent)
    if inventory is None or (is_trained and job.rates is None):
        return None
    rows = inventory.rows
    weighted = [place for place, row in enumerate(rows) if row.parameters]
    boundary = len(rows)
    if job.rates is not None:
        places = {"": -1} | {row.name: place for place, row in enumerate(rows)}
        if job.rates.frozen_up_to not in places:
            return None
        boundary = places[job.rates.frozen_up_to]
    head = weighted[-1:]  # It is replaced.
    layers = (
        LayerFate(
            layer=rows[place].name,
            fate=Fate.NEW if place in head else Fate.KEPT if place <= boundary else Fate.TRAINED,
        )
        for place in weighted
    )
    return Fates(layers=tuple(layers), is_measured=False)
