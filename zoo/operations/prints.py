"""Digests of single tensors, by which revisions are compared without reading their numbers again.

They depend on the bytes of the weights alone, so they are kept under their digest: when weights
are imported or made, and else the first time that somebody compares.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from zoo.domain.comparison import TensorPrint
from zoo.domain.filters import STRETCH, Tensor
from zoo.domain.reading import read_list, read_text
from zoo.operations.kept import keep, read_kept
from zoo.operations.opening import Zoo
from zoo.operations.tensors import open_weights

KIND, VERSION = "tensors", 1


def take_prints(zoo: Zoo, digest: str, tensors: Mapping[str, Tensor]) -> dict[str, TensorPrint]:
    """Give the digest of each tensor of some weights, kept or computed and then kept."""
    kept = find_prints(zoo, digest)
    if kept is not None and kept.keys() == tensors.keys():
        return {name: kept[name] for name in tensors}
    found = {name: _take(tensor) for name, tensor in tensors.items()}
    told = {
        name: {"kind": one.kind, "shape": list(one.shape), "digest": one.digest}
        for name, one in found.items()
    }
    keep(zoo, KIND, digest, {"tensors": told}, version=VERSION)
    return found


def find_prints(zoo: Zoo, digest: str) -> dict[str, TensorPrint] | None:
    """Give the digests of the tensors of some weights, where they are known already."""
    data = read_kept(zoo, KIND, digest, version=VERSION)
    try:
        return None if data is None else {k: _read(one) for k, one in data["tensors"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def warm_prints(zoo: Zoo, digest: str) -> None:
    """Compute and keep the digests of the tensors in weights that the store holds.

    Raises:
        MalformedCheckpoint: the weights cannot be read.
    """
    take_prints(zoo, digest, open_weights(zoo.blobs.local_path(digest)))


def _take(tensor: Tensor) -> TensorPrint:
    digest = hashlib.sha256()
    for start in range(0, len(tensor.stored), STRETCH):
        digest.update(tensor.read_bits(slice(start, start + STRETCH)).tobytes())
    return TensorPrint(kind=tensor.kind, shape=tensor.shape, digest=digest.hexdigest())


def _read(data: Any) -> TensorPrint:  # noqa: ANN401  # JSON
    shape = read_list(data["shape"], "shape")
    return TensorPrint(
        kind=read_text(data["kind"], "kind"),
        shape=tuple(int(side) for side in shape),
        digest=read_text(data["digest"], "digest"),
    )
