"""A graph that computes something else is not published."""

import numpy as np
import onnxruntime
import pytest

from zoo.domain.preprocessing import Preprocessing
from zoo.errors import ParityBroken
from zoo.export.onnx import write_onnx
from zoo.export.parity import check_parity
from zoo.networks.classifier import Classifier

TEXT = """
name: "small" input: "data" input_shape { dim: 1 dim: 3 dim: 4 dim: 4 }
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc"
  inner_product_param { num_output: 3 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""
PLAIN = Preprocessing(crop_px=(4, 4))
IMAGES = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 3), np.uint8)


@pytest.fixture
def classify(build):
    return Classifier(build(TEXT), PLAIN).probabilities


@pytest.fixture
def graph(build):
    return write_onnx(build(TEXT), PLAIN, None, ("a", "b", "c"))


def test_equal_graphs_are_measured(classify, graph):
    parity = check_parity(classify, graph, [IMAGES, IMAGES[:2]])
    assert (parity.pictures, parity.top1_equal, parity.ties) == (7, 7, 0)
    assert 0 <= parity.max_abs_difference <= parity.max_rel_difference < 1e-6
    assert parity.provider == "CPUExecutionProvider"
    assert parity.as_json()["onnxruntime"] == onnxruntime.__version__


def test_a_graph_may_lie_in_a_file(classify, graph, tmp_path):
    (tmp_path / "model.onnx").write_bytes(graph)
    assert check_parity(classify, tmp_path / "model.onnx", [IMAGES]).pictures == 5


def test_other_probabilities_break_parity(classify, graph):
    with pytest.raises(ParityBroken, match=r"a probability differs by 0\.001"):
        check_parity(lambda images: classify(images) + 1e-3, graph, [IMAGES])


def test_another_best_class_breaks_parity(classify, graph):
    with pytest.raises(ParityBroken, match="best class differs on 5 of 5") as caught:
        check_parity(lambda images: np.roll(classify(images), 1, axis=1), graph, [IMAGES])
    assert caught.value.detail["parity"]["pictures"] == 5


def test_equally_likely_classes_may_change_places(build):
    network = build(TEXT)
    for tensor in network.parameters():
        tensor.detach().zero_()
    graph = write_onnx(network, PLAIN, None, ("a", "b", "c"))
    nudge = np.array([0, 1e-6, 0], np.float32)
    classify = Classifier(network, PLAIN).probabilities
    parity = check_parity(lambda images: classify(images) + nudge, graph, [IMAGES])
    assert (parity.top1_equal, parity.ties) == (0, 5)


def test_other_shapes_break_parity(classify, graph):
    with pytest.raises(ParityBroken, match=r"shape \(5, 3\)"):
        check_parity(lambda images: classify(images)[:, :2], graph, [IMAGES])


def test_numbers_that_are_none_break_parity(classify, graph):
    with pytest.raises(ParityBroken, match="not a number"):
        check_parity(lambda images: classify(images) * np.nan, graph, [IMAGES])


def test_no_picture_proves_nothing(classify, graph):
    with pytest.raises(ParityBroken, match="no picture"):
        check_parity(classify, graph, [])


def test_a_graph_that_cannot_run_breaks_parity(classify):
    with pytest.raises(ParityBroken, match="cannot run the graph"):
        check_parity(classify, b"no graph", [IMAGES])


def test_pictures_of_another_size_break_parity(classify, graph):
    with pytest.raises(ParityBroken, match="cannot run the graph"):
        check_parity(lambda _: classify(IMAGES), graph, [IMAGES[:, :3]])
