"""What cannot be made dense is told, with the layer and the reason."""

import pytest
import torch
from torch import nn

from zoo.domain.recipe import Source
from zoo.domain.surgery import Convolutionalize, Pads
from zoo.errors import BoundToOneSize, NoHead, Unsupported
from zoo.networks.dense import convolutionalize
from zoo.networks.tracing import trace_network
from zoo.networks.vision import build_vision

SHAPE = (3, 8, 8)


class Net(nn.Module):
    def __init__(self, compute, **parts):
        super().__init__()
        self.compute = compute
        self.conv = nn.Conv2d(3, 6, 3, padding=1)
        self.fc = nn.Linear(6, 4)
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        return self.fc(self.compute(self, self.conv(x)))


def make_network(compute, **parts):
    return trace_network(Net(compute, **parts), shape=SHAPE)


def places(x):
    """Give a row for each place of a map."""
    return torch.flatten(x, 2).transpose(1, 2)


def with_token(it, x):
    rows = torch.cat([it.token.expand(x.size(0), -1, -1), places(x)], dim=1)
    return rows[:, 0]


REFUSED = {
    "a position embedding": (
        lambda it, x: (x + it.places).mean((2, 3)),
        {"places": nn.Parameter(torch.ones(1, 6, 8, 8))},
        "'network:add'.*numbers of its own for each place",
    ),
    "a position embedding of rows": (
        lambda it, x: (places(x) + it.places).mean(1),
        {"places": nn.Parameter(torch.ones(1, 64, 6))},
        "'network:add'.*numbers of its own for each place",
    ),
    "a class token": (
        with_token,
        {"token": nn.Parameter(torch.ones(1, 1, 6))},
        "'network:cat'.*class token",
    ),
    "attention": (
        lambda it, x: it.attention(places(x), places(x), places(x))[0].mean(1),
        {"attention": nn.MultiheadAttention(6, 2, batch_first=True)},
        "'attention' \\(MultiheadAttention\\) reads all places",
    ),
    "a layer over all places": (
        lambda it, x: it.mix(torch.flatten(x, 2)).mean(2),
        {"mix": nn.Linear(64, 5)},
        "'mix' \\(Linear\\) reads all places",
    ),
    "a fixed reshape": (
        lambda it, x: it.pool(torch.reshape(x, [-1, 6, 4, 16])).flatten(1),
        {"pool": nn.AdaptiveAvgPool2d(1)},
        "'network:reshape' \\(reshape\\) makes rows of one length",
    ),
    "a batch of one size": (
        lambda _, x: torch.reshape(x, [2, 6, 8, 8]).mean((2, 3)),
        {},
        "'network:reshape' \\(reshape\\) does not keep pictures apart",
    ),
    "a map of one size": (
        lambda _, x: torch.reshape(x, [-1, 6, 8, 8]).mean((2, 3)),
        {},
        "'network:reshape' \\(reshape\\) (fails|gives .*) for pictures of 8 x 9",
    ),
    "uneven windows": (
        lambda it, x: it.mix(torch.flatten(it.pool(x), 1)),
        {"pool": nn.AdaptiveAvgPool2d(3), "mix": nn.Linear(54, 6)},
        "'pool' \\(AdaptiveAvgPool2d\\) pools a map of 8 x 8 to 3 x 3, in uneven windows",
    ),
    "windows made larger": (
        lambda it, x: it.mix(torch.flatten(it.pool(x), 1)),
        {"pool": nn.AdaptiveAvgPool2d(16), "mix": nn.Linear(1536, 6)},
        "8 x 8 to 16 x 16, in uneven windows",
    ),
    "a part of one size": (
        lambda _, x: x[:, :, 2:4].mean((2, 3)),
        {},
        "takes a part of the map that is of one size",
    ),
    "sizes that agree for some pictures only": (
        lambda it, x: (it.down(x) + it.pool(x)).mean((2, 3)),
        {"down": nn.Conv2d(6, 6, 3, 2, 1), "pool": nn.MaxPool2d(2)},
        "'network:add' \\(add\\) puts maps together whose sizes agree for some",
    ),
    "a map made larger": (
        lambda it, x: it.up(x).mean((2, 3)),
        {"up": nn.Upsample(scale_factor=2)},
        "'up' \\(Upsample\\) makes maps of other sizes",
    ),
    "normalised numbers of several places": (
        lambda it, x: it.mix(it.norm(torch.flatten(x, 1))),
        {"norm": nn.BatchNorm1d(384), "mix": nn.Linear(384, 6)},
        "'norm' \\(BatchNorm1d\\) treats the numbers of a row each by itself",
    ),
    "rows turned to a map of another shape": (
        lambda it, x: torch.reshape(it.mix(torch.flatten(x, 1)), [-1, 6, 2, 2]).mean((2, 3)),
        {"mix": nn.Linear(384, 24)},
        "makes a shape of its own of a row's numbers",
    ),
    "a head that reads one row for all": (
        lambda _, x: x.amax((2, 3)) * torch.sigmoid(x.amax((2, 3))),
        {},
        "gives one row of numbers for the whole picture",
    ),
    "zeros from the other side": (
        lambda it, x: it.around(x).mean((2, 3)),
        {"around": nn.Conv2d(6, 6, 3, padding=1, padding_mode="circular")},
        "'around' \\(Conv2d\\) pads a map with what is at its other end",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_the_layer_that_binds_a_network_to_one_size_is_named(name):
    compute, parts, said = REFUSED[name]
    with pytest.raises(BoundToOneSize, match=said) as caught:
        convolutionalize(make_network(compute, **parts), Convolutionalize(shape=SHAPE))
    assert caught.value.detail["layer"]
    assert "at its own size" in caught.value.hint


LIBRARY = {
    ("torchvision", "vit_b_16"): (224, "class token; .*position embedding; .*all places"),
    ("timm", "test_vit"): (160, "class token; .*position embedding"),
    ("timm", "mixer_s32_224"): (224, "'blocks.0.mlp_tokens.fc1' .Linear. reads all places"),
    ("timm", "hrnet_w18_small"): (224, "Upsample. makes maps of other sizes"),
    ("timm", "dla34"): (224, "sizes agree for some sizes of picture only"),
}


@pytest.mark.parametrize(("kind", "architecture"), LIBRARY)
def test_networks_of_libraries_are_told_why(kind, architecture):
    px, said = LIBRARY[kind, architecture]
    source = Source(kind=kind, architecture=architecture, arguments={"num_classes": 4})
    network = build_vision(source, {})
    with pytest.raises(BoundToOneSize, match=said):
        convolutionalize(network, Convolutionalize(shape=(3, px, px)))


def test_a_picture_the_network_does_not_take_is_told():
    network = make_network(lambda _, x: x.mean((2, 3)))
    with pytest.raises(
        BoundToOneSize, match=r"'conv' .Conv2d. does not take pictures of 1 x 8 x 8"
    ):
        convolutionalize(network, Convolutionalize(shape=(1, 8, 8)))


def test_a_network_without_a_classifier_is_refused():
    network = trace_network(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh()), shape=SHAPE)
    with pytest.raises(NoHead, match="Tanh"):
        convolutionalize(network, Convolutionalize(shape=SHAPE))


TWO_ENDS = """
name: "two" input: "data" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }
layer { name: "a" type: "InnerProduct" bottom: "data" top: "a"
  inner_product_param { num_output: 2 } }
layer { name: "b" type: "InnerProduct" bottom: "data" top: "b"
  inner_product_param { num_output: 2 } }
"""


def test_a_network_of_several_outputs_is_refused(build):
    with pytest.raises(Unsupported, match="2 outputs"):
        convolutionalize(build(TWO_ENDS), Convolutionalize(shape=SHAPE))


PYRAMID = """
name: "pyramid" input: "data" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }
layer { name: "spp" type: "SPP" bottom: "data" top: "spp" spp_param { pyramid_height: 2 } }
layer { name: "fc" type: "InnerProduct" bottom: "spp" top: "fc"
  inner_product_param { num_output: 4 } }
"""


def test_a_pyramid_before_the_classifier_is_refused(build):
    with pytest.raises(BoundToOneSize, match=r"'spp' .SPP. gives one row of numbers"):
        convolutionalize(build(PYRAMID), Convolutionalize(shape=SHAPE))


def test_padding_is_kept_where_cells_depend_on_all_of_the_picture():
    def gated(it, x):
        return (x * torch.sigmoid(it.gate(x))).mean((2, 3))

    network = make_network(gated, gate=nn.AdaptiveAvgPool2d(1))
    with pytest.raises(Unsupported, match="through gate") as caught:
        convolutionalize(network, Convolutionalize(shape=SHAPE, pads=Pads.REMOVE))
    assert caught.value.detail["layers"] == ["gate"]
    assert "--pads keep" in caught.value.hint


def test_a_layer_called_for_two_sizes_is_refused():
    def twice(it, x):
        return it.same(torch.flatten(it.pool(x), 1)) + it.same(x[:, :, 1:, 1:].amax((2, 3)))

    parts = {"same": nn.Linear(6, 6), "pool": nn.AdaptiveAvgPool2d(1)}
    with pytest.raises(BoundToOneSize):
        convolutionalize(make_network(twice, **parts), Convolutionalize(shape=SHAPE))
