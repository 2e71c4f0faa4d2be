"""How far tensors have moved from those of another model, and which have not moved at all."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from zoo.domain.filters import BINS, Drift, Match, MovedFilter, Numbers, Tensor

MOVED_SHOWN = 5  # filters that are told


def compare_tensors(tensors: Mapping[str, Tensor], others: Mapping[str, Tensor]) -> list[Drift]:
    """Compare tensors with those of the same names in another model, in the order of the first.

    Those that only the other model has come last. A tensor of another shape but as many numbers is
    compared number by number, row by row: a fully connected layer and the convolution that it
    becomes hold the same ones.
    """
    found = [_compare(tensor, others.get(name)) for name, tensor in tensors.items()]
    return found + [
        Drift(name=name, layer=other.owner, shape=other.shape, match=Match.GONE)
        for name, other in others.items()
        if name not in tensors
    ]


def count_shifts(drift: Drift, tensor: Tensor, other: Tensor) -> Drift:
    """Add to a drift how its numbers shifted: a histogram of w - p from the least to the largest.

    A tensor that did not change, or was not compared, stays without.
    """
    if drift.is_unchanged or drift.match not in {Match.SAME, Match.RESHAPED}:
        return drift
    least, largest = math.inf, -math.inf
    for shift in _shifts(tensor, other):
        if shift.size:
            least, largest = min(least, float(shift.min())), max(largest, float(shift.max()))
    extent = largest - least
    if not math.isfinite(extent):
        return drift
    counts = np.zeros(BINS, np.int64)
    for shift in _shifts(tensor, other) if extent else ():
        bins = ((shift - least) / extent * BINS).astype(np.int64)
        counts += np.bincount(np.minimum(bins, BINS - 1), minlength=BINS)
    return replace(
        drift,
        least_shift=least,
        largest_shift=largest,
        shifts=tuple(counts.tolist()) if extent else (),
    )


def _shifts(tensor: Tensor, other: Tensor) -> Iterator[Numbers]:
    """Give w - p a stretch at a time, as far as it is finite."""
    for stretch in _stretches(tensor):
        with np.errstate(over="ignore", invalid="ignore"):
            shift = tensor.read(stretch) - other.read(stretch)
        yield shift[np.isfinite(shift)]


@dataclass(frozen=True, slots=True)
class _Sums:
    """Sums over each filter: of w^2, p^2, (w - p)^2 and w p, and how many numbers differ."""

    own: Numbers
    other: Numbers
    apart: Numbers
    product: Numbers
    changed: int


def _compare(tensor: Tensor, other: Tensor | None) -> Drift:
    match = _match(tensor, other)
    if other is None or match is Match.RESIZED:
        return Drift(name=tensor.name, layer=tensor.owner, shape=tensor.shape, match=match)
    if tensor.kind == other.kind and _has_same_bits(tensor, other):
        return Drift(
            name=tensor.name,
            layer=tensor.owner,
            shape=tensor.shape,
            match=match,
            is_unchanged=True,
            change=0.0,
            cosine=1.0,
            changed_share=0.0,
        )
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is told as None
        sums = _sum_up(tensor, other)
        apart, own, before = (math.sqrt(each.sum()) for each in (sums.apart, sums.own, sums.other))
        product = float(sums.product.sum())
        moved = _find_moved(np.sqrt(sums.apart), np.sqrt(sums.other))
    return Drift(
        name=tensor.name,
        layer=tensor.owner,
        shape=tensor.shape,
        match=match,
        change=_share(apart, before),
        cosine=_clipped(_share(product, own * before)),
        changed_share=sums.changed / max(tensor.count, 1),
        moved=moved,
    )


def _match(tensor: Tensor, other: Tensor | None) -> Match:
    if other is None:
        return Match.NEW
    if tensor.shape == other.shape:
        return Match.SAME
    return Match.RESHAPED if tensor.count == other.count else Match.RESIZED


def _stretches(tensor: Tensor) -> Iterator[slice]:
    return (stretch for _, stretch in tensor.list_stretches())


def _has_same_bits(tensor: Tensor, other: Tensor) -> bool:
    return all(
        np.array_equal(tensor.read_bits(stretch), other.read_bits(stretch))
        for stretch in _stretches(tensor)
    )


def _sum_up(tensor: Tensor, other: Tensor) -> _Sums:
    own, before, apart, product = np.zeros((4, tensor.shape[0] if tensor.shape else 1))
    is_kind = tensor.kind == other.kind
    changed = 0
    for filters, stretch in tensor.list_stretches():
        now, then = tensor.read(stretch), other.read(stretch)
        if is_kind:
            changed += int(np.sum(tensor.read_bits(stretch) != other.read_bits(stretch)))
        else:
            changed += int(np.sum(now != then))
        size = filters.stop - filters.start
        now, then = now.reshape(size, -1), then.reshape(size, -1)
        own[filters] += np.einsum("ij,ij->i", now, now)
        before[filters] += np.einsum("ij,ij->i", then, then)
        product[filters] += np.einsum("ij,ij->i", now, then)
        now -= then
        apart[filters] += np.einsum("ij,ij->i", now, now)
    return _Sums(own, before, apart, product, changed)


def _find_moved(apart: Numbers, before: Numbers) -> tuple[MovedFilter, ...]:
    """List the filters that moved most against what they were; those that were 0 come first."""
    change = np.divide(apart, before, out=np.full_like(apart, np.inf), where=before > 0)
    change[~(apart > 0)] = 0.0
    order = np.argsort(-change, kind="stable")[:MOVED_SHOWN]
    return tuple(
        MovedFilter(index=int(index), change=_finite(float(change[index])))
        for index in order
        if change[index] > 0
    )


def _share(part: float, whole: float) -> float | None:
    return _finite(part / whole) if whole > 0 else None


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _clipped(cosine: float | None) -> float | None:
    """Take off what rounding may have put beyond 1."""
    return None if cosine is None else min(max(cosine, -1.0), 1.0)
