"""A graph parted at its head says in two parts what it says as a whole."""

import json

import numpy as np
import onnxruntime
import pytest
import torch

from zoo.domain.preprocessing import Preprocessing
from zoo.export.halves import find_halves
from zoo.export.onnx import write_onnx
from zoo.networks.surgery import HEAD, replace_head

TEXT = """
name: "small" input: "data" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "fc" type: "InnerProduct" bottom: "conv" top: "fc"
  inner_product_param { num_output: 3 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""
PLAIN = Preprocessing(crop_px=(8, 8))
IMAGES = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), np.uint8)
WIDTH = 4 * 6 * 6
DRAWN = np.random.default_rng(1).normal(size=(2, WIDTH)).astype(np.float32) / 1000


@pytest.fixture
def write(build):
    """A function that writes the graph of the same body under a head of these numbers."""
    body = build(TEXT)

    def write(weight, bias, labels, digest):
        network = replace_head(body, at="fc", classes=len(weight))
        head = network.get_submodule(HEAD)
        with torch.no_grad():
            head.weight.copy_(torch.from_numpy(weight))
            head.bias.copy_(torch.from_numpy(bias))
        return write_onnx(network, PLAIN, None, labels, metadata={"zoo.weights": digest})

    return write


@pytest.fixture
def graph(write):
    return write(np.zeros((2, WIDTH), np.float32), np.zeros(2, np.float32), ("a", "b"), "old")


def run(graph, **given):
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    return session.run(None, given)


def test_another_head_gives_the_bytes_that_the_exporter_writes(write, graph):
    bias = np.array([0.5, -0.5], np.float32)
    told = {"zoo.labels": json.dumps(["é", "d"], ensure_ascii=False), "zoo.weights": "new"}
    changed = find_halves(graph).with_head(DRAWN, bias, told)
    assert changed == write(DRAWN, bias, ("é", "d"), "new")
    assert changed != graph


def test_the_head_alone_says_of_the_codes_what_the_whole_says_of_the_pictures(write):
    graph = write(DRAWN, np.array([0.1, 0.2], np.float32), ("a", "b"), "x")
    halves = find_halves(graph)
    (whole,) = run(graph, images=IMAGES)
    probabilities, codes = run(halves.with_codes(), images=IMAGES)
    assert codes.shape == (5, halves.width) == (5, WIDTH)
    (found,) = run(halves.head_alone(), **{halves.codes: codes})
    assert np.ptp(whole) > 0.01
    assert probabilities == pytest.approx(whole, abs=1e-7)
    assert found == pytest.approx(whole, abs=1e-7)


def test_taking_parts_leaves_the_graph_as_it_was(graph):
    halves = find_halves(graph)
    halves.with_codes()
    halves.head_alone()
    halves.with_head(DRAWN, np.ones(2, np.float32), {})
    assert halves.model.SerializeToString(deterministic=True) == graph


def test_a_graph_without_a_new_head_has_no_halves(build):
    assert find_halves(write_onnx(build(TEXT), PLAIN, None, ("a", "b", "c"))) is None


def test_a_head_whose_readers_read_more_than_codes_is_none(graph):
    model = find_halves(graph).model
    model.graph.node[-1].input[0] = "elsewhere"
    assert find_halves(model.SerializeToString()) is None


@pytest.mark.parametrize(
    ("weight", "bias", "told", "reason"),
    [
        (np.zeros((3, WIDTH), np.float32), np.zeros(3, np.float32), {}, "head.weight"),
        (DRAWN, np.zeros(3, np.float32), {}, "head.bias"),
        (DRAWN, np.zeros(2, np.float32), {"zoo.other": "x"}, "zoo.other"),
    ],
)
def test_what_is_not_of_the_graph_is_refused(graph, weight, bias, told, reason):
    with pytest.raises(ValueError, match=reason):
        find_halves(graph).with_head(weight, bias, told)
