"""From a recipe and weights to a network, and back."""

import re

import numpy as np
import pytest
import torch
from torch import nn

from zoo.domain.recipe import Recipe, Source
from zoo.domain.surgery import ReplaceHead
from zoo.errors import IncompletePackage, Unsupported, WeightsMismatch
from zoo.networks.build import build_network, load_weights, weights_of
from zoo.networks.misfit import compare
from zoo.networks.surgery import replace_head
from zoo.networks.tracing import trace_network

TEXT = """
name: "tiny" input: "data" input_shape { dim: 1 dim: 3 dim: 6 dim: 6 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "fc" type: "InnerProduct" bottom: "conv" top: "fc"
  inner_product_param { num_output: 5 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""
SOURCE = Source(kind="caffe", path="deploy.prototxt")


@pytest.fixture
def files(tmp_path):
    (tmp_path / "deploy.prototxt").write_text(TEXT)
    return {"deploy.prototxt": tmp_path / "deploy.prototxt"}


def test_a_recipe_builds_what_surgery_made(build, files):
    operated = replace_head(build(TEXT), at="fc", classes=2)
    weights = dict(weights_of(operated)) | {"head.weight": np.ones((2, 64), np.float32)}
    load_weights(operated, weights)
    recipe = Recipe(source=SOURCE).then(ReplaceHead(at="fc", classes=2))
    rebuilt = build_network(Recipe.from_json(recipe.as_json()), files)
    load_weights(rebuilt, weights)
    x = torch.rand(3, 3, 6, 6)
    assert torch.equal(rebuilt(x), operated(x))
    assert rebuilt.code == operated.code


def test_a_network_is_built_in_evaluation_mode(files):
    network = build_network(Recipe(source=SOURCE), files)
    assert not any(module.training for module in network.modules())


def test_weights_come_out_as_they_went_in(build):
    network = build(TEXT)
    first = weights_of(network)
    load_weights(network, {**first, "preprocessing.mean": np.zeros((3, 6, 6))})
    again = weights_of(network)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert all(value.flags.c_contiguous for value in again.values())
    assert all(value.dtype == np.float32 for value in again.values())


def test_loaded_weights_are_copies(build):
    network = build(TEXT)
    weights = {name: value.copy() for name, value in weights_of(network).items()}
    load_weights(network, weights)
    for value in weights.values():
        value[:] = 7
    assert not any((value == 7).any() for value in weights_of(network).values())


def test_weights_keep_whether_they_are_trained(build):
    network = build(TEXT)
    network.conv.requires_grad_(requires_grad=False)
    load_weights(network, weights_of(network))
    assert not network.conv.weight.requires_grad
    assert network.fc.weight.requires_grad


def test_every_tensor_that_does_not_fit_is_named(build):
    network = build(TEXT)
    weights = dict(weights_of(network))
    weights["fc.weight"] = np.zeros((2, 64), np.float32)
    weights["other"] = weights.pop("conv.bias")
    with pytest.raises(WeightsMismatch) as caught:
        load_weights(network, weights)
    assert caught.value.detail["missing"] == ["conv.bias"]
    assert caught.value.detail["unexpected"] == ["other"]
    assert caught.value.detail["misfits"] == ["fc.weight is 2 x 64, not 5 x 64"]
    assert str(caught.value).splitlines()[1:] == [
        "missing: 1",
        "  conv.bias 4",
        "unexpected: 1",
        "  other 4",
        "of another shape: 1",
        "  fc.weight is 2 x 64, not 5 x 64",
    ]


def test_a_file_that_is_missing_is_named():
    with pytest.raises(IncompletePackage, match=r"deploy\.prototxt"):
        build_network(Recipe(source=SOURCE), {})


def test_kinds_of_a_newer_zoo_are_refused(files):
    with pytest.raises(Unsupported, match="no source 'jax', only caffe"):
        build_network(Recipe(source=Source(kind="jax", path="x")), files)
    unknown = Recipe(source=SOURCE).then(ReplaceHead(at="fc", classes=2, kind="graft"))
    with pytest.raises(Unsupported, match="no surgery 'graft'"):
        build_network(unknown, files)


def test_weights_may_lie_anywhere_and_be_of_any_type(build):
    network = build(TEXT)
    weights = weights_of(network)
    views = {}
    for name, value in weights.items():
        raw = b"?" + value.astype(">f8").tobytes()  # begins at an odd place, and cannot be written
        views[name] = np.frombuffer(raw, ">f8", offset=1).reshape(value.shape)
    load_weights(network, views)
    assert all(np.array_equal(value, weights[name]) for name, value in weights_of(network).items())


def test_counters_of_batches_are_no_weights(build):
    network = build(TEXT)
    load_weights(network, {**weights_of(network), "bn.num_batches_tracked": np.array(7)})


class Tied(nn.Module):
    """Reads one tensor under two names."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
        self.second.weight = self.first.weight

    def forward(self, x):
        return self.second(self.first(x))


@pytest.mark.parametrize("names", [["first"], ["second"], ["first", "second"]])
def test_a_tensor_with_two_names_may_be_given_under_either(names):
    network = trace_network(Tied(), shape=(3, 4, 4))
    value = np.arange(16, dtype=np.float32).reshape(4, 4)
    load_weights(network, {f"{name}.weight": value for name in names})
    assert network.first.weight is network.second.weight
    assert list(weights_of(network)) == ["first.weight"]
    assert np.array_equal(weights_of(network)["first.weight"], value)


WIDE = {f"layer1.{index}.conv1.weight": np.zeros((4, 4, 3, 3)) for index in range(30)}
NET = {**WIDE, "fc.weight": np.zeros((10, 4)), "fc.bias": np.zeros(10)}
CAUSES = {
    "another head": (
        NET | {"fc.weight": np.zeros((3, 4)), "fc.bias": np.zeros(3)},
        "the file has 3 classes, the network 10",
    ),
    "a wrapper's prefix": (
        {f"module.{name}": value for name, value in NET.items()},
        "but for 'module.'",
    ),
    "Caffe's names": (
        {"bn_conv1.weight": np.zeros(4), "res2a_branch2a.weight": np.zeros(4)},
        "He's Caffe ResNets",
    ),
    "timm's names": (
        {name.replace("layer1", "stages.0"): value for name, value in NET.items()},
        "under timm's names",
    ),
    "another depth": (
        {name: value for name, value in NET.items() if "layer1.2" not in name},
        "a variant of another depth or width",
    ),
    "another width": (
        NET | {name: np.zeros((8, 8, 3, 3)) for name in WIDE},
        "another width",
    ),
}


@pytest.mark.parametrize("name", CAUSES)
def test_the_likely_cause_of_a_misfit_is_told(name):
    given, cause = CAUSES[name]
    expected = {(key,): value.shape for key, value in NET.items()}
    with pytest.raises(WeightsMismatch, match=re.escape(cause)) as caught:
        compare(expected, given)
    assert caught.value.hint
    assert caught.value.detail["cause"]


def test_a_long_table_is_cut_and_counted():
    with pytest.raises(WeightsMismatch) as caught:
        compare({(name,): value.shape for name, value in NET.items()}, {})
    lines = str(caught.value).splitlines()
    assert lines[1] == "missing: 32"
    assert lines[-1] == "  and 12 more"
    assert len(caught.value.detail["missing"]) == 32
