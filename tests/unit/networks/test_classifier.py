"""A network as a classifier: probabilities at its end, whatever it ended in."""

import numpy as np
import pytest
import torch
from torch import nn

from zoo.domain.preprocessing import Preprocessing
from zoo.errors import Unsupported
from zoo.networks.build import weights_of
from zoo.networks.classifier import (
    Classifier,
    ends_in_softmax,
    output_shape,
    takes_any_size,
    with_probabilities,
)
from zoo.networks.tracing import trace_network

INPUT = 'name: "n" input: "data" input_shape { dim: 1 dim: 3 dim: 6 dim: 6 }'
CONV = """layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 } }"""
POOL = """layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool"
  pooling_param { pool: AVE global_pooling: true } }"""
DENSE = """layer { name: "fc" type: "InnerProduct" bottom: "%s" top: "fc"
  inner_product_param { num_output: 5 } }"""
POINT = """layer { name: "point" type: "Convolution" bottom: "pool" top: "point"
  convolution_param { num_output: 5 kernel_size: 1 } }"""
SOFTMAX = 'layer { name: "prob" type: "Softmax" bottom: "%s" top: "prob" }'
SECOND_INPUT = 'input: "more" input_shape { dim: 1 dim: 3 dim: 6 dim: 6 }'
RELU = 'layer { name: "%s" type: "ReLU" bottom: "%s" top: "%s" }'


def test_a_network_that_ends_in_a_softmax_is_left_alone(build):
    network = build(INPUT + CONV + POOL + SOFTMAX % "pool")
    assert ends_in_softmax(network)
    assert with_probabilities(network) is network


def test_a_network_that_ends_in_scores_is_given_a_softmax(build):
    network = build(INPUT + CONV + DENSE % "conv")
    assert not ends_in_softmax(network)
    complete = with_probabilities(network)
    x = torch.rand(2, 3, 6, 6)
    torch.testing.assert_close(complete(x), network(x).softmax(1))
    assert ends_in_softmax(complete)
    assert set(weights_of(complete)) == set(weights_of(network))


def test_a_classifier_gives_a_row_per_picture(build):
    classifier = Classifier(
        build(INPUT + CONV + POOL + SOFTMAX % "pool"), Preprocessing(crop_px=(6, 6))
    )
    rows = classifier.probabilities(np.zeros((2, 6, 6, 3), np.uint8))
    assert rows.shape == (2, 4)
    np.testing.assert_allclose(rows.sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (INPUT + CONV + POOL, True),
        (INPUT + CONV + POOL + POINT + SOFTMAX % "point", True),
        (INPUT + CONV + POOL + DENSE % "pool", True),
        (INPUT + CONV + DENSE % "conv", False),
        (INPUT + CONV, False),
    ],
    ids=["pooled", "point-by-point", "pooled-then-dense", "dense", "map"],
)
def test_any_size_is_taken_only_where_the_whole_map_is_pooled(build, text, expected):
    assert takes_any_size(build(text)) is expected


def test_the_shape_of_an_output_is_told_before_a_network_is_used(build):
    assert output_shape(build(INPUT + CONV + POOL), 3, 3, 9, 7) == (3, 4, 1, 1)


def test_several_outputs_are_no_classifier(build):
    network = build(INPUT + RELU % ("a", "data", "a") + RELU % ("b", "data", "b"))
    with pytest.raises(Unsupported, match=r"2 outputs \(a, b\)"):
        with_probabilities(network)


def test_several_inputs_are_no_classifier(build):
    network = build(
        INPUT
        + SECOND_INPUT
        + 'layer { name: "c" type: "Concat" bottom: "data" bottom: "more" top: "c" }'
    )
    with pytest.raises(Unsupported, match=r"2 inputs \(data, more\)"):
        with_probabilities(network)


class Told(nn.Module):
    """A convolution, what is to be tested, then a pooled row."""

    def __init__(self, compute, shape=()):
        super().__init__()
        self.conv, self.compute = nn.Conv2d(3, 4, 3), compute
        self.kept = nn.Parameter(torch.rand(shape))

    def forward(self, x):
        return self.compute(self, self.conv(x)).mean([2, 3])


@pytest.mark.parametrize(
    ("compute", "shape", "expected"),
    [
        (lambda _, x: torch.cat([x, x * 2], 1), (), True),
        (lambda self, x: x * self.kept, (4, 1, 1), True),
        (lambda self, x: x + self.kept, (4, 4, 4), False),
        (lambda _, x: x.reshape(-1, 2, 8, 4), (), False),
        (lambda _, x: x.transpose(2, 3), (), False),
    ],
    ids=["joined", "a-number-a-channel", "positions", "reshaped", "turned"],
)
def test_functions_and_tensors_bound_to_a_size_keep_a_network_to_it(compute, shape, expected):
    network = trace_network(Told(compute, shape), shape=(3, 6, 6))
    assert takes_any_size(network) is expected


def test_a_map_pooled_to_a_settled_size_may_be_flattened_whatever_the_picture():
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(2), nn.Flatten())
    network = trace_network(nn.Sequential(module, nn.Linear(16, 5)), shape=(3, 6, 6))
    assert takes_any_size(network)
    assert output_shape(network, 1, 3, 31, 17) == (1, 5)
