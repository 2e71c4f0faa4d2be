"""What models are found by, as it is after one change: arrays in memory, sorted by name."""

import json
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Select, Text, and_, cast, select
from sqlalchemy.orm import Session

from zoo.catalog.tables import ModelChangeRow, ModelRow, RefRow, RevisionRow
from zoo.domain.access import owner_of
from zoo.domain.revision import MAIN
from zoo.domain.search import Facet, Size

Numbers = NDArray[np.int64]
Codes = NDArray[np.int32]
Flags = NDArray[np.bool_]
Letters = NDArray[np.uint8]
Kind = TypeVar("Kind", bound=np.generic)
UNKNOWN = -1  # of a size, and of a code
BETWEEN = "\0"  # names; no name holds it
LOADED_AT_ONCE = 10_000  # rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """Every value of every facet that was ever seen, by its code; codes are only ever added."""

    known: list[tuple[Facet, str]] = field(default_factory=list)
    # By the facet's own text: a member of an enum costs more to look up than all else here.
    codes: dict[str, dict[str, int]] = field(
        default_factory=lambda: {facet.value: {} for facet in Facet}
    )

    def add(self, facet: str, value: str) -> int:
        """Give a value that was never seen a code."""
        code = self.codes[facet][value] = len(self.known)
        self.known.append((Facet(facet), value))
        return code

    def find(self, facet: Facet, value: str) -> int:
        """Give the code of a value, one that nothing has where it was never seen."""
        return self.codes[facet.value].get(value, UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The models as they were after one change, sorted by name; never altered."""

    number: int  # of the last change that was seen
    names: NDArray[np.object_]
    letters: Letters  # of all names, in small letters, each behind what stands between them
    begins: Numbers  # of each name the place in the letters that it stands behind
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
        names=np.empty(0, np.object_),
        letters=np.empty(0, np.uint8),
        begins=np.empty(0, np.int64),
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


def read_changes(
    db: Session, before: Snapshot, *, pause: Callable[[], None] = lambda: None
) -> Snapshot:
    """Read what changed since a snapshot, and give the one after it."""
    gathered = _Gathered(values=before.values, number=before.number)
    rows = db.connection().execute(
        _changed(before.number), execution_options={"yield_per": LOADED_AT_ONCE}
    )
    for part in rows.partitions():
        pause()
        gathered.add(part)
    return _merge(before, gathered)


def _changed(number: int) -> Select[*tuple[Any, ...]]:
    """Select the models that changed since a number, with what their heads are found by.

    Their traits come as text: read many at once, they take half as long as one by one.
    """
    return (
        select(
            ModelChangeRow.number,
            ModelChangeRow.model_pk,
            ModelRow.name,
            ModelRow.is_private,
            ModelRow.deleted_at.is_(None),
            cast(RevisionRow.traits, Text),
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
    sizes: dict[str, list[int]] = field(default_factory=lambda: {size.value: [] for size in Size})
    many: list[int] = field(default_factory=list)  # of each model how many values it has
    held: list[int] = field(default_factory=list)  # the codes of those, one model after the other

    def add(self, rows: Sequence[Sequence[Any]]) -> None:
        """Take in some; what is deleted or gone is only noted as changed."""
        self.number = max(self.number, *(row[0] for row in rows))
        self.changed += [row[1] for row in rows]
        there = [row for row in rows if row[2] is not None and row[4]]
        every = json.loads(f"[{','.join([row[5] or '{}' for row in there])}]")
        owners = self.values.codes[Facet.OWNER.value]
        for (_, pk, name, is_private, _, _), traits in zip(there, every, strict=True):
            owner = owner_of(name)
            code = owners.get(owner)
            if code is None:
                code = self.values.add(Facet.OWNER.value, owner)
            self.names.append(name)
            self.pks.append(pk)
            self.is_private.append(is_private)
            self.owners.append(code)
            self.held.append(code)
            self.many.append(1 + self._hold(traits))
            for size, numbers in self.sizes.items():
                numbers.append(traits.get(size, UNKNOWN))

    def _hold(self, traits: dict[str, Any]) -> int:
        """Note the values that one has; give how many there are."""
        before, known = len(self.held), self.values.codes
        for facet, told in traits.items():
            codes = known.get(facet)
            if codes is None:
                continue  # It is a size, or of a later release.
            for value in told:
                code = codes.get(value)
                self.held.append(self.values.add(facet, value) if code is None else code)
        return len(self.held) - before


def _merge(before: Snapshot, new: _Gathered) -> Snapshot:
    """Take changed models out of a snapshot and put them in again as they are now."""
    order = sorted(range(len(new.names)), key=new.names.__getitem__)
    kept = ~np.isin(before.pks, np.array(new.changed, np.int64))
    left = before.names[kept]
    places = np.array([bisect_left(left, new.names[one]) for one in order], np.int64)
    # Where models stand afterwards: those that stay, and those that are put in between.
    staying = np.cumsum(kept) - 1
    staying += np.searchsorted(places, staying, side="right")
    coming = np.empty(len(order), np.int64)
    coming[np.array(order, np.int64)] = places + np.arange(len(order))

    def put(old: NDArray[Kind], given: Sequence[object]) -> NDArray[Kind]:
        return np.insert(old[kept], places, np.array([given[one] for one in order], old.dtype))

    is_held = kept[before.holders]
    held = np.concatenate([before.held[is_held], np.array(new.held, np.int64)])
    names = put(before.names, new.names)
    letters = _join(names)
    known, ordinals = new.values.known, {facet: place for place, facet in enumerate(Facet)}
    added = [ordinals[facet] for facet, _ in known[len(before.facets) :]]
    return Snapshot(
        number=new.number,
        names=names,
        letters=letters,
        begins=np.flatnonzero(letters == ord(BETWEEN))[:-1],
        pks=put(before.pks, new.pks),
        is_private=put(before.is_private, new.is_private),
        owners=put(before.owners, new.owners),
        sizes={size: put(before.sizes[size], new.sizes[size.value]) for size in Size},
        holders=np.concatenate(
            [staying[before.holders[is_held]], np.repeat(coming, np.array(new.many, np.int64))]
        ),
        held=held,
        values=new.values,
        facets=np.concatenate([before.facets, np.array(added, np.int32)]),
        counts=np.bincount(held, minlength=len(known)),
    )


def _join(names: NDArray[np.object_]) -> Letters:
    """Write all names down in small letters, each between two of what no name holds."""
    joined = BETWEEN.join(["", *names.tolist(), ""])
    return np.frombuffer(joined.lower().encode(), np.uint8)
