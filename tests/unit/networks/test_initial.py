"""The first numbers of networks: drawn by name and seed, seen through the layers below."""

from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

from zoo.domain.recipe import Recipe, Source
from zoo.errors import Invalid
from zoo.filters.scheme import parse_scheme
from zoo.formats.caffe.reading import read_net
from zoo.networks.build import build_network, load_weights, weights_of
from zoo.networks.caffe import build_caffe
from zoo.networks.initial import Fillers, initialise
from zoo.networks.tracing import trace_network
from zoo.networks.vision import initial_weights

SHAPE = (3, 12, 12)


def make_network(*, width=8, bias=True):
    module = nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(3, width, 3, padding=1, bias=bias),
            relu1=nn.ReLU(),
            norm=nn.BatchNorm2d(width),
            conv2=nn.Conv2d(width, 2 * width, 3, groups=2),
            relu2=nn.ReLU(),
            up=nn.ConvTranspose2d(2 * width, 4, 2, stride=2),
            flatten=nn.Flatten(),
            fc=nn.Linear(4 * 400, 5),
        )
    )
    return trace_network(module, shape=SHAPE)


def noise(count=32, shape=SHAPE):
    drawn = np.random.default_rng(9).standard_normal((count, *shape), np.float32)
    return torch.from_numpy(drawn)


def begin(network, text, *, seed=0, inputs=None):
    given = (noise() if inputs is None else inputs,)
    return initialise(network, parse_scheme(text), seed=seed, inputs=given)


def outputs(network, images):
    """Give what each weighted layer computes."""
    found = {}
    hooks = [
        module.register_forward_hook(lambda _m, _i, out, name=name: found.setdefault(name, out))
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)
    ]
    with torch.inference_mode():
        network(images)
    for hook in hooks:
        hook.remove()
    return found


@pytest.mark.parametrize("text", ["he", "he+lsuv", "lsuv", "pca", "2dpca+lsuv", "library+lsuv"])
def test_equal_seeds_give_equal_bits(text):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = make_network()
    start = weights_of(network)
    found = []
    for seed in (3, 3, 4):
        load_weights(network, start)
        begin(network, text, seed=seed)
        found.append(weights_of(network))
    first, again, other = found
    assert all(np.array_equal(first[name], again[name]) for name in first)
    is_of_seed = text != "library+lsuv"  # the library drew it before
    assert is_of_seed != all(np.array_equal(first[name], other[name]) for name in first)


def test_a_layer_s_numbers_do_not_depend_on_other_layers():
    wide, narrow = make_network(), make_network()
    begin(wide, "he")
    alone = trace_network(nn.Sequential(OrderedDict(fc=nn.Linear(1600, 5))), shape=(1, 1, 1600))
    begin(alone, "he")
    begin(narrow, "he")
    assert torch.equal(wide.fc.weight, alone.fc.weight)
    assert not torch.equal(wide.conv1.weight, wide.conv2.weight[:, :3])


def test_biases_become_zero_and_the_rest_stays():
    network = make_network()
    with torch.no_grad():
        network.norm.weight.fill_(2)
        network.norm.running_mean.fill_(3)
    begun = begin(network, "he")
    assert begun.drawn == ["conv1", "conv2", "up", "fc"]
    assert not any(getattr(network, layer).bias.any() for layer in begun.drawn)
    assert (network.norm.weight == 2).all()
    assert (network.norm.running_mean == 3).all()


def test_library_leaves_a_network_as_it_is():
    network = make_network()
    start = weights_of(network)
    begun = begin(network, "library")
    assert all(np.array_equal(start[name], now) for name, now in weights_of(network).items())
    assert begun.notes == ()


@pytest.mark.parametrize(
    "text", ["he+lsuv", "lsuv", "uniform-fan-in+lsuv", "pca+lsuv", "2dpca+lsuv", "library+lsuv"]
)
def test_lsuv_gives_every_layer_s_output_unit_variance(text):
    network = make_network()
    assert begin(network, text).notes == (
        ("Nothing varies in what these layers read, so they are orthogonal: up.",)
        if "pca" in text
        else ()
    )
    for name, value in outputs(network, noise()).items():
        assert float(value.var(correction=0)) == pytest.approx(1, abs=0.05), name


