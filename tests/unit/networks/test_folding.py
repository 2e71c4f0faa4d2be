"""A network without its batch normalisations computes what it computed with them."""

import pytest
import torch
from torch import nn

from zoo.domain.recipe import Recipe, Source
from zoo.domain.surgery import FoldBatchNorm
from zoo.networks.build import build_network, load_weights, weights_of
from zoo.networks.folding import fold_batch_norm, tell_folding
from zoo.networks.graph import find_module
from zoo.networks.names import list_layer_names
from zoo.networks.tracing import trace_network
from zoo.networks.vision import initial_weights

RELATIVE = 1e-5  # of the largest number
CAFFE = """
name: "n" input: "data" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
        convolution_param { num_output: 6 kernel_size: 3 bias_term: false } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" }
layer { name: "scale" type: "Scale" bottom: "conv" top: "conv" scale_param { bias_term: true } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "wide" type: "Deconvolution" bottom: "conv" top: "wide"
        convolution_param { num_output: 4 kernel_size: 3 stride: 2 group: 2 } }
layer { name: "bn2" type: "BatchNorm" bottom: "wide" top: "bn2" }
layer { name: "gain" type: "Scale" bottom: "bn2" top: "gain" scale_param { num_axes: 0 } }
layer { name: "fc" type: "InnerProduct" bottom: "gain" top: "fc"
        inner_product_param { num_output: 5 } }
layer { name: "shift" type: "Bias" bottom: "fc" top: "fc" }
layer { name: "rows" type: "BatchNorm" bottom: "fc" top: "fc" }
"""
VANISHING = ("bn", "scale", "bn2", "gain", "shift", "rows")


def pictures(*shape):
    return torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))


def spread(network, seed=0):
    """Give batch normalisations statistics, scales and biases as training leaves them."""
    draw = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_mean.normal_(generator=draw)
            module.running_var.uniform_(0.2, 4, generator=draw)
            if module.affine:
                nn.init.normal_(module.weight, 1, 0.5, generator=draw)
                nn.init.normal_(module.bias, generator=draw)
    return network


def difference(network, other, x):
    with torch.inference_mode():
        expected, found = network(x), other(x)
    return float((expected - found).abs().max() / expected.abs().max())


def traced(*modules, shape=(3, 8, 8)):
    return spread(trace_network(nn.Sequential(*modules), shape=shape))


@pytest.mark.parametrize(
    "modules",
    [
        (nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4)),
        (nn.Conv2d(3, 6, 3, stride=2, padding=1, groups=3), nn.BatchNorm2d(6), nn.ReLU()),
        (nn.Conv2d(3, 4, 3, dilation=2, padding="same"), nn.BatchNorm2d(4, affine=False)),
        (nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), nn.BatchNorm2d(4)),
        (nn.ConvTranspose2d(3, 4, 3, stride=2, output_padding=1), nn.BatchNorm2d(4)),
        (nn.ConvTranspose2d(3, 6, (2, 3), groups=3, bias=False), nn.BatchNorm2d(6)),
        (nn.Flatten(), nn.Linear(192, 5), nn.BatchNorm1d(5)),
        (nn.Flatten(), nn.Linear(192, 5, bias=False), nn.BatchNorm1d(5), nn.ReLU()),
    ],
    ids=[
        "plain",
        "groups",
        "no-affine",
        "reflecting",
        "transposed",
        "transposed-groups",
        "rows",
        "rows-without-bias",
    ],
)
def test_what_follows_a_weighted_layer_is_folded_into_it(modules):
    network = traced(*modules)
    folded = fold_batch_norm(network)
    assert not any("BatchNorm" in type(module).__name__ for module in folded.modules())
    assert difference(network, folded, pictures(3, 8, 8)) <= RELATIVE


def test_layers_of_caffe_are_folded_one_after_the_other(build):
    network = build(CAFFE)
    assert tell_folding(network).folded == VANISHING
    assert tell_folding(network).stayed == ()
    folded = fold_batch_norm(network)
    assert list_layer_names(folded) == ["conv", "relu", "wide", "fc"]
    assert set(weights_of(folded)) == {
        f"{name}.{field}" for name in ("conv", "wide", "fc") for field in ("weight", "bias")
    }
    assert difference(network, folded, pictures(3, 8, 8)) <= RELATIVE


@pytest.mark.parametrize(
    ("kind", "architecture", "folded", "stayed"),
    [
        ("torchvision", "resnet18", 20, 0),
        ("torchvision", "mobilenet_v3_small", 34, 0),
        ("torchvision", "densenet121", 59, 62),
        ("timm", "resnet10t", 14, 0),
    ],
)
def test_whole_networks_compute_the_same(kind, architecture, folded, stayed):
    source = Source(kind=kind, architecture=architecture, arguments={"num_classes": 4})
    network = build_network(Recipe(source=source), {})
    load_weights(network, initial_weights(source, seed=0))
    spread(network)
    told = tell_folding(network)
    assert (len(told.folded), len(told.stayed)) == (folded, stayed)
    assert difference(network, fold_batch_norm(network), pictures(3, 48, 48)) <= RELATIVE


