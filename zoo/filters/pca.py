"""Filters that begin as the directions in which a layer's own input varies: PCA and 2DPCA.

Sources: Wagner et al., Learning Convolutional Neural Networks From Few Samples, 2013, and Chan et
al., PCANet, 2015, for PCA; for 2DPCA a reconstruction of Wang et al., PCA Based Kernel
Initialization for Convolutional Neural Networks, 2020, whose text states more than one reading.
Patches are counted up batch by batch, so what is held does not grow with the pictures.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.random import Generator
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Window = tuple[int, int]

MOST_PATCHES = 16_384  # of a layer; their moments are then known to about a percent
BATCH = 1024  # patches held at once
# Numbers in a patch up to which their covariance is summed up. Beyond, the axes come from as many
# patches, which span what they span: 4608 of a 3 x 3 layer would take 170 MB and a minute.
WIDEST = 1024
FLAT = 1e-6  # share of the largest variance below which a direction holds nothing but rounding


@dataclass(frozen=True, slots=True)
class Axes:
    """Directions and how much the patches vary along each, the largest first; rows are unit."""

    directions: Doubles  # K x D
    variances: Doubles  # K


@dataclass(slots=True)
class Moments:
    """The mean and the covariance of vectors that come in batches."""

    count: int = 0
    mean: Doubles = field(default_factory=lambda: np.zeros(0))
    scatter: Doubles = field(default_factory=lambda: np.zeros((0, 0)))

    def add(self, vectors: NDArray[np.floating]) -> None:
        """Count N x D vectors in. Source: Chan, Golub and LeVeque, 1979, for two parts' sums."""
        given = vectors.astype(np.float64)
        mean = given.mean(axis=0)
        given -= mean
        if not self.count:
            self.count, self.mean, self.scatter = len(given), mean, given.T @ given
            return
        whole = self.count + len(given)
        apart = mean - self.mean
        self.scatter += given.T @ given
        self.scatter += np.outer(apart, apart) * (self.count * len(given) / whole)
        self.mean += apart * (len(given) / whole)
        self.count = whole

    @property
    def covariance(self) -> Doubles:
        """The covariance, D x D, about the mean."""
        return self.scatter / self.count


