"""What models are found by, as it is after one change: arrays in memory, sorted by name."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Row, Select, and_, select
from sqlalchemy.orm import Session

from zoo.catalog.tables import ModelChangeRow, ModelRow, RefRow, RevisionRow
from zoo.domain.access import owner_of
from zoo.domain.revision import MAIN
from zoo.domain.search import Facet, Size

Numbers = NDArray[np.int64]
Codes = NDArray[np.int32]
Flags = NDArray[np.bool_]
Kind = TypeVar("Kind", bound=np.generic)
UNKNOWN = -1  # of a size
LOADED_AT_ONCE = 10_000  # rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """Every value of every facet that was ever seen, by its code; codes are only ever added."""

    known: list[tuple[Facet, str]] = field(default_factory=list)
    codes: dict[tuple[Facet, str], int] = field(default_factory=dict)

    def code(self, facet: Facet, value: str) -> int:
        """Give the code of a value, a new one where it was never seen."""
        code = self.codes.setdefault((facet, value), len(self.known))
        if code == len(self.known):
            self.known.append((facet, value))
        return code


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The models as they were after one change, sorted by name; never altered."""

    number: int  # of the last change that was seen
    names: list[str]
    lowered: list[str]
    pks: Numbers
    is_private: Flags
    owners: Codes
    sizes: dict[Size, Numbers]
    holders: Numbers  # pairs of a model, as its place, and the code of a value it has
    held: Numbers
    values: Values
    facets: Codes  # of each code the facet, by its place among all
    counts: Numbers  # of each code the models that have it


def empty() -> Snapshot:
    """Give the index of a catalog without models."""
    return Snapshot(
        number=0,
        names=[],
        lowered=[],
        pks=np.empty(0, np.int64),
        is_private=np.empty(0, np.bool_),
        owners=np.empty(0, np.int32),
        sizes={size: np.empty(0, np.int64) for size in Size},
        holders=np.empty(0, np.int64),
        held=np.empty(0, np.int64),
        values=Values(),
        facets=np.empty(0, np.int32),
        counts=np.empty(0, np.int64),
    )


def read_changes(db: Session, before: Snapshot) -> Snapshot:
    """Read what changed since a snapshot, and give the one after it."""
    gathered = _Gathered(values=before.values, number=before.number)
    rows = db.execute(_changed(before.number).execution_options(yield_per=LOADED_AT_ONCE))
    for row in rows:
        gathered.add(row)
    return _merge(before, gathered)


def _changed(number: int) -> Select[Any]:
    """Select the models that changed since a number, with what their heads are found by."""
    return (
        select(
            ModelChangeRow.number,
            ModelChangeRow.model_pk,
            ModelRow.name,
            ModelRow.is_private,
            ModelRow.deleted_at,
            RevisionRow.traits,
        )
        .outerjoin(ModelRow, ModelRow.pk == ModelChangeRow.model_pk)
        .outerjoin(RefRow, and_(RefRow.model_pk == ModelRow.pk, RefRow.name == MAIN))
        .outerjoin(RevisionRow, RevisionRow.pk == RefRow.revision_pk)
        .where(ModelChangeRow.number > number)
    )


@dataclass(slots=True, kw_only=True)
class _Gathered:
    """Changed models as they come out of the catalog."""

    values: Values
    number: int
    changed: list[int] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    pks: list[int] = field(default_factory=list)
    is_private: list[bool] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)
    sizes: dict[Size, list[int]] = field(default_factory=lambda: {size: [] for size in Size})
    holders: list[int] = field(default_factory=list)
    held: list[int] = field(default_factory=list)

    def add(self, row: Row[Any]) -> None:
        """Take in one; what is deleted or gone is only noted as changed."""
        self.number = max(self.number, row.number)
        self.changed.append(row.model_pk)
        if row.name is None or row.deleted_at is not None:
            return
        place, traits = len(self.names), row.traits or {}
        owner = self.values.code(Facet.OWNER, owner_of(row.name))
        self.names.append(row.name)
        self.pks.append(row.model_pk)
        self.is_private.append(row.is_private)
        self.owners.append(owner)
        for size in Size:
            self.sizes[size].append(traits.get(size.value, UNKNOWN))
        for code in (owner, *self._codes(traits)):
            self.holders.append(place)
            self.held.append(code)

    def _codes(self, traits: dict[str, Any]) -> Iterator[int]:
        for facet in Facet:
            for value in traits.get(facet.value, ()):
                yield self.values.code(facet, value)


def _merge(before: Snapshot, new: _Gathered) -> Snapshot:
    """Take changed models out of a snapshot and put them in again as they are now."""
    order = sorted(range(len(new.names)), key=new.names.__getitem__)
    names = [new.names[one] for one in order]
    kept = ~np.isin(before.pks, np.array(new.changed, np.int64))
    left = [name for name, is_kept in zip(before.names, kept.tolist(), strict=True) if is_kept]
    places = np.array([bisect_left(left, name) for name in names], np.int64)
    # Where models stand afterwards: those that stay, and those that are put in between.
    staying = np.cumsum(kept) - 1
    staying += np.searchsorted(places, staying, side="right")
    coming = np.empty(len(names), np.int64)
    coming[np.array(order, np.int64)] = places + np.arange(len(names))

    def put(old: NDArray[Kind], given: Sequence[int | bool]) -> NDArray[Kind]:
        return np.insert(old[kept], places, np.array([given[one] for one in order], old.dtype))

    is_held = kept[before.holders]
    held = np.concatenate([before.held[is_held], np.array(new.held, np.int64)])
    merged = sorted(left + names)
    known, ordinals = new.values.known, {facet: place for place, facet in enumerate(Facet)}
    return Snapshot(
        number=new.number,
        names=merged,
        lowered=[name.lower() for name in merged],
        pks=put(before.pks, new.pks),
        is_private=put(before.is_private, new.is_private),
        owners=put(before.owners, new.owners),
        sizes={size: put(before.sizes[size], new.sizes[size]) for size in Size},
        holders=np.concatenate(
            [staying[before.holders[is_held]], coming[np.array(new.holders, np.int64)]]
        ),
        held=held,
        values=new.values,
        facets=np.array([ordinals[facet] for facet, _ in known], np.int32),
        counts=np.bincount(held, minlength=len(known)),
    )
