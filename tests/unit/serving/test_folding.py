"""Preprocessing is laid into the layer that reads it, and the graph computes the same."""

from collections import Counter

import numpy as np
import onnx
import pytest
import torch
from torch import nn
from torch.fx import symbolic_trace

from zoo.domain.preprocessing import Channels, Preprocessing
from zoo.errors import NotRunnable
from zoo.export.onnx import write_onnx
from zoo.export.parity import open_session
from zoo.serving.folding import fold_preprocessing

COMMON = {"resize_px": 18, "crop_px": (18, 16)}
CAFFE = Preprocessing(
    **COMMON, channels=Channels.BGR, scale=1.0, mean=(104.0, 117.0, 123.0), std=(1.0,) * 3
)
KINDS = {
    "mean and deviation": Preprocessing(**COMMON),
    "caffe": CAFFE,
    "scale alone": Preprocessing(**COMMON, scale=1 / 128, mean=(0.0,) * 3, std=(1.0,) * 3),
}


def graph_of(preprocessing, mean_image=None, **options):
    """Write a network whose first layer is as wanted."""
    torch.manual_seed(1)
    network = nn.Sequential(
        nn.Conv2d(preprocessing.channel_count, 8, 3, **options),
        nn.ReLU(),
        nn.Conv2d(8, 3, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )
    traced = symbolic_trace(network.eval())
    return write_onnx(traced, preprocessing, mean_image, ("a", "b", "c"), metadata={})


def run(graph):
    images = np.random.default_rng(2).integers(0, 256, (12, 18, 16, 3), np.uint8)
    session = open_session(graph, ("CPUExecutionProvider",))
    return session.run(["probabilities"], {"images": images})[0]


def kinds(graph):
    return Counter(node.op_type for node in onnx.load_from_string(graph).graph.node)


@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_it_computes_the_same_with_fewer_passes_over_the_picture(kind, bias, padding):
    graph = graph_of(KINDS[kind], bias=bias, padding=padding)
    folded = fold_preprocessing(graph)
    np.testing.assert_allclose(run(folded), run(graph), rtol=1e-5)
    assert not {"Mul", "Sub", "Div", "Gather"} & kinds(folded).keys()
    assert kinds(folded)["Add"] == (padding > 0 and kind != "scale alone")
    assert sum(kinds(graph).values()) > sum(kinds(folded).values())


@pytest.mark.parametrize("options", [{"stride": 2}, {"dilation": 2, "padding": 2}])
def test_any_layer_that_reads_all_colours(options):
    graph = graph_of(CAFFE, **options)
    np.testing.assert_allclose(run(fold_preprocessing(graph)), run(graph), rtol=1e-5)


def test_grey_levels_and_a_mean_image_stay_as_they_are():
    grey = Preprocessing(**COMMON, channels=Channels.GRAY, scale=1 / 256, mean=(0.1,), std=(0.5,))
    imaged = Preprocessing(**COMMON, scale=1.0, mean=(), std=(1.0,) * 3, mean_tensor="mean")
    image = np.random.default_rng(3).uniform(0, 255, (3, 18, 16)).astype(np.float32)
    for graph in (graph_of(grey), graph_of(imaged, image)):
        with pytest.raises(NotRunnable):
            fold_preprocessing(graph)


def test_what_is_no_graph_or_has_no_preprocessing_is_refused():
    for data in (b"no graph", onnx.ModelProto().SerializeToString()):
        with pytest.raises(NotRunnable):
            fold_preprocessing(data)


@pytest.mark.parametrize("change", ["rounds", "is another's", "reads whole numbers"])
def test_steps_that_are_not_linear_stay_as_they_are(change):
    model = onnx.load_from_string(graph_of(CAFFE))
    cast = next(node for node in model.graph.node if node.op_type == "Cast")
    if change == "is another's":
        next(node for node in model.graph.node if node.op_type == "Sub").domain = "elsewhere"
    else:
        cast.attribute[0].i = onnx.TensorProto.INT32
    if change == "reads whole numbers":
        del model.graph.node[list(model.graph.node).index(cast)]
    with pytest.raises(NotRunnable):
        fold_preprocessing(model.SerializeToString())


def test_colours_that_are_left_out_cannot_be_shifted_before_a_layer_that_pads():
    model = onnx.load_from_string(graph_of(CAFFE, padding=1))
    for tensor in model.graph.initializer:
        if tensor.name == "preprocessing.std":
            numbers = np.array([1, np.inf, 1], np.float32).reshape(tensor.dims)
            tensor.CopyFrom(onnx.numpy_helper.from_array(numbers, tensor.name))
    with pytest.raises(NotRunnable):
        fold_preprocessing(model.SerializeToString())
