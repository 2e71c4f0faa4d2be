"""An exported graph is complete, and computes what the network computes."""

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn
from torch.fx import symbolic_trace

from zoo.domain.preprocessing import Channels, Preprocessing
from zoo.errors import MalformedPrototxt, Unsupported, WeightsMismatch
from zoo.export import file
from zoo.export.file import assemble, describe_blob
from zoo.export.onnx import write_onnx
from zoo.export.parity import check_parity
from zoo.export.pictures import write_preprocessing
from zoo.export.sheet import Sheet
from zoo.formats.caffe.caffemodel import read_mean
from zoo.networks.build import load_weights
from zoo.networks.classifier import Classifier
from zoo.networks.preprocess import Preprocess
from zoo.networks.surgery import find_head, replace_head

PLAIN = Preprocessing(crop_px=(9, 9))
IMAGENET = Preprocessing(
    crop_px=(227, 227),
    channels=Channels.BGR,
    scale=1.0,
    mean=(104.0, 117.0, 123.0),
    std=(1.0, 1.0, 1.0),
)
DIGITS = Preprocessing(
    crop_px=(28, 28), channels=Channels.GRAY, scale=1 / 256, mean=(0.0,), std=(1.0,)
)
CIFAR = Preprocessing(crop_px=(32, 32), scale=1.0, mean_tensor="preprocessing.mean")
REAL = {
    "squeezenet_v1.0": IMAGENET,
    "mini_caffenet_synthetic": IMAGENET,
    "lenet_mnist_v1": DIGITS,
    "cifar10_full_v1": CIFAR,
    "simpnet_300k_cifar10": Preprocessing(crop_px=(32, 32)),
}
# One of every kind of layer, down to a pooled row of five.
ALL_LAYERS = """
name: "all" input: "data" input_shape { dim: 1 dim: 3 dim: 9 dim: 9 }
layer { name: "a/1" type: "Convolution" bottom: "data" top: "a"
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 } }
layer { name: "bn" type: "BatchNorm" bottom: "a" top: "a" }
layer { name: "scale" type: "Scale" bottom: "a" top: "a" scale_param { bias_term: true } }
layer { name: "relu" type: "ReLU" bottom: "a" top: "a" relu_param { negative_slope: 0.1 } }
layer { name: "across" type: "LRN" bottom: "a" top: "b" lrn_param { local_size: 3 alpha: 0.5 } }
layer { name: "within" type: "LRN" bottom: "a" top: "c"
  lrn_param { local_size: 3 alpha: 0.5 norm_region: WITHIN_CHANNEL } }
layer { name: "join" type: "Concat" bottom: "b" bottom: "c" bottom: "b" top: "join" }
layer { name: "pool" type: "Pooling" bottom: "join" top: "pool"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "wide" type: "Pooling" bottom: "pool" top: "wide"
  pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 2 } }
layer { name: "drop" type: "Dropout" bottom: "wide" top: "wide" }
layer { name: "d" type: "Convolution" bottom: "wide" top: "d"
  convolution_param { num_output: 6 kernel_size: 3 group: 2 pad: 1 bias_term: false } }
layer { name: "plain" type: "Scale" bottom: "d" top: "d" }
layer { name: "top" type: "Pooling" bottom: "d" top: "top"
  pooling_param { pool: MAX global_pooling: true } }
layer { name: "flat" type: "Flatten" bottom: "top" top: "flat" }
layer { name: "fc" type: "InnerProduct" bottom: "flat" top: "fc"
  inner_product_param { num_output: 5 } }
layer { name: "bn2" type: "BatchNorm" bottom: "fc" top: "fc" }
layer { name: "scale2" type: "Scale" bottom: "fc" top: "fc" scale_param { bias_term: true } }
"""
SMALL = """
name: "small" input: "data" input_shape { dim: 1 dim: 3 dim: 9 dim: 9 }
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc"
  inner_product_param { num_output: 3 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""
SIZED = """
name: "sized" input: "data" input_shape { dim: 1 dim: 3 dim: 9 dim: 9 }
layer { name: "spp" type: "SPP" bottom: "data" top: "spp" spp_param { pyramid_height: 1 } }
"""
POOLING = """
name: "one" input: "data" input_shape { dim: 1 dim: 3 dim: %d dim: %d }
layer { name: "pool" type: "Pooling" bottom: "data" top: "pool"
  pooling_param { pool: %s kernel_size: %d stride: %d pad: %d } }
