"""Shapes, parameters and multiply-adds of layers are those that are known."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from zoo.domain.layers import Inventory, Window
from zoo.domain.recipe import Recipe, Source
from zoo.errors import Unsupported
from zoo.formats.caffe.reading import read_net, read_text
from zoo.networks.build import build_network, load_weights, weights_of
from zoo.networks.caffe import build_caffe
from zoo.networks.inventory import list_layers, take_inventory
from zoo.networks.names import get_layer
from zoo.networks.tracing import trace_network

NET = """
name: "n" input: "data" input_shape { dim: 1 dim: 3 dim: 9 dim: 9 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
        convolution_param { num_output: 4 kernel_size: 3 stride: 2 } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "halves" type: "Slice" bottom: "conv" top: "left" top: "right" }
layer { name: "up" type: "Deconvolution" bottom: "left" top: "up"
        convolution_param { num_output: 6 kernel_size: 2 stride: 2 group: 2 bias_term: false } }
layer { name: "fc" type: "InnerProduct" bottom: "right" top: "fc"
        inner_product_param { num_output: 5 } }
"""
# Parameters and multiply-adds as published: torchvision's table of its weights (in 10^9, two
# decimals), and the sums over Caffe's own prototxt.
KNOWN = {
    "alexnet": (61_100_840, 714_188_480),
    "vgg16": (138_357_544, 15_470_264_320),
    "resnet18": (11_689_512, 1_814_073_344),
    "vit_b_16": (86_567_656, 17_563_828_224),
    "mobilenet_v2": (3_504_872, 300_774_272),
}


def rows_of(network, *shapes):
    return {row.name: row for row in list_layers(network, *shapes)}


@pytest.fixture
def rows(build):
    return rows_of(build(NET), (3, 9, 9))


def zeros(network):
    """Give a network weights; their values do not matter."""
    one = np.zeros((), np.float32)
    shapes = {
        name: tuple(tensor.shape)
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    load_weights(network, {name: np.broadcast_to(one, shapes[name]) for name in shapes})
    return network


def test_every_layer_is_told_in_order_with_its_shape(rows):
    assert {name: (row.kind, row.output) for name, row in rows.items()} == {
        "conv": ("Conv2d", (4, 4, 4)),
        "relu": ("ReLU", (4, 4, 4)),
        "halves:1": ("Slice", (2, 4, 4)),
        "halves:2": ("Slice", (2, 4, 4)),
        "up": ("ConvTranspose2d", (6, 8, 8)),
        "fc": ("Linear", (5,)),
    }


def test_parameters_are_counted_with_their_tensors(rows):
    assert (rows["conv"].parameters, rows["conv"].tensors) == (112, ("conv.weight", "conv.bias"))
    assert (rows["up"].parameters, rows["up"].tensors) == (2 * 3 * 2 * 2, ("up.weight",))
    assert (rows["relu"].parameters, rows["relu"].tensors) == (0, ())


def test_multiply_adds_are_those_of_the_formulas(rows):
    assert {name: row.macs for name, row in rows.items() if row.macs} == {
        "conv": 4 * 4 * 4 * 3 * 3 * 3,
        "up": 2 * 4 * 4 * 3 * 2 * 2,
        "fc": 5 * 32,
    }


@pytest.mark.parametrize("architecture", KNOWN)
def test_totals_are_the_published_figures(architecture):
    network = build_network(
        Recipe(source=Source(kind="torchvision", architecture=architecture)), {}
    )
    inventory = take_inventory(zeros(network), (3, 224, 224))
    assert (inventory.parameters, inventory.macs) == KNOWN[architecture]
    assert inventory.parameters == sum(tensor.numel() for tensor in network.parameters())


@pytest.mark.data
def test_the_totals_of_caffenet_are_its_published_figures(shared_data):
    path = shared_data / "prototxt" / "bvlc_reference_caffenet_deploy.prototxt"
    network = zeros(build_caffe(read_net(read_text(path), name=path.name)))
    inventory = take_inventory(network, (3, 227, 227))
    assert inventory.parameters == 60_965_224
    assert inventory.macs == 724_406_816


class Attending(nn.Module):
    """Attention of T = 9 tokens of D = 8 numbers, by a module, by a function and by products."""

    def __init__(self, how):
        super().__init__()
        self.how, self.own = how, nn.Parameter(torch.zeros(1, 9, 8))
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True) if how == "module" else None
        self.fc = nn.Linear(8, 4)

    def forward(self, x):
        x = x.flatten(2).transpose(1, 2) + self.own
        if self.how == "module":
            x, _ = self.attention(x, x, x, need_weights=False)
        elif self.how == "function":
            x = nn.functional.scaled_dot_product_attention(x, x, x)
        else:
            x = torch.softmax(torch.matmul(x, x.transpose(1, 2)), -1) @ x
        return self.fc(x)


@pytest.mark.parametrize(("how", "beside"), [("module", 4 * 9 * 8 * 8), ("function", 0), ("@", 0)])
def test_attention_is_counted_however_it_is_computed(how, beside):
    network = trace_network(Attending(how), shape=(8, 3, 3))
    inventory = take_inventory(network, (8, 3, 3))
    assert inventory.macs == 2 * 9 * 9 * 8 + beside + 9 * 8 * 4
    assert rows_of(network, (8, 3, 3))["fc"].macs == 9 * 8 * 4


def test_a_tensor_that_is_no_module_s_counts_where_it_is_read():
    network = trace_network(Attending("@"), shape=(8, 3, 3))
    (row,) = [row for row in list_layers(network, (8, 3, 3)) if "own" in row.tensors]
    assert (row.kind, row.parameters) == ("add", 72)


class Asking(nn.Module):
    """Gives a layer a view of a parameter, as pooling by a learned query does."""

    def __init__(self):
        super().__init__()
        self.query, self.fc = nn.Parameter(torch.zeros(1, 2, 8)), nn.Linear(8, 4)

    def forward(self, x):
        return self.fc(self.query.expand(x.shape[0], -1, -1)) + x.mean()


def test_a_layer_that_reads_a_parameter_is_counted():
    rows = rows_of(trace_network(Asking(), shape=(8, 3, 3)), (8, 3, 3))
    assert rows["fc"].macs == 2 * 8 * 4
    assert sum(row.parameters for row in rows.values()) == 16 + 36


class Twice(nn.Module):
    """Calls one convolution twice, and another of the same weight once."""

    def __init__(self):
        super().__init__()
        self.conv, self.twin = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1, bias=False)
        self.twin.weight = self.conv.weight
        self.norm = nn.BatchNorm2d(3)

    def forward(self, x):
        return self.norm(self.twin(self.conv(self.conv(x))))


def test_what_is_shared_is_counted_once():
    network = trace_network(Twice(), shape=(3, 5, 5))
    rows = rows_of(network, (3, 5, 5))
    assert {name: row.parameters for name, row in rows.items()} == {
        "conv:1": 12,
        "conv:2": 0,
        "twin": 0,
        "norm": 6,
    }
    assert rows["conv:2"].macs == rows["conv:1"].macs == 225
    assert rows["twin"].tensors == ("conv.weight",)


def test_statistics_are_tensors_but_no_parameters():
    rows = rows_of(trace_network(Twice(), shape=(3, 5, 5)), (3, 5, 5))
    assert rows["norm"].tensors == (
        "norm.weight",
        "norm.bias",
        "norm.running_mean",
        "norm.running_var",
    )


def test_tensors_have_the_names_that_weights_are_stored_under(build):
    network = build(NET)
    told = {name for row in list_layers(network, (3, 9, 9)) for name in row.tensors}
    assert told == set(weights_of(network))


def test_every_name_finds_its_layer(build):
    network = build(NET)
    assert all(get_layer(network, row.name) for row in list_layers(network, (3, 9, 9)))


def test_windows_are_those_of_the_picture(rows):
    assert rows["conv"].window == Window(window_px=(3, 3), stride_px=(2, 2), start_px=(0, 0))
    assert rows["relu"].window == rows["conv"].window
    assert rows["fc"].window is None


def test_a_network_of_several_inputs_is_told_without_windows(build):
    text = """
    name: "n" input: "a" input_shape { dim: 1 dim: 3 dim: 4 dim: 4 }
    input: "b" input_shape { dim: 1 dim: 3 dim: 4 dim: 4 }
    layer { name: "sum" type: "Eltwise" bottom: "a" bottom: "b" top: "sum" }
    layer { name: "conv" type: "Convolution" bottom: "sum" top: "conv"
            convolution_param { num_output: 2 kernel_size: 1 } }
    """
    inventory = take_inventory(build(text), (3, 4, 4), (3, 4, 4))
    assert inventory.inputs == ((3, 4, 4), (3, 4, 4))
    assert inventory.macs == 2 * 16 * 3
    assert {row.window for row in inventory.rows} == {None}


def test_an_inventory_is_read_as_it_was_written(build):
    inventory = take_inventory(build(NET), (3, 9, 9))
    written = json.loads(json.dumps(inventory.as_json()))
    assert Inventory.from_json(written) == inventory
    assert written["macs"] == sum(row["macs"] for row in written["layers"])


def test_a_picture_that_the_network_cannot_read_is_refused(build):
    with pytest.raises(Unsupported, match="cannot read one input of 3 x 20 x 20") as raised:
        list_layers(build(NET), (3, 20, 20))
    assert raised.value.detail["shapes"] == [[3, 20, 20]]


def test_attention_is_fast_again_afterwards():
    was = torch.backends.mha.get_fastpath_enabled()
    take_inventory(trace_network(Attending("module"), shape=(8, 3, 3)), (8, 3, 3))
    assert torch.backends.mha.get_fastpath_enabled() is was
