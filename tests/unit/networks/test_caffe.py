"""Caffe networks as graphs: names, wiring, and the same numbers as elsewhere."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from zoo.errors import UnsupportedLayers
from zoo.formats.caffe.matching import expected_slots, to_weights
from zoo.formats.caffe.net import (
    LRN,
    SPP,
    BatchNorm,
    Concat,
    Convolution,
    Dropout,
    Flatten,
    InnerProduct,
    Input,
    Layer,
    Net,
    Pooling,
    ReLU,
    Scale,
    Shared,
    Slice,
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
    ("mtcnn_pnet", "reference.npz"),
    ("mtcnn_rnet", "reference.npz"),
]
PUBLISHED = [
    "bvlc_alexnet_deploy",
    "bvlc_caffenet_full_conv",
    "bvlc_googlenet_deploy",
    "bvlc_reference_caffenet_deploy",
    "bvlc_reference_caffenet_train_val",
    "caffenet_v0_deploy",
    "caffenet_v1_deploy",
    "finetune_flickr_style_train_val",
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


def draw_blobs(net, rng):
    """Draw weights of He's spread; variances, factors and slopes are not below 0."""
    return {
        layer: tuple(
            np.abs(rng.standard_normal(slot.shape, np.float32)) + np.float32(0.5)
            if slot.name in {"mean", "variance", "factor"}
            else rng.standard_normal(slot.shape, np.float32)
            * np.float32(np.sqrt(2 / max(1, np.prod(slot.shape[1:]))))
            for slot in slots
        )
        for layer, slots in expected_slots(net).items()
    }


@pytest.mark.data
@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_description_computes_what_opencv_computes(shared_data, name):
    path = shared_data / "prototxt" / f"{name}.prototxt"
    net = read_net(read_text(path), name=path.name)
    rng = np.random.default_rng(0)
    blobs = draw_blobs(net, rng)
    network = build_caffe(net)
    load_weights(network, to_weights(net, blobs)[0])
    (given,) = net.inputs
    x = rng.uniform(-120, 120, (1, *given.shape[1:])).astype(np.float32)
    weights = b"".join(write_caffemodel(net, blobs))
    oracle = cv2.dnn.readNetFromCaffe(
        np.frombuffer(write_prototxt(net).encode(), np.uint8), np.frombuffer(weights, np.uint8)
    )
    oracle.enableFusion(False)
    oracle.enableWinograd(False)
    oracle.setInput(x, given.blob)
    found = run_blobs(network, torch.tensor(x))
    for layer in net.layers[-2:]:  # scores, and probabilities
        expected = oracle.forward(layer.name)
        atol = 1e-5 * np.abs(expected).max()
        np.testing.assert_allclose(found[layer.tops[0]], expected, rtol=0, atol=atol)


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


def make_twins(**second):
    shares = (Shared(index=0, owner="a", owner_index=0), Shared(index=1, owner="a", owner_index=1))
    net = make_net(
        ("a", "data", "a", InnerProduct(num_output=3)),
        ("b", "a", "b", InnerProduct(num_output=3, **second)),
        shape=(1, 3),
    )
    return replace(net, layers=(net.layers[0], replace(net.layers[1], shares=shares)))


def test_layers_that_share_weights_have_one_tensor_under_its_owners_name():
    net = make_twins()
    rng = np.random.default_rng(0)
    blobs = {"a": (rng.normal(size=(3, 3)), rng.normal(size=3))}
    network = build_caffe(net)
    assert network.a.weight.is_meta
    load_weights(network, to_weights(net, blobs)[0])
    assert network.b.weight is network.a.weight
    assert set(weights_of(network)) == {"a.weight", "a.bias"}
    x = rng.normal(size=(2, 3)).astype(np.float32)
    weight, bias = blobs["a"]
    expected = (x @ weight.T + bias) @ weight.T + bias
    np.testing.assert_allclose(network(torch.tensor(x)).detach(), expected, rtol=1e-5, atol=1e-6)


