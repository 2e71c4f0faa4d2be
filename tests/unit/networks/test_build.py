"""From a recipe and weights to a network, and back."""

import numpy as np
import pytest
import torch

from zoo.domain.recipe import Recipe, ReplaceHead, Source
from zoo.errors import IncompletePackage, Unsupported, WeightsMismatch
from zoo.networks.build import build_network, load_weights, weights_of
from zoo.networks.surgery import replace_head

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
    assert "conv.bias" in str(caught.value)


def test_a_file_that_is_missing_is_named():
    with pytest.raises(IncompletePackage, match=r"deploy\.prototxt"):
        build_network(Recipe(source=SOURCE), {})


def test_kinds_of_a_newer_zoo_are_refused(files):
    with pytest.raises(Unsupported, match="no source 'jax', only caffe"):
        build_network(Recipe(source=Source(kind="jax", path="x")), files)
    unknown = Recipe(source=SOURCE).then(ReplaceHead(at="fc", classes=2, kind="graft"))
    with pytest.raises(Unsupported, match="no surgery 'graft'"):
        build_network(unknown, files)
