"""Where codes can be taken, and that they are what the layers compute."""

import pytest
import torch
from torch import nn

from zoo.errors import LayerNotFound
from zoo.networks.blobs import run_shapes
from zoo.networks.cutting import cut_at
from zoo.networks.surgery import cut_at_codes
from zoo.networks.taps import CODES, list_taps, tap_network
from zoo.networks.tracing import trace_network

SHAPE = (3, 16, 16)


def make_plain(widths=(4, 8, 6, 8), *, has_pools=True):
    """Convolutions with ReLUs, averaged for a fully connected classifier."""
    layers, read = nn.Sequential(), 3
    for number, width in enumerate(widths, 1):
        layers.add_module(f"conv{number}", nn.Conv2d(read, width, 3, padding=1))
        layers.add_module(f"relu{number}", nn.ReLU())
        if has_pools and number < 3:
            layers.add_module(f"pool{number}", nn.MaxPool2d(2))
        read = width
    layers.add_module("average", nn.AdaptiveAvgPool2d(1))
    layers.add_module("flatten", nn.Flatten())
    layers.add_module("fc", nn.Linear(read, 5))
    return trace_network(layers, shape=SHAPE)


def test_taps_lie_behind_the_relus_and_bottlenecks_are_left_out():
    taps = list_taps(make_plain(), SHAPE)
    assert [(tap.layer, tap.channels) for tap in taps] == [("relu1", 4), ("relu2", 8), (CODES, 8)]
    assert all(tap.is_rectified for tap in taps)
    depths = [tap.depth for tap in taps]
    assert depths == sorted(depths)
    assert 0 < depths[0] < depths[-1] <= 1


def test_of_many_taps_some_are_kept_the_first_and_codes_among_them():
    network = make_plain(tuple(range(4, 20)), has_pools=False)
    names = [tap.layer for tap in list_taps(network, SHAPE, most=6)]
    assert len(names) == 6
    assert (names[0], names[-2], names[-1]) == ("relu1", "relu15", CODES)


def test_codes_are_means_of_what_the_layers_compute():
    network = make_plain()
    images = torch.rand(3, *SHAPE)
    tapped = tap_network(network, ("relu1", "conv2", CODES), SHAPE)
    first, raw, codes = tapped(images)
    assert torch.allclose(first, cut_at(network, "relu1")(images).mean(dim=(2, 3)))
    assert torch.allclose(raw, cut_at(network, "conv2")(images).mean(dim=(2, 3)))
    assert torch.equal(codes, cut_at_codes(network)(images))
    assert first.min() >= 0 > raw.min()
    assert len(list(tapped.graph.nodes)) < len(list(network.graph.nodes)) + 6


def test_what_lies_above_the_highest_tap_is_not_computed():
    tapped = tap_network(make_plain(), ("relu1",), SHAPE)
    assert not any("conv2" in str(node.target) for node in tapped.graph.nodes)
    assert list(run_shapes(tapped, (1, *SHAPE)).values())[-1] == (1, 4)


def test_a_layer_that_is_not_there_is_named_with_those_near_it():
    with pytest.raises(LayerNotFound, match="relu9"):
        tap_network(make_plain(), ("relu9",), SHAPE)


class Tokens(nn.Module):
    """A block over tokens with a way around it, as transformers have."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, stride=4)
        self.norm = nn.LayerNorm(8)
        self.inside = nn.Linear(8, 8)
        self.last = nn.Linear(8, 8)
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = x + self.inside(self.norm(x))
        x = x + self.last(self.norm(x))
        return self.head(x[:, 0])


def test_tokens_are_averaged():
    network = trace_network(Tokens(), shape=SHAPE)
    taps = list_taps(network, SHAPE)
    assert [tap.channels for tap in taps] == [8] * len(taps)
    assert len(taps) >= 3
    assert not any(tap.is_rectified for tap in taps)
    images = torch.rand(2, *SHAPE)
    names = [tap.layer for tap in taps]
    given = tap_network(network, names, SHAPE)(images)
    assert [tuple(one.shape) for one in given] == [(2, 8)] * len(names)
    before = cut_at(network, names[-2])(images)
    assert torch.allclose(given[-2], before.mean(dim=1), atol=1e-6)
