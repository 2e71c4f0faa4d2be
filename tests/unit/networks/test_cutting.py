"""A network that is cut computes what the layer computed in the whole one."""

import pytest
import torch
from torch import nn

from zoo.domain.recipe import Recipe, Source
from zoo.domain.surgery import Cut
from zoo.errors import LayerNotFound, Unsupported
from zoo.networks.blobs import run_blobs
from zoo.networks.build import build_network, weights_of
from zoo.networks.cutting import cut_at
from zoo.networks.tracing import trace_network

NET = """
name: "n" input: "data" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
        convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool"
        pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "scores"
        inner_product_param { num_output: 5 } }
layer { name: "prob" type: "Softmax" bottom: "scores" top: "prob" }
"""


class Split(nn.Module):
    """Cuts its maps into two, and calls a layer twice."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.relu = nn.ReLU()

    def forward(self, x):
        left, right = torch.chunk(self.relu(self.conv(x)), 2, dim=1)
        return self.relu(left - right)


def pictures():
    return torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("at", "blob"), [("relu", "conv"), ("pool", "pool"), ("fc", "scores"), ("scores", "scores")]
)
def test_a_cut_gives_what_the_layer_computed(build, at, blob):
    network = build(NET)
    assert torch.equal(cut_at(network, at)(pictures()), run_blobs(network, pictures())[blob])


def test_a_cut_before_a_layer_that_works_in_place_is_before_it(build):
    network = build(NET)
    sums = cut_at(network, "conv")(pictures())
    assert (sums < 0).any()
    assert torch.equal(sums.relu(), cut_at(network, "relu")(pictures()))


def test_weights_behind_a_cut_are_dropped_and_the_others_shared(build):
    network = build(NET)
    cut = cut_at(network, "pool")
    assert set(weights_of(cut)) == {"conv.weight", "conv.bias"}
    assert cut.get_submodule("conv") is network.get_submodule("conv")
    assert not cut.training


def test_the_network_that_is_cut_stays_as_it_was(build):
    network = build(NET)
    code, names = network.code, set(network.state_dict())
    cut_at(network, "conv")
    assert (network.code, set(network.state_dict())) == (code, names)


def test_a_cut_at_the_end_is_the_whole_network(build):
    network = build(NET)
    assert torch.equal(cut_at(network, "prob")(pictures()), network(pictures()))


def test_one_of_several_calls_is_cut_at_by_its_number():
    network = trace_network(Split(), shape=(3, 8, 8))
    assert cut_at(network, "relu:1")(pictures()).shape == (2, 4, 6, 6)
    assert cut_at(network, "relu:2")(pictures()).shape == (2, 2, 6, 6)


def test_a_recipe_cuts_before_there_are_weights(tmp_path):
    path = tmp_path / "deploy.prototxt"
    path.write_text(NET)
    source = Source(kind="caffe", path=path.name)
    network = build_network(Recipe(source=source, surgeries=(Cut(at="pool"),)), {path.name: path})
    assert set(network.state_dict()) == {"conv.weight", "conv.bias"}


def test_a_layer_that_is_not_there_is_answered_with_near_ones(build):
    with pytest.raises(LayerNotFound, match="no layer 'poool'") as raised:
        cut_at(build(NET), "poool")
    assert raised.value.detail["near"] == ["pool"]


def test_a_layer_of_several_values_at_once_is_refused_with_what_can_be_cut_at():
    network = trace_network(Split(), shape=(3, 8, 8))
    with pytest.raises(Unsupported, match=r"'network:chunk' \(chunk\), which gives several") as no:
        cut_at(network, "network:chunk")
    name = no.value.hint.rpartition(": ")[2].split(", ")[0]
    assert cut_at(network, name)(pictures()).shape == (2, 2, 6, 6)
