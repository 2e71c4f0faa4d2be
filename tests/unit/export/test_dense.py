"""A dense network's graph reads pictures of every size, or is not written."""

import json

import numpy as np
import onnx
import pytest
import torch
from torch import nn
from torch.fx import symbolic_trace

from zoo.domain.geometry import Geometry
from zoo.domain.preprocessing import Channels, Preprocessing
from zoo.domain.surgery import Convolutionalize, Pads
from zoo.errors import BoundToOneSize, Unsupported, WeightsMismatch
from zoo.export.dense import write_dense
from zoo.networks.dense import convolutionalize, measure_geometry
from zoo.networks.preprocess import Preprocess

SIDE = 17
PLAIN = Preprocessing(crop_px=(SIDE, SIDE), resize_px=SIDE)
LABELS = ("a", "b", "c", "d", "e")
SMALL = """
name: "small" input: "data" input_shape { dim: 1 dim: 3 dim: 17 dim: 17 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 6 kernel_size: 3 pad: 1 stride: 2 } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" }
layer { name: "lrn" type: "LRN" bottom: "conv" top: "norm" lrn_param { local_size: 3 } }
layer { name: "pool" type: "Pooling" bottom: "norm" top: "pool"
  pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
layer { name: "fc1" type: "InnerProduct" bottom: "pool" top: "fc1"
  inner_product_param { num_output: 6 } }
layer { name: "bn2" type: "BatchNorm" bottom: "fc1" top: "fc1" }
layer { name: "relu" type: "ReLU" bottom: "fc1" top: "fc1" }
layer { name: "fc2" type: "InnerProduct" bottom: "fc1" top: "fc2"
  inner_product_param { num_output: 5 } }
layer { name: "prob" type: "Softmax" bottom: "fc2" top: "prob" }
"""
RESIZED = """
name: "resized" input: "data" input_shape { dim: 1 dim: 3 dim: 17 dim: 17 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 5 kernel_size: 3 } }
layer { name: "wide" type: "Interp" bottom: "conv" top: "wide" interp_param { zoom_factor: 2 } }
layer { name: "prob" type: "Softmax" bottom: "wide" top: "prob" }
"""


@pytest.fixture
def make_dense(build):
    """A function that makes the small network dense, with what that needs to be written."""

    def make(**options):
        surgery = Convolutionalize(shape=(3, SIDE, SIDE), **options)
        network = convolutionalize(build(SMALL), surgery)
        return network, measure_geometry(network, surgery)

    return make


@pytest.mark.parametrize("options", [{}, {"pads": Pads.REMOVE}, {"border_px": 3}])
def test_the_graph_gives_the_networks_map_at_every_size(
    make_dense, draw_images, run_graph, options
):
    network, geometry = make_dense(**options)
    graph = write_dense(network, PLAIN, LABELS, geometry=geometry)
    smallest = geometry.smallest_px
    sizes = [smallest, (17, 17), (18, 23), (24, 19), (31, 31), (20, 42), (37, 18), (40, 40)]
    for count, (height, width) in enumerate(sizes, 1):
        images = draw_images(count, max(height, smallest[0]), max(width, smallest[1]))
        with torch.inference_mode():
            expected = network(Preprocess(PLAIN)(torch.tensor(images))).numpy()
        found = run_graph(graph, {"images": images})
        assert found.shape == (count, 5, *geometry.map_size(images.shape[1:3]))
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_picture_without_a_cell_inside_gives_none_rather_than_a_wrong_one(
    make_dense, draw_images, run_graph
):
    network, geometry = make_dense(pads=Pads.REMOVE)
    graph = write_dense(network, PLAIN, LABELS, geometry=geometry)
    height, width = geometry.smallest_px
    images = draw_images(1, height - 1, width + 8)
    assert run_graph(graph, {"images": images}).shape[2] == 0


def test_the_graph_says_how_its_map_lies_and_leaves_sizes_open(make_dense, properties_of, sides_of):
    network, geometry = make_dense()
    graph = write_dense(network, PLAIN, LABELS, geometry=geometry, metadata={"zoo.weights": "w"})
    onnx.checker.check_model(graph, full_check=True)
    told = properties_of(graph)
    assert Geometry.from_json(json.loads(told["zoo.dense"])) == geometry
    assert json.loads(told["zoo.labels"]) == list(LABELS)
    assert Preprocessing.from_json(json.loads(told["zoo.preprocessing"])) == PLAIN
    assert told["zoo.weights"] == "w"
    assert sides_of(graph) == {
        "images": ["batch", "height", "width", 3],
        "probabilities": ["batch", 5, "rows", "columns"],
    }


def test_the_same_network_gives_the_same_bytes(make_dense):
    network, geometry = make_dense()
    first = write_dense(network, PLAIN, LABELS, geometry=geometry)
    assert write_dense(network, PLAIN, LABELS, geometry=geometry) == first


def test_a_layer_that_is_written_for_one_size_is_named(make_dense, build):
    _, geometry = make_dense()
    network = build(RESIZED)
    with pytest.raises(BoundToOneSize, match="layer 'wide' can be written as ONNX for one size"):
        write_dense(network, PLAIN, LABELS, geometry=geometry)


def test_a_layer_that_fails_at_larger_sizes_is_named(make_dense):
    _, geometry = make_dense()
    network = symbolic_trace(nn.Sequential(nn.Conv2d(3, 5, SIDE), nn.Flatten(), nn.Linear(5, 5)))
    with pytest.raises(BoundToOneSize, match=r"layer .* fails for pictures of 29 x 25"):
        write_dense(network.eval(), PLAIN, LABELS, geometry=geometry)


def test_a_mean_image_is_refused_as_it_is_of_one_size(make_dense):
    network, geometry = make_dense()
    pictures = Preprocessing(crop_px=(SIDE, SIDE), mean_tensor="preprocessing.mean")
    with pytest.raises(Unsupported, match=r"mean image .preprocessing\.mean. is of one size"):
        write_dense(network, pictures, LABELS, geometry=geometry)


def test_there_is_one_label_a_class(make_dense):
    network, geometry = make_dense()
    with pytest.raises(WeightsMismatch, match="gives 5 scores for a picture; there are 2 labels"):
        write_dense(network, PLAIN, ("a", "b"), geometry=geometry)


def test_numbers_made_for_one_layer_are_not_taken_for_anothers(draw_images, run_graph):
    """Layers without weights have tensors made on the fly, which may lie where others did."""
    norms = [nn.BatchNorm2d(5, affine=False) for _ in range(6)]
    generator = torch.Generator().manual_seed(0)
    for norm in norms:
        norm.running_mean.normal_(generator=generator)
        norm.running_var.uniform_(0.5, 2, generator=generator)
    network = symbolic_trace(nn.Sequential(nn.Conv2d(1, 5, 3), *norms, nn.Softmax(dim=1))).eval()
    gray = Preprocessing(crop_px=(9, 9), channels=Channels.GRAY, mean=(0.5,), std=(0.25,))
    surgery = Convolutionalize(shape=(1, 9, 9))
    graph = write_dense(network, gray, LABELS, geometry=measure_geometry(network, surgery))
    images = draw_images(1, 9, 9)
    with torch.inference_mode():
        expected = network(Preprocess(gray)(torch.tensor(images))).numpy()
    np.testing.assert_allclose(run_graph(graph, {"images": images}), expected, atol=1e-6)