def test_lsuv_leaves_dead_layers_and_says_so():
    network = make_network()
    with torch.no_grad():
        network.norm.weight.fill_(0)
        network.norm.bias.fill_(0)
    begun = begin(network, "he+lsuv")
    assert begun.dead == ["conv2", "up", "fc"]
    assert begun.notes == ("LSUV left these layers, whose outputs do not vary: conv2, up, fc.",)
    assert all(np.isfinite(array).all() for array in weights_of(network).values())


def test_a_scheme_of_zeros_cannot_be_scaled():
    begun = begin(make_network(), "constant+lsuv")
    assert begun.dead == ["conv1", "conv2", "up", "fc"]


class Twice(nn.Module):
    """Calls one layer twice."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.head = nn.Linear(3, 2)

    def forward(self, x):
        return self.head(self.conv(self.conv(x).relu()).mean((2, 3)))


def test_a_layer_called_twice_is_scaled_where_it_stands_first():
    network = trace_network(Twice(), shape=SHAPE)
    begun = begin(network, "he+lsuv")
    assert begun.drawn == ["conv", "head"]
    first = outputs(network, noise())["conv"]
    assert float(first.var(correction=0)) == pytest.approx(1, abs=0.05)


def test_pca_s_first_filters_are_the_axes_of_the_pictures_patches():
    base = torch.from_numpy(np.random.default_rng(0).standard_normal((64, 1, 12, 12), np.float32))
    blurred = nn.functional.avg_pool2d(base, 5, stride=1, padding=2)
    network = trace_network(nn.Sequential(OrderedDict(conv=nn.Conv2d(1, 12, 3))), shape=(1, 12, 12))
    begin(network, "pca", inputs=blurred)
    filters = network.conv.weight.detach().reshape(12, 9)
    assert torch.allclose(filters[:9] @ filters[:9].T, torch.eye(9), atol=1e-5)
    assert torch.equal(filters[9:], -filters[:3])
    # What varies most in blurred noise is its level, and each axis varies less than the last.
    assert (filters[0] > 0.2).all()
    spreads = outputs(network, blurred)["conv"].std(dim=(0, 2, 3))[:9]
    assert (spreads.diff() <= 0.02 * spreads[0]).all()


def test_pca_sees_a_layer_s_own_input_through_the_layers_below():
    network = make_network()
    begin(network, "pca+lsuv")
    plain = make_network()
    begin(plain, "pca+lsuv", inputs=noise() * 5)
    # LSUV undoes the fivefold picture in the first layer, so the second reads the same.
    assert torch.allclose(plain.conv1.weight * 5, network.conv1.weight, rtol=0.05, atol=0.01)
    assert torch.allclose(plain.conv2.weight, network.conv2.weight, rtol=0.1, atol=0.02)


def test_what_cannot_be_drawn_is_told_with_its_layer():
    with pytest.raises(Invalid, match=r"Layer 'fc': bilinear fills square windows"):
        begin(make_network(), "bilinear")


CAFFE = """
name: "n" input: "data" input_shape { dim: 1 dim: 2 dim: 8 dim: 8 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" }
layer { name: "scale" type: "Scale" bottom: "conv" top: "conv" scale_param { bias_term: true } }
layer { name: "act" type: "PReLU" bottom: "conv" top: "conv" }
layer { name: "twin.a" type: "Convolution" bottom: "conv" top: "a" param { name: "w" }
  convolution_param { num_output: 4 kernel_size: 1 bias_term: false } }
layer { name: "twin.b" type: "Convolution" bottom: "a" top: "b" param { name: "w" }
  convolution_param { num_output: 4 kernel_size: 1 bias_term: false } }
layer { name: "ip" type: "InnerProduct" bottom: "b" top: "ip"
  inner_product_param { num_output: 3 } }
"""


def test_a_network_of_caffe_gets_standard_values_beside_its_drawn_weights():
    network = build_caffe(read_net(CAFFE, name="net.prototxt"))
    begun = initialise(network, parse_scheme("he+lsuv"), seed=0, inputs=(noise(shape=(2, 8, 8)),))
    weights = weights_of(network)
    assert begun.drawn == ["conv", "twin.a", "ip"]  # the twin's weight is the same tensor
    assert begun.notes == ()
    expected = {
        "bn.running_mean": 0,
        "bn.running_var": 1,
        "scale.weight": 1,
        "scale.bias": 0,
        "act.weight": 0.25,
        "conv.bias": 0,
        "ip.bias": 0,
    }
    assert {name: set(weights[name].tolist()) for name in expected} == {
        name: {value} for name, value in expected.items()
    }
    assert weights["conv.weight"].std() > 0.1
    assert torch.isfinite(network(noise(shape=(2, 8, 8)))).all()


def test_stated_fillers_draw_each_layer_by_its_own():
    network = build_caffe(read_net(CAFFE, name="net.prototxt"))
    fill = {
        name: Fillers(weight=parse_scheme(weight), bias=parse_scheme(bias))
        for name, weight, bias in [
            ("conv", "constant:value=0.5", "constant:value=2"),
            ("twin_a", "xavier", "constant"),
            ("twin_b", "constant", "constant"),
            ("ip", "gaussian:std=0.01", "constant:value=1"),
        ]
    }
    initialise(network, parse_scheme("prototxt"), seed=0, stated=fill)
    weights = weights_of(network)
    assert set(weights["conv.weight"].ravel()) == {0.5}
    assert set(weights["conv.bias"]) == {2}
    assert np.abs(weights["twin_a.weight"]).max() > 0.1
    assert weights["ip.weight"].std() == pytest.approx(0.01, rel=0.2)
    assert set(weights["ip.bias"]) == {1}


@pytest.mark.parametrize(
    ("kind", "architecture", "side"),
    [
        ("torchvision", "squeezenet1_1", 64),
        ("timm", "test_vit", 160),
        ("timm", "test_convnext", 160),
        ("timm", "test_efficientnet", 160),
    ],
)
@pytest.mark.parametrize("text", ["he+lsuv", "2dpca+lsuv"])
def test_networks_of_libraries_begin_and_keep_what_is_not_drawn(kind, architecture, side, text):
    source = Source(kind=kind, architecture=architecture)
    start = initial_weights(source, seed=0)
    network = build_network(Recipe(source=source), {})
    load_weights(network, start)
    begun = begin(network, text, inputs=noise(4, (3, side, side)))
    weights = weights_of(network)
    assert weights.keys() == start.keys()
    assert all(np.isfinite(array).all() for array in weights.values())
    drawn = {f"{layer}.{part}" for layer in begun.drawn for part in ("weight", "bias")}
    rest = weights.keys() - drawn
    assert all(np.array_equal(weights[name], start[name]) for name in rest)
    if architecture == "test_vit":
        assert {"pos_embed", "cls_token"} <= rest
        assert begun.kept == ["pos_embed"]


def make_stack(depth):
    layers = []
    for number in range(1, depth + 1):
        layers.append((f"conv{number}", nn.Conv2d(64, 64, 3, padding=1)))
        layers.append((f"relu{number}", nn.ReLU()))
    return trace_network(nn.Sequential(OrderedDict(layers)), shape=(64, 16, 16))


def spreads(text, depth):
    """Give the standard deviations behind the ReLUs of a stack of 64 channels."""
    network, images = make_stack(depth), noise(4, (64, 16, 16))
    begin(network, text, inputs=images)
    found = []
    with torch.inference_mode():
        for module in network.children():
            images = module(images)
            if isinstance(module, nn.ReLU):
                found.append(float(images.std()))
    return found


def test_the_tutorial_s_text_lets_activations_vanish_and_the_formulas_do_not():
    literal = spreads("uniform-fan-in", 4)
    assert literal[0] == pytest.approx(1.4e-2, rel=0.05)
    assert literal[3] == pytest.approx(4.5e-8, rel=0.2)
    he, lecun, lsuv = (spreads(text, 8) for text in ("he", "lecun", "he+lsuv"))
    assert [he[0], he[3], he[7]] == pytest.approx([0.79, 0.60, 0.47], rel=0.35)
    assert [lecun[0], lecun[3], lecun[7]] == pytest.approx([0.56, 0.14, 0.033], rel=0.35)
    assert min(lsuv) > 0.5  # a normal of unit variance has 0.58 behind a ReLU
