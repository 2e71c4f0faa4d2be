"""A new classifier on the codes of any layers."""

import pytest
import torch
from torch import nn

from zoo.domain.preprocessing import Preprocessing
from zoo.domain.surgery import AttachHead, read_surgery, surgery_as_json
from zoo.errors import LayerNotFound
from zoo.export.parity import check_parity
from zoo.export.traced import write_any_onnx
from zoo.networks.attaching import attach_head
from zoo.networks.classifier import Classifier
from zoo.networks.surgery import HEAD, cut_at_codes, find_head
from zoo.networks.table import SURGERIES
from zoo.networks.taps import CODES, tap_network
from zoo.networks.tracing import trace_network

SHAPE = (3, 12, 12)
PICTURES = Preprocessing(
    resize_px=12, crop_px=(12, 12), mean=(0.5,) * 3, std=(0.2,) * 3, source="a test"
)


@pytest.fixture
def network():
    torch.manual_seed(0)
    layers = nn.Sequential()
    for name, layer in {
        "conv1": nn.Conv2d(3, 6, 3),
        "relu1": nn.ReLU(),
        "conv2": nn.Conv2d(6, 4, 3),
        "relu2": nn.ReLU(),
        "average": nn.AdaptiveAvgPool2d(1),
        "flatten": nn.Flatten(),
        "fc": nn.Linear(4, 9),
    }.items():
        layers.add_module(name, layer)
    return trace_network(layers, shape=SHAPE)


def attach(network, *taps):
    changed = attach_head(network, AttachHead(taps=taps, shape=SHAPE, classes=5))
    torch.manual_seed(1)
    nn.init.normal_(changed.get_submodule(HEAD).weight)
    return changed


@pytest.mark.parametrize("taps", [("relu1",), (CODES,), ("relu1", "conv2", CODES)])
def test_the_classifier_reads_the_codes_of_the_taps_in_their_order(network, taps):
    images = torch.rand(3, *SHAPE)
    changed = attach(network, *taps)
    codes = torch.cat(tap_network(network, taps, SHAPE)(images), dim=1)
    head = changed.get_submodule(HEAD)
    assert torch.allclose(changed(images), head(codes).softmax(dim=1), atol=1e-6)
    assert torch.equal(cut_at_codes(changed)(images), codes)
    assert find_head(changed).in_features == codes.shape[1]


def test_what_no_tap_depends_on_is_dropped(network):
    changed = attach(network, "relu1")
    assert {name.partition(".")[0] for name in changed.state_dict()} == {"conv1", HEAD}


def test_torch_and_the_graph_agree(network):
    classifier = Classifier(attach(network, "relu1", CODES), PICTURES)
    graph = write_any_onnx(classifier.network, PICTURES, None, tuple("abcde"), metadata={})
    generator = torch.Generator().manual_seed(2)
    images = torch.randint(0, 256, (4, 12, 12, 3), generator=generator, dtype=torch.uint8).numpy()
    assert check_parity(classifier.probabilities, graph, [images]).top1_equal == 4


def test_the_surgery_is_one_of_a_recipe(network):
    surgery = AttachHead(taps=("relu1", CODES), shape=SHAPE, classes=5)
    written = surgery_as_json(surgery)
    assert written["taps"] == ["relu1", CODES]
    assert read_surgery(written) == surgery
    again = SURGERIES[surgery.kind](network, surgery)
    assert set(again.state_dict()) == set(attach(network, "relu1", CODES).state_dict())


def test_a_tap_that_is_not_there_is_named(network):
    with pytest.raises(LayerNotFound, match="relu7"):
        attach_head(network, AttachHead(taps=("relu7",), shape=SHAPE, classes=5))
