"""Caffe networks as graphs: names, wiring, and the same numbers as elsewhere."""

import cv2
import numpy as np
import pytest
import torch

from zoo.errors import UnsupportedLayers
from zoo.formats.caffe.matching import expected_slots, to_weights
from zoo.formats.caffe.net import (
    LRN,
    BatchNorm,
    Concat,
    Convolution,
    Dropout,
    Flatten,
    InnerProduct,
    Input,
    Layer,
    Net,
    ReLU,
    Scale,
    Softmax,
)
from zoo.formats.caffe.reading import read_net, read_text
from zoo.formats.caffe.writing import write_caffemodel, write_prototxt
from zoo.networks.blobs import run_blobs
from zoo.networks.build import load_weights, weights_of
from zoo.networks.caffe import build_caffe

REFERENCES = [
    ("squeezenet_v1.0", "reference.npz"),
    ("squeezenet_v1.0", "reference_227.npz"),
    ("lenet_mnist_v1", "reference.npz"),
    ("cifar10_full_v1", "reference.npz"),
    ("cifar10_full_h5", "reference.npz"),
    ("simpnet_300k_cifar10", "reference.npz"),
    ("mini_caffenet_synthetic", "reference.npz"),
]


def make_net(*layers, shape=(1, 3, 8, 8)):
    """Wire (name, bottoms, top, parameters) to a net that reads ``data``."""
    return Net(
        name="small",
        inputs=(Input(blob="data", shape=shape),),
        layers=tuple(
            Layer(name=name, bottoms=tuple(bottoms.split()), tops=(top,), parameters=parameters)
            for name, bottoms, top, parameters in layers
        ),
    )


@pytest.mark.data
@pytest.mark.parametrize(("name", "reference"), REFERENCES)
def test_a_real_network_computes_every_blob_of_its_reference(
    load_package, shared_data, name, reference
):
    with np.load(shared_data / "models" / name / reference) as arrays:
        expected = {key[5:]: arrays[key] for key in arrays if key.startswith("blob:")}
        found = run_blobs(load_package(name), torch.tensor(arrays["input:data"]))
    assert expected
    for blob, value in expected.items():
        atol = 1e-4 * np.abs(value).max()
        np.testing.assert_allclose(found[blob], value, rtol=0, atol=atol, err_msg=blob)


@pytest.mark.data
def test_caffenet_computes_what_opencv_computes(shared_data):
    path = shared_data / "prototxt" / "bvlc_reference_caffenet_deploy.prototxt"
    net = read_net(read_text(path), name=path.name)
    rng = np.random.default_rng(0)
    blobs = {
        layer: tuple(
            rng.standard_normal(slot.shape, np.float32)
            * np.float32(np.sqrt(2 / max(1, np.prod(slot.shape[1:]))))
            for slot in slots
        )
        for layer, slots in expected_slots(net).items()
    }
    network = build_caffe(net)
    load_weights(network, to_weights(net, blobs)[0])
    x = rng.uniform(-120, 120, (1, 3, 227, 227)).astype(np.float32)
    weights = b"".join(write_caffemodel(net, blobs))
    oracle = cv2.dnn.readNetFromCaffe(
        np.frombuffer(write_prototxt(net).encode(), np.uint8), np.frombuffer(weights, np.uint8)
    )
    oracle.enableFusion(False)
    oracle.enableWinograd(False)
    oracle.setInput(x, "data")
    found = run_blobs(network, torch.tensor(x))
    for blob in ("norm1", "pool5", "fc8", "prob"):
        expected = oracle.forward(blob)
        np.testing.assert_allclose(found[blob], expected, rtol=0, atol=1e-5 * expected.max())


def test_tensors_are_named_as_the_reader_names_them():
    net = make_net(
        ("fire2/squeeze1x1", "data", "a", Convolution(num_output=4, kernel=(1, 1))),
        ("bn.1", "a", "a", BatchNorm()),
        ("scale", "a", "a", Scale(has_bias=True)),
        ("fc", "a", "fc", InnerProduct(num_output=2, has_bias=False)),
    )
    blobs = {
        layer: tuple(np.ones(slot.shape, np.float32) for slot in slots)
        for layer, slots in expected_slots(net).items()
    }
    weights, _ = to_weights(net, blobs)
    network = build_caffe(net)
    load_weights(network, weights)
    assert set(weights_of(network)) == set(weights)
    assert "fire2/squeeze1x1.weight" in weights


