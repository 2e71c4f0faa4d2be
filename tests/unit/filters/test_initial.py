"""The schemes that a shape and random numbers are enough for."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from zoo.errors import Invalid
from zoo.filters import initial
from zoo.filters.scheme import parse_scheme
from zoo.filters.table import DRAWN

SHAPE = (64, 32, 3, 3)  # fan-in 288, fan-out 576
ENOUGH = (256, 128, 3, 3)  # 294,912 numbers: their variance is known to half a percent


def draw(text, shape=ENOUGH, seed=0):
    return parse_scheme(text).draw(shape, np.random.default_rng(seed))


@pytest.mark.parametrize("name", sorted(DRAWN))
def test_one_seed_gives_one_result_of_float32(name):
    shape = (8, 8, 4, 4)
    first, again, other = draw(name, shape), draw(name, shape), draw(name, shape, seed=1)
    assert first.dtype == np.float32
    assert first.shape == shape
    assert np.array_equal(first, again)
    assert np.array_equal(first, other) == (name in {"constant", "bilinear"})


def test_fans_are_those_of_torch_and_of_caffe():
    weight = torch.empty(SHAPE)
    assert initial.fans(SHAPE) == nn.init._calculate_fan_in_and_fan_out(weight) == (288, 576)
    assert initial.fans((10, 400)) == (400, 10)
    assert initial.fans((7,)) == (1, 7)


FAN_IN, FAN_OUT = 128 * 9, 256 * 9
MEAN = (FAN_IN + FAN_OUT) / 2


@pytest.mark.parametrize(
    ("text", "variance"),
    [
        ("he", 2 / FAN_IN),
        ("he:distribution=uniform", 2 / FAN_IN),
        ("he:slope=0.25", 2 / (1 + 0.0625) / FAN_IN),
        ("glorot", 1 / MEAN),
        ("glorot:distribution=normal", 1 / MEAN),
        ("lecun", 1 / FAN_IN),
        ("lecun:distribution=uniform", 1 / FAN_IN),
        ("uniform-fan-in", 1 / 3 / FAN_IN**2),
        ("lenet-tutorial", 6 / (FAN_IN + FAN_OUT / 4) / 3),
        ("lenet-tutorial:pool=3", 6 / (FAN_IN + FAN_OUT / 9) / 3),
        ("xavier", 1 / FAN_IN),
        ("xavier:variance_norm=fan_out", 1 / FAN_OUT),
        ("xavier:variance_norm=average", 1 / MEAN),
        ("msra", 2 / FAN_IN),
        ("msra:variance_norm=fan_out", 2 / FAN_OUT),
        ("msra:variance_norm=average", 2 / MEAN),
        ("gaussian:std=0.01", 1e-4),
        ("uniform:min=-0.5,max=1", 1.5**2 / 12),
        ("orthogonal", 1 / FAN_IN),
    ],
)
def test_the_variance_is_that_of_the_formula(text, variance):
    assert draw(text).var(dtype=np.float64) == pytest.approx(variance, rel=0.02)


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("uniform-fan-in", 1 / FAN_IN),
        ("lenet-tutorial", math.sqrt(6 / (FAN_IN + FAN_OUT / 4))),
        ("xavier", math.sqrt(3 / FAN_IN)),
        ("glorot", math.sqrt(6 / (FAN_IN + FAN_OUT))),
        ("lecun:distribution=uniform", math.sqrt(3 / FAN_IN)),
    ],
)
def test_uniform_schemes_reach_their_bounds_and_do_not_pass_them(text, bound):
    drawn = draw(text)
    assert np.abs(drawn).max() <= bound * (1 + 1e-6)
    assert drawn.max() > 0.999 * bound
    assert drawn.min() < -0.999 * bound


@pytest.mark.parametrize(
    ("text", "theirs"),
    [
        ("xavier", lambda w: nn.init.kaiming_uniform_(w, nonlinearity="linear")),
        ("xavier:variance_norm=average", nn.init.xavier_uniform_),
        ("glorot", nn.init.xavier_uniform_),
        ("glorot:distribution=normal", nn.init.xavier_normal_),
        ("he", lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu")),
        ("msra:variance_norm=fan_out", lambda w: nn.init.kaiming_normal_(w, mode="fan_out")),
        ("he:slope=0.1", lambda w: nn.init.kaiming_normal_(w, a=0.1, nonlinearity="leaky_relu")),
        ("orthogonal:gain=2", lambda w: nn.init.orthogonal_(w, gain=2)),
    ],
)
@pytest.mark.parametrize("shape", [ENOUGH, (512, 600)])
def test_spreads_are_those_of_torch_where_the_formulas_are(text, theirs, shape):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        weight = theirs(torch.empty(shape))
    ours = draw(text, shape)
    assert ours.std() == pytest.approx(float(weight.std()), rel=0.02)
    assert np.quantile(ours, 0.9) == pytest.approx(float(np.quantile(weight, 0.9)), rel=0.02)


def test_the_tutorial_s_fully_connected_layers_are_followed_by_no_pooling():
    drawn = draw("lenet-tutorial", (500, 800))
    assert drawn.std() == pytest.approx(math.sqrt(2 / (500 + 800)), rel=0.02)


def test_constant_is_exact():
    assert (draw("constant:value=0.5", SHAPE) == np.float32(0.5)).all()
    assert not draw("constant", SHAPE).any()


def test_a_sparse_gaussian_keeps_so_many_inputs_an_output_as_caffe_means():
    # Caffe keeps a number by the chance sparse / outputs: of 100 x 400, 15 % with sparse 15.
    drawn = draw("gaussian:std=1,sparse=15", (100, 400))
    assert (drawn != 0).mean() == pytest.approx(0.15, abs=0.01)
    assert drawn[drawn != 0].std() == pytest.approx(1, rel=0.03)
    assert not draw("gaussian:sparse=0", SHAPE).any()


def test_positive_unitball_is_positive_and_each_output_sums_to_one():
    drawn = draw("positive_unitball", SHAPE)
    assert (drawn >= 0).all()
    assert np.abs(drawn.reshape(64, -1).sum(axis=1) - 1).max() < 1e-5


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_bilinear_upsamples_a_slope_to_a_slope(factor):
    kernel = 2 * factor - factor % 2
    weight = torch.from_numpy(draw("bilinear", (1, 1, kernel, kernel)))
    slope = torch.arange(8.0).expand(1, 1, 8, 8).contiguous()
    pad = math.ceil((factor - 1) / 2)
    out = nn.functional.conv_transpose2d(slope, weight, stride=factor, padding=pad)
    inner = out[0, 0, 8, 2 * factor : -2 * factor]
    assert np.allclose(np.diff(inner), 1 / factor, atol=1e-6)


def test_bilinear_of_four_is_the_known_one():
    line = np.array([0.25, 0.75, 0.75, 0.25])
    assert np.array_equal(draw("bilinear", (2, 3, 4, 4))[1, 2], np.outer(line, line))


@pytest.mark.parametrize("shape", [(10, 500), (8, 8, 3, 5)])
def test_bilinear_needs_square_windows(shape):
    with pytest.raises(Invalid, match="square windows, not a weight of"):
        draw("bilinear", shape)


@pytest.mark.parametrize("shape", [(16, 8, 3, 3), (64, 3, 3, 3), (10, 500), (500, 10)])
def test_orthogonal_rows_or_columns_are_orthonormal(shape):
    matrix = draw("orthogonal", shape).reshape(shape[0], -1)
    rows, columns = matrix.shape
    gram = matrix @ matrix.T if rows <= columns else matrix.T @ matrix
    assert np.abs(gram - np.eye(len(gram))).max() < 1e-5


def test_orthogonal_matrices_lean_to_no_side():
    # Without the signs of R, the first numbers of Q's columns would be of one sign.
    corners = [draw("orthogonal", (4, 4), seed=seed)[0, 0] for seed in range(200)]
    assert 70 < sum(corner > 0 for corner in corners) < 130
