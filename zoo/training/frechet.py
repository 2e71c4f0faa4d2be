"""How far pictures lie from those that a network was trained on: Fréchet distances of codes.

Between two normal distributions the distance of Fréchet, squared, is |m - n|^2 + tr(A + B -
2 (A B)^1/2), with means m, n and covariances A, B (Dowson and Landau, 1982; the FID of Heusel et
al., 2017). Few pictures have a large distance even from their own kind, so what is told is a ratio:
the distance of so many pictures from the reference over that of as many of the reference's own.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Codes = NDArray[np.floating[Any]]

MOST_AXES = 64  # principal ones of the reference, in which distances are measured
LEAST_REFERENCE = 50  # pictures; they are divided in two
LEAST = 20  # pictures whose distance is measured
DRAWS = 10  # of so many pictures; distances are averages over them
SEED = 0  # of the draws
NOTHING = 1e-12  # of the largest variance: along such an axis codes do not differ


@dataclass(frozen=True, slots=True, kw_only=True)
class Distance:
    """How far pictures are from a reference."""

    ratio: float  # about 1 for pictures of the reference's own kind
    distance: float  # squared, in the units of the codes
    own: float  # the same of as many pictures of the reference
    pictures: int  # that were compared at a time
    reference: int  # pictures of the reference

    def as_json(self) -> dict[str, Any]:
        """Write it down with plain JSON types."""
        return asdict(self)


def measure_distance(reference: Codes, codes: Codes) -> Distance | None:
    """Measure how far the pictures of N x D codes are from those of M x D; None if they are few.

    In each of some draws the reference is divided in two, the first part no larger than the
    pictures are many. As many of these and that part are held against the second part, along its
    own principal axes: neither of the two has a share in what they are held against.
    """
    known, found = (given.astype(np.float64) for given in (reference, codes))
    count = len(known)
    size = min(len(codes), count // 2)
    if size < LEAST:
        return None
    rng = np.random.default_rng(SEED)
    distances, own = [], []
    for _ in range(DRAWS):
        order, drawn = rng.permutation(count), rng.permutation(len(found))[:size]
        others = known[order[size:]]
        axes = _principal(others)
        held = _moments(others @ axes)
        own.append(frechet(*_moments(known[order[:size]] @ axes), *held))
        distances.append(frechet(*_moments(found[drawn] @ axes), *held))
    mean, mean_own = float(np.mean(distances)), float(np.mean(own))
    return Distance(
        ratio=mean / mean_own if mean_own else 1.0 if not mean else float(np.finfo(float).max),
        distance=mean,
        own=mean_own,
        pictures=size,
        reference=count,
    )


def _principal(codes: Matrix) -> Matrix:
    """Give the axes along which codes differ most, D x R, each of length 1."""
    centred = codes - codes.mean(axis=0)
    # Of a matrix with few rows, by its rows' products: as exact as needed, and far quicker.
    squares, places = np.linalg.eigh(centred @ centred.T)
    kept = np.flatnonzero(squares > NOTHING * max(squares[-1], np.finfo(float).tiny))[-MOST_AXES:]
    if not len(kept):
        return np.eye(codes.shape[1], 1)
    axes: Matrix = centred.T @ (places[:, kept] / np.sqrt(squares[kept]))
    return axes


def frechet(mean: Matrix, covariance: Matrix, other_mean: Matrix, other: Matrix) -> float:
    """Give the squared distance of Fréchet between two normal distributions."""
    values, axes = np.linalg.eigh(other)
    root = (axes * np.sqrt(np.maximum(values, 0))) @ axes.T
    # The eigenvalues of A B are those of B^1/2 A B^1/2, which is symmetric.
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ covariance @ root), 0)).sum()
    apart = float(((mean - other_mean) ** 2).sum())
    return max(0.0, apart + float(np.trace(covariance) + np.trace(other) - 2 * shared))


def _moments(points: Matrix) -> tuple[Matrix, Matrix]:
    covariance: Matrix = np.atleast_2d(np.cov(points, rowvar=False))
    return points.mean(axis=0), covariance