"""


def make_labels(count):
    return tuple(f"class {number}" for number in range(count))


def export(network, preprocessing=PLAIN, labels=3, **more):
    mean_image = more.pop("mean_image", None)
    return write_onnx(network, preprocessing, mean_image, make_labels(labels), **more)


def test_every_kind_of_layer_computes_the_same(build, draw_images):
    network = build(ALL_LAYERS)
    graph = export(network, labels=5)
    onnx.checker.check_model(graph, full_check=True)
    parity = check_parity(Classifier(network, PLAIN).probabilities, graph, [draw_images(8, 9, 9)])
    assert parity.max_abs_difference < 1e-6
    assert (parity.pictures, parity.top1_equal) == (8, 8)


def test_a_network_that_pools_its_whole_map_takes_every_size(
    build, draw_images, run_graph, sides_of
):
    network = build(ALL_LAYERS)
    graph = export(network, labels=5)
    assert sides_of(graph)["images"] == ["batch", "height", "width", 3]
    classify = Classifier(network, PLAIN).probabilities
    for height, width in ((9, 9), (10, 17), (31, 12), (64, 65)):
        images = draw_images(2, height, width)
        np.testing.assert_allclose(
            run_graph(graph, {"images": images}), classify(images), rtol=0, atol=1e-6
        )


def test_a_network_with_a_fully_connected_map_takes_its_own_size(build, sides_of):
    assert sides_of(export(build(SMALL)))["images"] == ["batch", 9, 9, 3]


def test_a_mean_image_fixes_the_size(build, draw_images, sides_of):
    chosen = replace(PLAIN, mean_tensor="preprocessing.mean")
    mean_image = np.random.default_rng(0).random((3, 9, 9)).astype(np.float32)
    network = build(ALL_LAYERS)
    graph = export(network, chosen, labels=5, mean_image=mean_image)
    assert sides_of(graph)["images"] == ["batch", 9, 9, 3]
    classify = Classifier(network, chosen, mean_image).probabilities
    check_parity(classify, graph, [draw_images(4, 9, 9)])


@pytest.mark.parametrize("channels", list(Channels))
def test_preprocessing_inside_the_graph_is_that_of_training_to_the_bit(
    channels, draw_images, run_graph
):
    count = 1 if channels is Channels.GRAY else 3
    chosen = Preprocessing(
        crop_px=(9, 9), channels=channels, mean=(0.4, 0.5, 0.6)[:count], std=(0.2, 0.3, 0.4)[:count]
    )
    sheet = Sheet()
    value = write_preprocessing(sheet, chosen, None)
    read = describe_blob("images", [None] * 4, is_picture=True)
    graph = assemble(sheet, [read], [describe_blob(value, [None] * 4)], {})
    images = draw_images(4, 9, 9)
    found = run_graph(graph, {"images": images})
    expected = Preprocess(chosen)(torch.tensor(images)).numpy()
    np.testing.assert_array_equal(found, expected)


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.tuples(
        st.sampled_from(["MAX", "AVE"]), st.integers(1, 5), st.integers(1, 5), st.integers(0, 4)
    ),
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
)
def test_every_pooling_is_the_same_in_onnx_runtime(build, draw_images, run_graph, window, size):
    try:
        network = build(POOLING % (*size, *window))
    except MalformedPrototxt:
        assume(condition=False)
    plain = replace(PLAIN, crop_px=size)
    images = draw_images(2, *size)
    scores = network(Preprocess(plain)(torch.tensor(images)))
    graph = export(network, plain, labels=scores[0].numel())
    expected = scores.softmax(1).flatten(1).numpy()
    np.testing.assert_allclose(run_graph(graph, {"images": images}), expected, rtol=1e-5, atol=1e-6)


def test_the_same_network_gives_the_same_bytes(build):
    assert export(build(ALL_LAYERS), labels=5) == export(build(ALL_LAYERS), labels=5)


def test_labels_and_preprocessing_travel_with_the_graph(build, properties_of):
    labels = ("ant", "bee", "größte Biene")
    graph = write_onnx(build(SMALL), PLAIN, None, labels, metadata={"zoo.model": "m@1"})
    found = properties_of(graph)
    assert tuple(json.loads(found["zoo.labels"])) == labels
    assert Preprocessing.from_json(json.loads(found["zoo.preprocessing"])) == PLAIN
    assert found["zoo.model"] == "m@1"


def test_a_softmax_is_added_where_there_is_none_and_that_is_told(
    build, draw_images, run_graph, properties_of
):
    assert properties_of(export(build(SMALL)))["zoo.softmax"] == "its own"
    graph = export(build(ALL_LAYERS), labels=5)
    assert properties_of(graph)["zoo.softmax"] == "added"
    np.testing.assert_allclose(
        run_graph(graph, {"images": draw_images(2, 9, 9)}).sum(axis=1), 1, rtol=1e-5
    )


def test_tensors_keep_the_names_of_the_state_dict(build):
    network = build(ALL_LAYERS)
    kept = {
        tensor.name for tensor in onnx.load_from_string(export(network, labels=5)).graph.initializer
    }
    weights = {name for name in network.state_dict() if not name.endswith("num_batches_tracked")}
    assert weights <= kept
    assert "a/1.weight" in weights


@pytest.mark.parametrize(
    "fixed",
    [
        "reshape_param { shape { dim: 1 dim: 3 } } ",
        "reshape_param { shape { dim: -1 dim: 1 } } ",
    ],
)
def test_a_network_that_counts_on_one_picture_is_refused(build, fixed):
    layer = 'layer { name: "shape" type: "Reshape" bottom: "prob" top: "shape" %s }'
    network = build(SMALL + layer % fixed)
    with pytest.raises(Unsupported, match="any number of pictures"):
        export(network, labels=3)


def test_a_size_that_is_written_into_the_graph_is_not_free(build, draw_images, sides_of):
    network = build(SIZED)
    graph = export(network, labels=3)
    assert sides_of(graph)["images"] == ["batch", 9, 9, 3]
    check_parity(Classifier(network, PLAIN).probabilities, graph, [draw_images(3, 9, 9)])


def test_labels_that_are_too_few_are_refused(build):
    with pytest.raises(WeightsMismatch, match=r"3 scores .* 2 labels"):
        export(build(SMALL), labels=2)


def test_more_than_an_onnx_file_can_hold_is_refused(build, monkeypatch):
    monkeypatch.setattr(file, "LARGEST", 100)
    with pytest.raises(Unsupported, match="more than one ONNX file can hold"):
        export(build(SMALL))


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (nn.RReLU(), r"layer '_0' \(RReLU\) has no equal"),
        (nn.AdaptiveMaxPool2d(2), "pools to more than 1 x 1"),
        (nn.AvgPool2d(2, divisor_override=3), "a divisor of its own"),
        (nn.Conv2d(3, 3, 3, padding="same"), "its padding is not a number"),
        (nn.Conv2d(3, 3, 3, padding=1, padding_mode="reflect"), "other than zeros"),
        (nn.LocalResponseNorm(2), "its size is even"),
        (nn.BatchNorm2d(3, track_running_stats=False), "keeps no statistics"),
        (nn.Upsample(scale_factor=2, mode="bilinear"), "looks between pixels: bilinear"),
        (nn.Upsample(size=4), "makes maps of one size"),
        (nn.Softplus(beta=2), "beta or its threshold is its own"),
        (nn.MaxPool2d(2, dilation=2), "its windows are dilated"),
    ],
)
def test_what_has_no_exact_equal_is_refused_by_layer(module, reason):
    network = symbolic_trace(nn.Sequential(module)).eval()
    scores = network(torch.zeros(1, 3, 9, 9)).numel()
    with pytest.raises(Unsupported, match=reason):
        export(network, labels=scores)


@pytest.mark.data
@pytest.mark.parametrize("name", REAL)
def test_a_real_network_and_its_graph_agree_on_pictures_and_on_noise(
    load_package, shared_data, name, draw_images
):
    network, chosen = load_package(name), REAL[name]
    mean = shared_data / "models" / name / "mean.binaryproto"
    mean_image = read_mean(mean) if chosen.mean_tensor else None
    graph = export(network, chosen, find_head(network).classes, mean_image=mean_image)
    paths = sorted((shared_data / "images" / "hymenoptera" / "val").rglob("*.jpg"))[:6]
    pictures = [
        np.asarray(Image.open(path).convert("RGB").resize(chosen.crop_px[::-1])) for path in paths
    ]
    classify = Classifier(network, chosen, mean_image).probabilities
    batches = [np.stack(pictures), draw_images(2, *chosen.crop_px)]
    parity = check_parity(classify, graph, batches)
    assert parity.top1_equal == parity.pictures == 8
    assert parity.max_abs_difference < 2e-5


@pytest.mark.data
def test_a_real_network_with_a_new_head_and_its_graph_agree(load_package, draw_images):
    network = replace_head(load_package("squeezenet_v1.0"), at="conv10", classes=2)
    head = np.random.default_rng(0).normal(0, 1e-3, (2, 512))
    weights = {k: v.numpy() for k, v in network.state_dict().items()} | {"head.weight": head}
    load_weights(network, weights)
    graph = export(network, IMAGENET, labels=2)
    classify = Classifier(network, IMAGENET).probabilities
    assert check_parity(classify, graph, [draw_images(4, 227, 227)]).top1_equal == 4