def test_the_network_that_is_folded_stays_as_it_was():
    network = traced(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    code = network.code
    fold_batch_norm(network)
    after = network.state_dict()
    assert network.code == code
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_recipe_folds_before_there_are_weights(build, tmp_path):
    path = tmp_path / "deploy.prototxt"
    path.write_text(CAFFE)
    recipe = Recipe(source=Source(kind="caffe", path=path.name), surgeries=(FoldBatchNorm(),))
    unset = build_network(recipe, {path.name: path})
    assert all(tensor.is_meta for tensor in unset.state_dict().values())
    folded = fold_batch_norm(build(CAFFE))
    load_weights(unset, weights_of(folded))
    assert torch.equal(unset(pictures(3, 8, 8)), folded(pictures(3, 8, 8)))


def test_numbers_are_folded_in_float64_and_kept_in_float32():
    network = traced(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    conv, norm = network.get_submodule("0"), network.get_submodule("1")
    factor = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    expected = (conv.weight.double() * factor[:, None, None, None]).float()
    found = fold_batch_norm(network).get_submodule("0").weight
    assert found.dtype is torch.float32
    torch.testing.assert_close(found, expected, rtol=1.2e-7, atol=0)


class Read(nn.Module):
    """Reads the sums before a normalisation too."""

    def __init__(self):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, x):
        sums = self.conv(x)
        return self.bn(sums) + sums


class Shared(nn.Module):
    """Calls one convolution twice, each time with a normalisation of its own."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.first, self.second = nn.BatchNorm2d(3), nn.BatchNorm2d(3)

    def forward(self, x):
        return self.second(self.conv(self.first(self.conv(x))))


class Tied(nn.Module):
    """Two convolutions of one weight."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 3, 3), nn.Conv2d(3, 3, 3)
        self.two.weight = self.one.weight
        self.bn = nn.BatchNorm2d(3)

    def forward(self, x):
        return self.bn(self.one(x)) + self.two(x)


class Tokens(nn.Module):
    """Normalises tokens, which are as many as their numbers: axis 1 is not the layer's outputs."""

    def __init__(self):
        super().__init__()
        self.fc, self.bn = nn.Linear(16, 3), nn.BatchNorm1d(3)

    def forward(self, x):
        return self.bn(self.fc(x.flatten(2)))


@pytest.mark.parametrize(
    ("module", "stayed"),
    [
        (Read(), ("bn",)),
        (Shared(), ("first", "second")),
        (Tied(), ("bn",)),
        (Tokens(), ("bn",)),
        (nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3)), ("0",)),
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2), nn.BatchNorm2d(4)), ("2",)),
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.BatchNorm2d(4)), ("2",)),
    ],
    ids=["read", "called-twice", "tied", "tokens", "on-the-input", "pooled", "rectified"],
)
def test_what_cannot_be_folded_stays_and_is_told(module, stayed):
    network = spread(trace_network(module, shape=(3, 4, 4)))
    told = tell_folding(network)
    assert (told.folded, told.stayed) == ((), stayed)
    x = pictures(3, 4, 4)
    assert torch.equal(fold_batch_norm(network)(x), network(x))


@pytest.mark.parametrize(
    "more",
    [
        'layer { name: "s" type: "Scale" bottom: "conv" top: "s" scale_param { axis: 2 } }',
        'layer { name: "s" type: "Scale" bottom: "conv" top: "s" scale_param { num_axes: 3 } }',
        """layer { name: "s" type: "BatchNorm" bottom: "conv" top: "s"
        batch_norm_param { use_global_stats: false } }""",
    ],
    ids=["columns", "places", "of-the-batch"],
)
def test_numbers_of_other_axes_and_of_the_batch_stay(build, more):
    head, _, _ = CAFFE.partition('layer { name: "bn"')
    network = build(head + more)
    assert tell_folding(network).folded == ()
    assert "s" in list_layer_names(fold_batch_norm(network))


def test_outputs_are_kept_in_order(build):
    text = CAFFE + (
        'layer { name: "side" type: "Convolution" bottom: "gain" top: "side"'
        " convolution_param { num_output: 2 kernel_size: 1 } }"
        'layer { name: "side_scale" type: "Scale" bottom: "side" top: "side" }'
    )
    network = build(text)
    rows, maps = fold_batch_norm(network)(pictures(3, 8, 8))
    expected_rows, expected_maps = network(pictures(3, 8, 8))
    torch.testing.assert_close(rows, expected_rows, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(maps, expected_maps, rtol=1e-4, atol=1e-5)


def test_a_network_without_normalisation_is_the_same_network(build):
    text, _, _ = CAFFE.partition('layer { name: "bn"')
    network = build(text)
    folded = fold_batch_norm(network)
    assert folded.code == network.code
    assert folded.get_submodule("conv") is network.get_submodule("conv")


def test_what_needs_no_gradient_needs_none_afterwards():
    network = traced(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    network.requires_grad_(requires_grad=False)
    assert not any(tensor.requires_grad for tensor in fold_batch_norm(network).parameters())


def test_a_folded_layer_keeps_its_settings():
    network = traced(nn.ConvTranspose2d(3, 6, 3, stride=2, padding=1, groups=3), nn.BatchNorm2d(6))
    folded = fold_batch_norm(network)
    (node,) = folded.graph.find_nodes(op="call_module")
    assert repr(find_module(folded, node)) == repr(network.get_submodule("0"))


@pytest.mark.data
def test_real_weights_compute_the_same_when_folded(load_package):
    network = load_package("simpnet_300k_cifar10")
    told = tell_folding(network)
    assert told.stayed == ()
    assert len(told.folded) >= 20
    x = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert difference(network, fold_batch_norm(network), x) <= RELATIVE
