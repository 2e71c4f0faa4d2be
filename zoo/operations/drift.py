"""How far a revision's tensors moved from another's, kept by the digests of both their weights."""

import hashlib
from collections.abc import Mapping

from zoo.domain.filters import Drift, Tensor
from zoo.domain.reading import read_list
from zoo.filters.drift import compare_tensors, count_shifts
from zoo.operations.kept import keep, read_kept
from zoo.operations.opening import Zoo

Tensors = Mapping[str, Tensor]

KIND, VERSION = "drift", 1


def find_drift(
    zoo: Zoo, digests: tuple[str, str], tensors: Tensors, others: Tensors
) -> tuple[Drift, ...]:
    """Tell how far tensors moved from those of the same names in other weights, in their order.

    ``digests`` are those of the weights and of the other ones. What was kept is used; otherwise
    every number of both is read, and it is kept.
    """
    key = hashlib.sha256(" ".join(digests).encode()).hexdigest()
    kept = _find_kept(zoo, key)
    # The order is that of the network, which is told elsewhere than in the weights.
    names = [*tensors, *(name for name in others if name not in tensors)]
    if kept is not None and kept.keys() == set(names):
        return tuple(kept[name] for name in names)
    found = [
        count_shifts(one, tensors[one.name], others[one.name])
        if one.name in tensors and one.name in others
        else one
        for one in compare_tensors(tensors, others)
    ]
    keep(zoo, KIND, key, {"tensors": [one.as_json() for one in found]}, version=VERSION)
    return tuple(found)


def _find_kept(zoo: Zoo, key: str) -> dict[str, Drift] | None:
    """Read what was kept; None where there is nothing, or nothing of use."""
    data = read_kept(zoo, KIND, key, version=VERSION)
    try:
        told = read_list(data["tensors"], "tensors") if data else None
        return None if told is None else {one.name: one for one in map(Drift.from_json, told)}
    except (ValueError, KeyError, RecursionError):
        return None
