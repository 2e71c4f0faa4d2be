"""Layers are called by names that stay, and a wrong name is answered with the near ones."""

import pytest
import torch
from torch import nn

from zoo.domain.recipe import Source
from zoo.errors import LayerNotFound
from zoo.networks.folding import fold_batch_norm
from zoo.networks.graph import find_module, layer_of
from zoo.networks.names import call_of, get_layer, list_layer_names, name_values
from zoo.networks.tracing import trace_network
from zoo.networks.vision import build_vision

CAFFE = """
name: "n" input: "data" input_shape { dim: 1 dim: 3 dim: 6 dim: 6 }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "maps"
        convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "relu1" type: "ReLU" bottom: "maps" top: "maps" }
layer { name: "halves" type: "Slice" bottom: "maps" top: "left" top: "right" }
layer { name: "pool" type: "Pooling" bottom: "left" top: "pool" top: "mask"
        pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "fc" type: "InnerProduct" bottom: "right" top: "scores"
        inner_product_param { num_output: 5 } }
"""


class Twice(nn.Module):
    """Calls one activation and one convolution twice."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.relu = nn.ReLU()

    def forward(self, x):
        return self.relu(self.conv(self.relu(self.conv(x))))


@pytest.fixture
def caffe(build):
    return build(CAFFE)


@pytest.fixture
def twice():
    return trace_network(Twice(), shape=(3, 6, 6))


def test_layers_of_caffe_have_their_own_names_in_order(caffe):
    assert list_layer_names(caffe) == ["conv1", "relu1", "halves", "pool", "fc"]


def test_a_module_that_is_called_twice_is_one_layer(twice):
    assert list_layer_names(twice) == ["conv", "relu"]


def test_a_name_alone_is_the_last_call(twice):
    assert get_layer(twice, "conv") is get_layer(twice, "conv:2")
    calls = [node for node in twice.graph.nodes if layer_of(node) == "conv"]
    assert [get_layer(twice, "conv:1"), get_layer(twice, "conv:2")] == calls


def test_every_value_has_a_name_that_finds_it(caffe, twice):
    for network in (caffe, twice):
        assert all(get_layer(network, name) is node for node, name in name_values(network).items())
    assert list(name_values(twice).values()) == ["conv:1", "relu:1", "conv:2", "relu:2"]


def test_layers_that_work_in_place_are_told_apart(caffe):
    conv, relu = get_layer(caffe, "conv1"), get_layer(caffe, "relu1")
    assert isinstance(find_module(caffe, conv), nn.Conv2d)
    assert isinstance(find_module(caffe, relu), nn.ReLU)
    assert relu.all_input_nodes == [conv]


def test_a_fully_connected_layer_is_its_scores_and_not_its_flatten(caffe):
    assert isinstance(find_module(caffe, get_layer(caffe, "fc")), nn.Linear)


def test_a_blob_of_one_layer_is_understood(caffe):
    assert get_layer(caffe, "scores") is get_layer(caffe, "fc")
    assert get_layer(caffe, "left") is get_layer(caffe, "halves:1")
    assert get_layer(caffe, "right") is get_layer(caffe, "halves:2")


def test_of_several_tops_the_one_of_the_layer_s_name_is_meant(caffe):
    assert get_layer(caffe, "pool") is get_layer(caffe, "pool:1")
    assert get_layer(caffe, "mask") is get_layer(caffe, "pool:2")


def test_the_call_of_a_top_is_its_layer_s(caffe):
    call = call_of(get_layer(caffe, "left"))
    assert type(find_module(caffe, call)).__name__ == "Slice"
    assert call is call_of(get_layer(caffe, "right"))
    assert call_of(get_layer(caffe, "fc")) is get_layer(caffe, "fc")


def test_a_blob_that_several_layers_write_is_refused_with_their_names(caffe):
    with pytest.raises(LayerNotFound, match=r"'maps' .*is written by 'conv1', 'relu1'"):
        get_layer(caffe, "maps")


def test_a_layer_of_several_values_is_refused_with_their_names(caffe):
    with pytest.raises(LayerNotFound, match=r"'halves' .*gives 'left', 'right'"):
        get_layer(caffe, "halves")


@pytest.mark.parametrize(
    ("wrong", "near"),
    [("conv2", "conv1"), ("CONV1", "conv1"), ("relu", "relu1"), ("scorse", "scores")],
)
def test_a_wrong_name_is_answered_with_near_ones(caffe, wrong, near):
    with pytest.raises(LayerNotFound) as raised:
        get_layer(caffe, wrong)
    assert near in raised.value.detail["near"]
    assert repr(near) in raised.value.hint
    assert "zoo show MODEL --layers" in raised.value.hint


def test_the_name_of_a_part_is_answered_with_its_layers():
    network = build_vision(Source(kind="torchvision", architecture="squeezenet1_0"), {})
    with pytest.raises(LayerNotFound) as raised:
        get_layer(network, "features.3")
    assert all(name.startswith("features.3.") for name in raised.value.detail["near"])


def test_at_most_three_near_names_are_told():
    network = build_vision(Source(kind="torchvision", architecture="resnet18"), {})
    with pytest.raises(LayerNotFound) as raised:
        get_layer(network, "conv2")
    assert raised.value.detail["near"] == [
        "layer1.0.conv2",
        "layer1.1.conv2",
        "layer2.0.conv2",
    ]


def test_a_name_far_from_all_is_answered_with_the_last_layers(caffe):
    with pytest.raises(LayerNotFound, match="no layer 'xyzzy'") as raised:
        get_layer(caffe, "xyzzy")
    assert "fc" in raised.value.hint


def test_an_input_is_no_layer(caffe):
    with pytest.raises(LayerNotFound, match="It is the network's input"):
        get_layer(caffe, "data")


def test_a_number_of_a_call_that_is_not_there_is_refused(twice):
    with pytest.raises(LayerNotFound) as raised:
        get_layer(twice, "conv:3")
    assert "conv:2" in raised.value.detail["near"]


def test_a_number_is_written_so_that_no_layer_of_that_name_is_hidden(twice):
    for node in twice.graph.nodes:
        if node.target == "relu":
            node.meta["layer"] = "conv:1" if node.meta["blob"] == "relu" else "relu"
    names = list(name_values(twice).values())
    assert names == ["conv::1", "conv:1", "conv:2", "relu"]
    assert all(get_layer(twice, name) is node for node, name in name_values(twice).items())


def test_names_stay_through_other_surgery():
    class Normed(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.bn, self.relu = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()

        def forward(self, x):
            return self.relu(self.bn(self.conv(x))) + torch.tensor(1.0)

    network = trace_network(Normed(), shape=(3, 6, 6))
    before = list_layer_names(network)
    assert list_layer_names(fold_batch_norm(network)) == [name for name in before if name != "bn"]
