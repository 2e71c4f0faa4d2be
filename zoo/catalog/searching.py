"""Searching an index: which models are wanted, and how many of them have what."""

import heapq
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from zoo.catalog.index import Codes, Flags, Numbers, Snapshot
from zoo.domain.access import EVERY_OWNER, Caller
from zoo.domain.search import ALL_OF, Facet, FacetCount, FacetCounts, ModelWish, Size


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some of the models that were found, by name."""

    pks: list[int]
    next: str | None  # what the next page begins after
    total: int


def find(snapshot: Snapshot, wish: ModelWish, caller: Caller) -> Flags:
    """Tell of each model whether a caller may see it and it is wanted."""
    found = _visible(snapshot, caller)
    if wish.search:
        needle = wish.search.lower()
        found &= np.fromiter((needle in one for one in snapshot.lowered), np.bool_, len(found))
    if wish.owner is not None:
        code = snapshot.values.codes.get((Facet.OWNER, wish.owner), -1)
        found &= snapshot.owners == code
    for facet, values in wish.values.items():
        for group in _groups(facet, values):
            found &= _having(snapshot, facet, group)
    for size, least in wish.least.items():
        found &= snapshot.sizes[size] >= max(least, 0)
    for size, most in wish.most.items():
        numbers = snapshot.sizes[size]
        found &= (numbers >= 0) & (numbers <= most)
    return found


def take_page(snapshot: Snapshot, found: Flags, *, after: str, limit: int) -> Page:
    """Give the models found that come after a name."""
    places = np.flatnonzero(found)
    rest = places[np.searchsorted(places, bisect_right(snapshot.names, after)) :]
    taken = rest[:limit]
    return Page(
        pks=snapshot.pks[taken].tolist(),
        next=snapshot.names[taken[-1]] if len(rest) > limit else None,
        total=len(places),
    )


def count_facets(snapshot: Snapshot, found: Flags, *, most: int) -> tuple[FacetCounts, ...]:
    """Count the values that the models found have, at most so many of a facet."""
    values = snapshot.values
    counts = np.bincount(snapshot.held[found[snapshot.holders]], minlength=len(values.known))
    seen: dict[Facet, list[tuple[int, str]]] = {facet: [] for facet in Facet}
    for code in np.flatnonzero(counts).tolist():
        facet, value = values.known[code]
        seen[facet].append((-int(counts[code]), value))
    return (
        *(
            FacetCounts(
                facet=facet.value,
                values=tuple(
                    FacetCount(value=value, count=-count)
                    for count, value in heapq.nsmallest(most, told)
                ),
                different=len(told),
            )
            for facet, told in seen.items()
        ),
        *(count_sizes(size, snapshot.sizes[size][found]) for size in Size),
    )


def _visible(snapshot: Snapshot, caller: Caller) -> Flags:
    """Tell which models a caller may see: the public ones, and all of its own owners'."""
    if EVERY_OWNER in caller.roles:
        return np.ones(len(snapshot.names), np.bool_)
    known = snapshot.values.codes
    own = [known[Facet.OWNER, owner] for owner in caller.roles if (Facet.OWNER, owner) in known]
    return ~snapshot.is_private | np.isin(snapshot.owners, own)


def _groups(facet: Facet, values: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Give sets of values of each of which a model must have one."""
    if facet in ALL_OF:
        yield from ((value,) for value in values)
    elif values:
        yield values


def _having(snapshot: Snapshot, facet: Facet, values: tuple[str, ...]) -> Flags:
    """Tell which models have one of some values."""
    known = snapshot.values.codes
    codes: Codes = np.array([known.get((facet, value), -1) for value in values], np.int32)
    has = np.zeros(len(snapshot.names), np.bool_)
    has[snapshot.holders[np.isin(snapshot.held, codes)]] = True
    return has


def count_sizes(size: Size, numbers: Numbers) -> FacetCounts:
    """Count numbers in steps of ten: 0, 1-9, 10-99 and so on, each once it occurs."""
    known = numbers[numbers >= 0]
    # Digits, exactly: a logarithm would be a hair off at some powers of ten.
    powers = 10 ** np.arange(19, dtype=np.int64)
    steps = np.searchsorted(powers, known, side="right")
    counts = np.bincount(steps, minlength=1)
    told = [
        FacetCount(value=_step(int(step)), count=int(counts[step]))
        for step in np.flatnonzero(counts)
    ]
    return FacetCounts(facet=size.value, values=tuple(told), different=len(told))


def _step(digits: int) -> str:
    """Name the numbers of so many digits."""
    return "0" if not digits else f"{10 ** (digits - 1)}-{10**digits - 1}"