def test_weights_that_one_layer_reads_transposed_are_not_shared():
    with pytest.raises(UnsupportedLayers, match=r"b\.weight is 3 x 3, a\.weight is 3 x 3"):
        build_caffe(make_twins(is_transposed=True))


def test_several_tops_are_blobs_each():
    layer = Layer(name="cut", bottoms=("data",), tops=("p", "q"), parameters=Slice(points=(1,)))
    net = make_net(("sum", "p", "sum", ReLU()))
    net = replace(net, layers=(layer, *net.layers))
    blobs = run_blobs(build_caffe(net), torch.arange(3 * 64.0).view(1, 3, 8, 8))
    assert blobs["p"].shape == (1, 1, 8, 8)
    assert blobs["q"].flatten()[0] == 64
    (q, total) = build_caffe(net)(torch.zeros(1, 3, 8, 8))
    assert (q.shape[1], total.shape[1]) == (2, 1)


def test_an_inner_product_may_keep_axes_in_front():
    network = build_caffe(make_net(("fc", "data", "fc", InnerProduct(num_output=2, axis=2))))
    assert [n.target for n in network.graph.nodes if n.op == "call_module"] == ["fc:flatten", "fc"]
    assert network(torch.zeros(4, 3, 8, 8).to("meta")).shape == (4, 3, 2)


def test_inert_layers_may_bear_any_name():
    network = build_caffe(
        make_net(("training", "data", "data", Dropout()), ("code", "data", "code", ReLU()))
    )
    assert network(torch.tensor([[[[-1.0]]]])).item() == 0


@pytest.mark.parametrize(
    ("parameters", "shape", "reason"),
    [
        (LRN(local_size=4), (1, 3, 8, 8), "even local_size 4"),
        (BatchNorm(), (1, 3, 2, 2, 2, 2), "reads a blob of 6 axes"),
        (Pooling(method="STOCHASTIC", kernel=(3, 3), pad=(1, 1)), (1, 3, 8, 8), "pads"),
        (SPP(pyramid_height=3), (1, 3, 5, 5), "bins beyond its map of 5 x 5"),
    ],
)
def test_options_without_a_module_are_refused_by_layer(parameters, shape, reason):
    with pytest.raises(UnsupportedLayers, match=f"layer 'odd' .*{reason}"):
        build_caffe(make_net(("odd", "data", "odd", parameters), shape=shape))


@pytest.mark.parametrize("name", ["forward", "class", "\ufb01lter", 'a"+str(1/0)+"', "a\n.b\\"])
def test_layers_with_weights_may_bear_any_name_too(name):
    net = make_net((name, "data", "y", InnerProduct(num_output=2)), ("if", "y", "z", ReLU()))
    network = build_caffe(net)
    blobs = {name: (np.ones((2, 192), np.float32), np.float32([0, -1e6]))}
    weights, _ = to_weights(net, blobs)
    assert set(weights) == set(network.state_dict())
    load_weights(network, weights)
    assert network(torch.ones(1, 3, 8, 8)).tolist() == [[192, 0]]


def test_a_layer_with_weights_and_a_private_name_of_pytorchs_is_refused():
    with pytest.raises(UnsupportedLayers, match=r"'_modules' .* PyTorch keeps for itself"):
        build_caffe(make_net(("_modules", "data", "y", InnerProduct(num_output=2))))


def test_a_second_bottom_or_top_is_refused_where_nothing_is_done_with_it():
    layer = Layer(name="two", bottoms=("data", "data"), tops=("a",), parameters=ReLU())
    net = Net(name="n", inputs=(Input(blob="data", shape=(1, 3, 8, 8)),), layers=(layer,))
    with pytest.raises(UnsupportedLayers, match=r"'two' \(ReLU\) reads 2 blobs"):
        build_caffe(net)
    layer = replace(layer, bottoms=("data",), tops=("a", "b"), parameters=Pooling(method="AVE"))
    layer = replace(layer, parameters=Pooling(method="AVE", kernel=(2, 2)))
    with pytest.raises(UnsupportedLayers, match=r"'two' \(Pooling\) writes 2 blobs"):
        build_caffe(replace(net, layers=(layer,)))
