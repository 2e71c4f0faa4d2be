"""Searching an index: which models are wanted, and how many of them have what."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from zoo.catalog.snapshot import BETWEEN, Flags, Numbers, Snapshot
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
        found &= _called(snapshot, wish.search.lower())
    if wish.owner is not None:
        found &= snapshot.owners == snapshot.values.find(Facet.OWNER, wish.owner)
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
    counts = (
        snapshot.counts
        if found.all()
        else np.bincount(snapshot.held[found[snapshot.holders]], minlength=len(snapshot.facets))
    )
    return (
        *(
            _count_values(snapshot, facet, counts, np.flatnonzero(snapshot.facets == place), most)
            for place, facet in enumerate(Facet)
        ),
        *(count_sizes(size, snapshot.sizes[size][found]) for size in Size),
    )


def _count_values(
    snapshot: Snapshot, facet: Facet, counts: Numbers, codes: Numbers, most: int
) -> FacetCounts:
    """Give the most frequent values of a facet, those of one count by their letters."""
    codes = codes[counts[codes] > 0]
    different = len(codes)
    if different > most:
        # Those that are as frequent as the last are looked at too.
        least = np.partition(counts[codes], different - most)[different - most]
        codes = codes[counts[codes] >= least]
    told = sorted((-int(counts[code]), snapshot.values.known[code][1]) for code in codes.tolist())
    return FacetCounts(
        facet=facet.value,
        values=tuple(FacetCount(value=value, count=-count) for count, value in told[:most]),
        different=different,
    )


def _visible(snapshot: Snapshot, caller: Caller) -> Flags:
    """Tell which models a caller may see: the public ones, and all of its own owners'."""
    if EVERY_OWNER in caller.roles:
        return np.ones(len(snapshot.names), np.bool_)
    own = [snapshot.values.find(Facet.OWNER, owner) for owner in caller.roles]
    return ~snapshot.is_private | np.isin(snapshot.owners, own)


def _called(snapshot: Snapshot, part: str) -> Flags:
    """Tell which names hold some letters.

    All names are looked through at once: where the first two letters stand beside each other, and
    of those places where the third one follows, and so on.
    """
    found = np.zeros(len(snapshot.names), np.bool_)
    wanted = part.encode(errors="surrogatepass")
    most = len(snapshot.letters) - len(wanted) + 1  # places where it could begin
    if BETWEEN in part or most <= 0:
        return found
    is_there = snapshot.letters[:most] == wanted[0]
    if len(wanted) > 1:
        is_there &= snapshot.letters[1 : most + 1] == wanted[1]
    places = np.flatnonzero(is_there)
    for further in range(2, len(wanted)):
        places = places[snapshot.letters[places + further] == wanted[further]]
    found[np.searchsorted(snapshot.begins, places) - 1] = True
    return found


def _groups(facet: Facet, values: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Give sets of values of each of which a model must have one."""
    if facet in ALL_OF:
        yield from ((value,) for value in values)
    elif values:
        yield values


def _having(snapshot: Snapshot, facet: Facet, values: tuple[str, ...]) -> Flags:
    """Tell which models have one of some values."""
    known = len(snapshot.facets)  # Values that were seen since have codes behind these.
    codes = {snapshot.values.find(facet, value) for value in values}
    is_wanted = np.zeros(known, np.bool_)
    is_wanted[[code for code in codes if 0 <= code < known]] = True
    has = np.zeros(len(snapshot.names), np.bool_)
    has[snapshot.holders[is_wanted[snapshot.held]]] = True
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
