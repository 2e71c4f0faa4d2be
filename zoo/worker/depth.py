"""What advice measures along the depth of a network: codes, those of its random twin, distances."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.domain.plan import CodesPrecision
from zoo.filters.scheme import parse_scheme
from zoo.networks.build import build_network
from zoo.networks.initial import initialise
from zoo.networks.taps import CODES
from zoo.operations.opening import Zoo
from zoo.training.depth import DepthPoint, measure_depth
from zoo.training.frechet import LEAST_REFERENCE, Distance, measure_distance
from zoo.training.metrics import no_surer
from zoo.worker.codes import CodesSource, Kind
from zoo.worker.parent import Parent
from zoo.worker.progress import Progress
from zoo.worker.reference import find_references
from zoo.worker.sample import Sample
from zoo.worker.sight import Sight

TWIN, TWIN_SEED = "he+lsuv", 1
LOOKED_AT = 64  # pictures that the twin's scales are settled by


@dataclass(frozen=True, slots=True, kw_only=True)
class Distances:
    """How far the pictures are from a model's reference, by tap, ``codes`` among them."""

    source: str
    by_tap: dict[str, Distance]

    def as_json(self) -> dict[str, Any]:
        """Write down what is told of the last tap; the others stand in the depth curve."""
        return {"source": self.source, **self.by_tap[CODES].as_json()}


def read_codes(  # noqa: PLR0913  # whose codes, of what
    zoo: Zoo,
    parent: Parent,
    sample: Sample,
    taps: Sequence[str],
    progress: Progress,
    *,
    what: str = "pictures",
    weights: str = "",
) -> dict[str, NDArray[np.float32]]:
    """Give the codes of the pictures, N x D by tap; ``what`` names them in the progress."""
    source = CodesSource.of(zoo, parent, taps, weights=weights)
    chosen = source.choose(CodesPrecision.AUTO, sample.pictures)
    return source.read(
        sample.digests,
        lambda done, total: progress.count("codes", what, done, total),
        kind=Kind.BF16 if chosen.is_bf16 else Kind.FP32,
    )


def read_twin_codes(
    zoo: Zoo, sight: Sight, sample: Sample, taps: Sequence[str], progress: Progress
) -> dict[str, NDArray[np.float32]]:
    """Give the codes of the same network with random weights, settled on these pictures."""
    parent = sight.parent
    network = build_network(parent.config.recipe, parent.paths)
    seen = [sight.read(digest) for digest in sample.digests[:LOOKED_AT]]
    inputs = sight.prepare(seen).cpu()
    initialise(network, parse_scheme(TWIN), seed=TWIN_SEED, inputs=(inputs,))
    name = f"{TWIN}, seed {TWIN_SEED}, on {sample.dataset.address}, {sample.plan.seed}"
    twin = replace(parent, network=network)
    what = "pictures, random weights"
    return read_codes(zoo, twin, sample, taps, progress, what=what, weights=name)


def measure_taps(
    codes: dict[str, NDArray[np.float32]], sample: Sample, progress: Progress, what: str
) -> tuple[DepthPoint, ...]:
    """Cross-validate a head on the codes of each tap; ``what`` the weights are is told."""
    found: list[DepthPoint] = []
    for done, (tap, matrix) in enumerate(codes.items(), 1):
        found += measure_depth({tap: matrix}, sample.labels, sample.plan)
        progress.count("depth", f"layers, {what} weights", done, len(codes))
    return tuple(found)


def tell_depth(
    points: Sequence[DepthPoint],
    twin: Sequence[DepthPoint],
    distances: Distances | None,
    sample: Sample,
) -> list[dict[str, Any]]:
    """Write down what was measured along the depth, the network beside its twin.

    Errors are never less than what so many pictures leave open.
    """
    by_tap = distances.by_tap if distances else {}
    return [
        {
            **_no_surer(own, sample).as_json(),
            "random": other.accuracy,
            **(
                {}
                if other.balanced_accuracy is None
                else {"random_balanced": other.balanced_accuracy}
            ),
            "gain": own.judged - other.judged,
            "frechet_ratio": by_tap[own.layer].ratio if own.layer in by_tap else None,
        }
        for own, other in zip(points, twin, strict=True)
    ]


def _no_surer(point: DepthPoint, sample: Sample) -> DepthPoint:
    total = sum(sample.counts.values())
    point = replace(point, standard_error=no_surer(point.accuracy, point.standard_error, total))
    balanced, error = point.balanced_accuracy, point.balanced_error
    if balanced is None or error is None:
        return point
    return replace(point, balanced_error=no_surer(balanced, error, sample.told))


def measure_distances(
    zoo: Zoo, parent: Parent, codes: dict[str, NDArray[np.float32]]
) -> Distances | None:
    """Measure how far the pictures are from the model's reference; None where there is none."""
    references = find_references(zoo, parent)
    if references is None:
        return None
    found = {
        tap: measure_distance(references.taps[tap], matrix)
        for tap, matrix in codes.items()
        if tap in references.taps
    }
    by_tap = {tap: one for tap, one in found.items() if one is not None}
    return Distances(source=references.source, by_tap=by_tap) if CODES in by_tap else None


def tell_distance(distances: Distances | None, model: str) -> str:
    """Say how far the pictures are from the reference, or how to get one."""
    if distances is None:
        return (
            "how far they are from what the network was trained on is not known; "
            f"{LEAST_REFERENCE} such pictures tell: zoo reference {model} FOLDER"
        )
    last = distances.by_tap[CODES]
    return (
        f"Fréchet distance to {last.reference} reference pictures ({distances.source}): "
        f"{last.ratio:.1f} times that of as many of their own kind; told, not part of the rule"
    )