def test_nodes_remember_their_layer_and_their_blob():
    network = build_caffe(make_net(("relu", "data", "data", ReLU()), ("p", "data", "p", Softmax())))
    nodes = [node for node in network.graph.nodes if node.op == "call_module"]
    assert [(n.meta["layer"], n.meta["blob"]) for n in nodes] == [("relu", "data"), ("p", "p")]


def test_a_blob_written_in_place_holds_what_was_written_last():
    network = build_caffe(
        make_net(("relu", "data", "data", ReLU()), ("leak", "data", "y", ReLU(negative_slope=0.5)))
    )
    blobs = run_blobs(network, torch.tensor([[[[-2.0, 3.0]]]]))
    assert blobs["data"].flatten().tolist() == [0, 3]
    assert blobs["y"].flatten().tolist() == [0, 3]


def test_a_fully_connected_layer_flattens_maps_and_not_rows():
    network = build_caffe(
        make_net(
            ("fc1", "data", "fc1", InnerProduct(num_output=4)),
            ("bn", "fc1", "fc1", BatchNorm()),
            ("scale", "fc1", "fc1", Scale(has_bias=True)),
            ("fc2", "fc1", "fc2", InnerProduct(num_output=2)),
        )
    )
    targets = [node.target for node in network.graph.nodes if node.op == "call_module"]
    assert targets == ["fc1:flatten", "fc1", "bn", "scale", "fc2"]


def test_joined_blobs_keep_their_order_even_when_one_is_read_twice():
    network = build_caffe(
        make_net(("relu", "data", "r", ReLU()), ("join", "r data r", "join", Concat()))
    )
    joined = run_blobs(network, torch.tensor([[[[-1.0]]]]))["join"]
    assert joined.flatten().tolist() == [0, -1, 0]


def test_several_outputs_are_returned_in_order():
    network = build_caffe(
        make_net(("a", "data", "a", ReLU()), ("b", "data", "b", Flatten()), shape=(1, 1, 1, 2))
    )
    a, b = network(torch.tensor([[[[-1.0, 2.0]]]]))
    assert a.shape == (1, 1, 1, 2)
    assert b.tolist() == [[-1, 2]]


def test_weights_that_were_never_loaded_cannot_predict():
    network = build_caffe(make_net(("c", "data", "c", Convolution(num_output=4, kernel=(1, 1)))))
    assert network(torch.zeros(1, 3, 8, 8).to("meta")).is_meta


def test_inert_layers_may_bear_any_name():
    network = build_caffe(
        make_net(("training", "data", "data", Dropout()), ("code", "data", "code", ReLU()))
    )
    assert network(torch.tensor([[[[-1.0]]]])).item() == 0


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        (LRN(local_size=4), "even local_size 4"),
        (InnerProduct(num_output=2, axis=2), "axis 2, not 1"),
        (Scale(axis=0), "axis 0, not 1"),
    ],
)
def test_options_without_a_module_are_refused_by_layer(parameters, reason):
    with pytest.raises(UnsupportedLayers, match=f"layer 'odd' .*{reason}"):
        build_caffe(make_net(("odd", "data", "odd", parameters)))


def test_a_batch_norm_over_three_axes_is_refused():
    with pytest.raises(UnsupportedLayers, match="3 axes"):
        build_caffe(make_net(("bn", "data", "bn", BatchNorm()), shape=(1, 3, 8)))


def test_a_layer_with_weights_and_a_name_of_pytorchs_own_is_refused():
    with pytest.raises(UnsupportedLayers, match=r"'forward' .* PyTorch keeps for itself"):
        build_caffe(make_net(("forward", "data", "y", InnerProduct(num_output=2))))


def test_a_second_bottom_or_top_is_refused():
    layer = Layer(name="two", bottoms=("data", "data"), tops=("a", "b"), parameters=ReLU())
    net = Net(name="n", inputs=(Input(blob="data", shape=(1, 3, 8, 8)),), layers=(layer,))
    with pytest.raises(UnsupportedLayers, match=r"reads several blobs.*writes several blobs"):
        build_caffe(net)
