"""Layers compute what Caffe's source says, number by number."""

import math

import numpy as np
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from zoo.errors import MalformedPrototxt
from zoo.formats.caffe.net import (
    LRN,
    ArgMax,
    BatchNorm,
    Dropout,
    Input,
    Layer,
    Net,
    Pooling,
    Power,
)
from zoo.networks.caffe import build_caffe
from zoo.networks.layers import WidelyPaddedPool2d

SIZES = st.tuples(st.integers(1, 9), st.integers(1, 9))


def make_net(parameters, shape):
    layer = Layer(name="it", bottoms=("data",), tops=("it",), parameters=parameters)
    return Net(name="one", inputs=(Input(blob="data", shape=shape),), layers=(layer,))


def pooled_size(sizes, *, is_clipped, has_ceil):
    """PoolingLayer::Reshape."""
    size, kernel, stride, pad = sizes
    round_ = math.ceil if has_ceil else math.floor
    pooled = round_((size + 2 * pad - kernel) / stride) + 1
    return pooled - 1 if is_clipped and (pooled - 1) * stride >= size + pad else pooled


def pool_by_loops(x, pooling):
    """PoolingLayer::Forward_cpu for one channel."""
    kernel, stride, pad = pooling.kernel, pooling.stride, pooling.pad
    rows, columns = (
        pooled_size(numbers, is_clipped=any(pad), has_ceil=pooling.has_ceil)
        for numbers in zip(x.shape, kernel, stride, pad, strict=True)
    )
    y = np.zeros((rows, columns), np.float32)
    for row in range(rows):
        for column in range(columns):
            top, left = row * stride[0] - pad[0], column * stride[1] - pad[1]
            bottom = min(top + kernel[0], x.shape[0] + pad[0])
            right = min(left + kernel[1], x.shape[1] + pad[1])
            area = (bottom - top) * (right - left)
            window = x[max(top, 0) : bottom, max(left, 0) : right]
            y[row, column] = window.max() if pooling.method == "MAX" else window.sum() / area
    return y


@st.composite
def poolings(draw):
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    return Pooling(
        method=draw(st.sampled_from(["MAX", "AVE"])),
        kernel=kernel,
        stride=draw(st.tuples(st.integers(1, 5), st.integers(1, 5))),
        pad=draw(st.tuples(st.integers(0, kernel[0] - 1), st.integers(0, kernel[1] - 1))),
        has_ceil=draw(st.booleans()),
    )


@settings(deadline=None, max_examples=300)
@given(poolings(), SIZES)
def test_every_pooling_is_caffes(pooling, size):
    try:
        network = build_caffe(make_net(pooling, (1, 1, *size)))
    except MalformedPrototxt:
        assume(condition=False)
    x = np.random.default_rng(0).normal(size=size).astype(np.float32)
    expected = pool_by_loops(x, pooling)
    found = network(torch.tensor(x)[None, None])[0, 0].numpy()
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_only_wide_padding_needs_a_pooling_of_our_own():
    plain = Pooling(method="MAX", kernel=(3, 3), stride=(2, 2), pad=(1, 1))
    wide = Pooling(method="MAX", kernel=(3, 3), stride=(2, 2), pad=(2, 2))
    assert type(build_caffe(make_net(plain, (1, 1, 8, 8))).it) is nn.MaxPool2d
    assert type(build_caffe(make_net(wide, (1, 1, 8, 8))).it) is WidelyPaddedPool2d


def test_pooling_that_rounds_down_leaves_the_edge_out():
    pooling = Pooling(method="MAX", kernel=(2, 2), stride=(2, 2), has_ceil=False)
    assert build_caffe(make_net(pooling, (1, 1, 5, 5)))(torch.zeros(1, 1, 5, 5)).shape[2:] == (2, 2)


def test_normalisation_within_a_channel_divides_by_the_whole_window_at_the_edge_too():
    network = build_caffe(make_net(LRN(is_within_channel=True, local_size=3), (1, 2, 4, 4)))
    x = np.random.default_rng(0).normal(size=(2, 4, 4)).astype(np.float32)
    square = np.pad(x * x, ((0, 0), (1, 1), (1, 1)))
    total = sum(square[:, i : i + 4, j : j + 4] for i in range(3) for j in range(3))
    found = network(torch.tensor(x)[None])[0].numpy()
    np.testing.assert_allclose(found, x * (1 + total / 9) ** -0.75, rtol=1e-5)


def test_normalisation_across_channels_divides_alpha_by_the_window():
    lrn = LRN(local_size=3, alpha=0.5, beta=0.75, k=2)
    x = np.random.default_rng(0).normal(size=(5, 2, 2)).astype(np.float32)
    square = np.pad(x * x, ((1, 1), (0, 0), (0, 0)))
    total = square[:-2] + square[1:-1] + square[2:]
    found = build_caffe(make_net(lrn, (1, 5, 2, 2)))(torch.tensor(x)[None])[0].numpy()
    np.testing.assert_allclose(found, x * (2 + 0.5 / 3 * total) ** -0.75, rtol=1e-5)


def test_layers_show_the_numbers_they_were_made_of():
    wide = Pooling(method="AVE", kernel=(3, 3), pad=(2, 2))
    assert "padding=(2, 2)" in repr(build_caffe(make_net(wide, (1, 1, 8, 8))))
    within = LRN(is_within_channel=True, local_size=3)
    assert "size=3" in repr(build_caffe(make_net(within, (1, 1, 8, 8))))


def test_a_dropout_that_scales_at_prediction_drops_in_training_and_does_not_scale():
    network = build_caffe(make_net(Dropout(ratio=0.25, is_scaled_at_test=True), (1, 1, 50, 50)))
    x = torch.ones(1, 1, 50, 50)
    assert network(x).unique().tolist() == [0.75]
    assert network.train()(x).unique().tolist() == [0, 1]


def test_the_last_of_equal_numbers_is_the_first_that_is_found():
    x = torch.tensor([[3.0, 1.0, 3.0, 2.0]])
    best = build_caffe(make_net(ArgMax(), (1, 4)))
    assert best(x).flatten().tolist() == [2]
    both = build_caffe(make_net(ArgMax(top_k=3, has_values=True), (1, 4)))
    assert both(x).tolist() == [[[2, 0, 3], [3, 3, 2]]]


def test_to_the_power_of_nothing_everything_is_one():
    power = build_caffe(make_net(Power(power=0.0), (1, 2)))
    assert power(torch.tensor([[0.0, -3.0]])).tolist() == [[1, 1]]


def test_stored_statistics_are_kept_where_those_of_the_batch_are_used():
    network = build_caffe(make_net(BatchNorm(has_statistics=False), (1, 3, 4, 4)))
    assert set(network.state_dict()) == {"it.running_mean", "it.running_var"}
