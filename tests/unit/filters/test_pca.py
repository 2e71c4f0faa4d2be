"""Filters out of what a layer reads."""

import numpy as np
import pytest

from zoo.filters import pca
from zoo.filters.pca import Axes


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_moments_in_batches_are_those_of_all_at_once(rng):
    vectors = rng.standard_normal((500, 6)) * np.arange(1, 7) + 100
    moments = pca.Moments()
    for start in (0, 7, 200):
        moments.add(vectors[start : {0: 7, 7: 200, 200: 500}[start]])
    assert moments.count == 500
    assert np.allclose(moments.mean, vectors.mean(axis=0))
    assert np.allclose(moments.covariance, np.cov(vectors.T, bias=True))


def test_axes_are_the_eigenvectors_of_the_covariance(rng):
    mixing = rng.standard_normal((9, 9))
    vectors = (rng.standard_normal((4000, 9)) @ mixing + 5).astype(np.float32)
    axes = pca.principal_axes([vectors[:1000], vectors[1000:]])
    covariance = np.cov(vectors.T.astype(np.float64), bias=True)
    assert np.allclose(axes.directions @ axes.directions.T, np.eye(9), atol=1e-9)
    assert np.allclose(covariance @ axes.directions.T, axes.directions.T * axes.variances)
    assert (np.diff(axes.variances) <= 0).all()


def test_axes_of_long_vectors_come_from_their_products(rng):
    wide = pca.WIDEST + 200
    basis = np.linalg.qr(rng.standard_normal((wide, 3)))[0].T
    vectors = (rng.standard_normal((600, 3)) * (9, 3, 1)) @ basis + rng.standard_normal(wide)
    axes = pca.principal_axes([vectors[:300], vectors[300:]])
    assert axes.directions.shape == (3, wide)
    assert np.allclose(np.abs(axes.directions @ basis.T), np.eye(3), atol=0.1)
    assert axes.variances == pytest.approx([81, 9, 1], rel=0.2)


def test_directions_without_variance_are_left_out():
    vectors = np.zeros((50, 4))
    vectors[:, 2] = np.arange(50)
    axes = pca.principal_axes([vectors])
    assert axes.directions.tolist() == [[0, 0, 1, 0]]
    assert len(pca.principal_axes([np.ones((50, 4))]).variances) == 0


def test_more_filters_than_axes_are_opposites_and_then_draws_like_the_patches(rng):
    axes = Axes(np.eye(3), np.array([100.0, 1.0, 1e-4]))
    filters = pca.pca_filters(axes, 400, rng)
    assert np.array_equal(filters[:6], np.concatenate([np.eye(3), -np.eye(3)]))
    assert np.allclose(np.linalg.norm(filters, axis=1), 1)
    assert np.mean(np.abs(filters[6:, 0]) > 0.9) > 0.8  # along what varies most
    assert np.array_equal(pca.pca_filters(axes, 2, rng), np.eye(3)[:2])


def test_patches_are_what_a_convolution_reads(rng):
    maps = rng.standard_normal((2, 4, 6, 7)).astype(np.float32)
    found = np.concatenate(list(pca.read_patches(maps, (3, 2), rng=rng)))
    every = {
        maps[n, :, y : y + 3, x : x + 2].tobytes()
        for n in range(2)
        for y in range(4)
        for x in range(6)
    }
    assert {patch.tobytes() for patch in found} == every
    assert len(found) == 2 * 4 * 6


def test_patches_follow_dilation_and_groups(rng):
    maps = np.arange(4 * 25, dtype=np.float32).reshape(1, 4, 5, 5)
    found = list(pca.read_patches(maps, (3, 3), dilation=(2, 2), groups=2, rng=rng))
    (patches,) = found
    assert patches.shape == (2, 2, 3, 3)
    assert np.array_equal(patches.reshape(4, 3, 3), maps[0, :, ::2, ::2])


def test_patches_of_maps_smaller_than_the_window_are_set_into_zeros(rng):
    (patches,) = pca.read_patches(np.ones((3, 1, 2, 2), np.float32), (3, 3), rng=rng)
    assert patches.shape == (3, 1, 3, 3)
    assert patches.sum() == 12


def test_patches_are_bounded_and_come_in_batches(rng):
    maps = rng.standard_normal((40, 2, 40, 40)).astype(np.float32)
    sizes = [len(batch) for batch in pca.read_patches(maps, (3, 3), rng=rng)]
    assert sum(sizes) == pca.MOST_PATCHES
    assert max(sizes) <= pca.BATCH


def test_kernels_of_2dpca_are_outer_products_in_the_order_of_their_eigenvalues(rng):
    rows = np.linalg.qr(rng.standard_normal((3, 3)))[0].T
    columns = np.linalg.qr(rng.standard_normal((3, 3)))[0].T
    weights = rng.standard_normal((30_000, 2, 3, 3)) * np.outer((9, 3, 1), (8, 2, 1))
    patches = np.einsum("ncab,ai,bj->ncij", weights, rows, columns)
    axes = pca.kernel_axes([patches[:10_000], patches[10_000:]])
    assert np.allclose(axes.directions @ axes.directions.T, np.eye(9), atol=1e-9)
    first = np.outer(rows[0], columns[0]).ravel()
    assert abs(axes.directions[0] @ first) > 0.999
    assert (np.diff(axes.variances) <= 0).all()
    assert all(np.linalg.matrix_rank(k.reshape(3, 3), tol=1e-9) == 1 for k in axes.directions)


def test_filters_of_2dpca_have_one_kernel_by_random_signs_and_unit_length(rng):
    axes = pca.kernel_axes([rng.standard_normal((100, 1, 3, 3))])
    filters = pca.kernel_filters(axes, (20, 16, 3, 3), rng)
    assert np.allclose(np.linalg.norm(filters.reshape(20, -1), axis=1), 1, atol=1e-6)
    for index, one in enumerate(filters):
        kernel = axes.directions[index % 9].reshape(3, 3) / 4
        signs = np.sign((one * kernel).sum(axis=(1, 2)))
        assert np.allclose(one, signs[:, None, None] * kernel, atol=1e-6)
    assert len({one.tobytes() for one in filters}) == 20