def read_patches(
    maps: Floats, window: Window, *, dilation: Window = (1, 1), groups: int = 1, rng: Generator
) -> Iterator[Floats]:
    """Give patches from random places of N x C x H x W maps: batches of n x C/groups x kh x kw.

    They are what a convolution of that window reads, without its padding; of a grouped one the
    parts that the groups read, all together. Maps smaller than the window are set into zeros.
    """
    spans = [(size - 1) * step + 1 for size, step in zip(window, dilation, strict=True)]
    maps = _grown(maps, spans)
    windows = sliding_window_view(maps, spans, axis=(2, 3))[..., :: dilation[0], :: dilation[1]]
    number, channels, rows, columns = windows.shape[:4]
    width = channels // groups * window[0] * window[1]
    most = MOST_PATCHES if width <= WIDEST else WIDEST
    wanted = min(-(-most // groups), number * rows * columns)
    places = np.sort(rng.choice(number * rows * columns, wanted, replace=False))
    step = max(BATCH // groups, 1)
    for start in range(0, wanted, step):
        picture, place = np.divmod(places[start : start + step], rows * columns)
        row, column = np.divmod(place, columns)
        taken = windows[picture, :, row, column]
        yield taken.reshape(-1, channels // groups, *window)


def principal_axes(batches: Iterable[NDArray[np.floating]]) -> Axes:
    """Find the axes along which vectors, in batches of N x D, vary about their mean.

    Axes without variance are left out, so that there may be none. Each axis points to where its
    largest number is positive.
    """
    moments, kept = Moments(), list[NDArray[np.floating]]()
    for batch in batches:
        if batch.shape[1] <= WIDEST:
            moments.add(batch)
        elif sum(map(len, kept)) < WIDEST:
            kept.append(batch)
    if not kept:
        return _axes_of(moments.covariance) if moments.count else _none(0)
    # The axes of few long vectors, out of their products with each other.
    centred = np.concatenate(kept)[:WIDEST].astype(np.float64)
    centred -= centred.mean(axis=0)
    small = _axes_of(centred @ centred.T / len(centred))
    found = small.directions @ centred
    found /= np.maximum(np.linalg.norm(found, axis=1, keepdims=True), np.finfo(np.float64).tiny)
    return Axes(_pointed(found), small.variances)


def pca_filters(axes: Axes, count: int, rng: Generator) -> Floats:
    """Give ``count`` unit filters, count x D: the axes; their opposites; then draws like patches.

    An axis and its opposite are two filters behind a ReLU. Beyond these, filters are drawn from
    the normal distribution that has the axes and their variances, and set to unit length.
    """
    own = np.concatenate([axes.directions, -axes.directions])[:count]
    more = count - len(own)
    if not more:
        return own.astype(np.float32)
    drawn = rng.standard_normal((more, len(axes.variances))) * np.sqrt(axes.variances)
    mixed = drawn @ axes.directions
    mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
    return np.concatenate([own, mixed]).astype(np.float32)


def kernel_axes(batches: Iterable[NDArray[np.floating]]) -> Axes:
    """Find the kernels of 2DPCA in batches of n x c x kh x kw patches P of single channels.

    With H = E[P P'] and G = E[P' P], over all channels: the outer products of an eigenvector of H
    and one of G, kh x kw, flat, the largest product of eigenvalues first.
    """
    left, right, count = np.zeros(()), np.zeros(()), 0
    for batch in batches:
        single = batch.reshape(-1, *batch.shape[2:]).astype(np.float64)
        left = left + np.einsum("nij,nkj->ik", single, single)
        right = right + np.einsum("nij,nik->jk", single, single)
        count += len(single)
    if not count:
        return _none(0)
    rows, columns = _axes_of(left / count), _axes_of(right / count)
    products = np.einsum("ai,bj->abij", rows.directions, columns.directions)
    values = np.outer(rows.variances, columns.variances).ravel()
    order = np.argsort(-values, kind="stable")
    flat = products.reshape(len(values), -1)
    return Axes(flat[order], values[order])


def kernel_filters(axes: Axes, shape: tuple[int, ...], rng: Generator) -> Floats:
    """Give filters, out x in x kh x kw, each one kernel in all its channels, by a random sign.

    The kernels follow each other in their order and begin again; a filter has the length 1, by the
    factor 1 / sqrt(in).
    """
    outputs, inputs, *window = shape
    kernels = axes.directions[np.arange(outputs) % len(axes.directions)]
    signs = rng.choice((-1.0, 1.0), (outputs, inputs)) / np.sqrt(inputs)
    filled: Doubles = signs[:, :, None] * kernels[:, None, :]
    return filled.reshape(outputs, inputs, *window).astype(np.float32)


def _axes_of(matrix: Doubles) -> Axes:
    """Give the eigenvectors of a symmetric matrix that hold more than rounding."""
    values, vectors = np.linalg.eigh(matrix)
    values, vectors = values[::-1], vectors.T[::-1]
    is_held = values > FLAT * values[0] if values[0] > 0 else np.zeros(len(values), bool)
    return Axes(_pointed(vectors[is_held]), values[is_held])


def _pointed(rows: Doubles) -> Doubles:
    """Turn each row to where its largest number is positive: programs choose the sign freely."""
    if not len(rows):
        return rows
    largest = np.abs(rows).argmax(axis=1)
    signs = np.sign(rows[np.arange(len(rows)), largest])
    turned: Doubles = rows * signs[:, None]
    return turned


def _grown(maps: Floats, spans: list[int]) -> Floats:
    lacks = [max(span - size, 0) for span, size in zip(spans, maps.shape[2:], strict=True)]
    if not any(lacks):
        return maps
    return np.pad(maps, [(0, 0), (0, 0), *((lack // 2, lack - lack // 2) for lack in lacks)])


def _none(width: int) -> Axes:
    return Axes(np.zeros((0, width)), np.zeros(0))
