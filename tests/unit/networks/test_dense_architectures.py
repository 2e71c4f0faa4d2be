"""Networks of many kinds are themselves when they are dense, at their own size."""

import pytest
import torch
from torch import nn

from zoo.domain.preprocessing import Preprocessing
from zoo.domain.recipe import Recipe, Source
from zoo.domain.surgery import Convolutionalize
from zoo.export.onnx import write_onnx
from zoo.formats.onnx.plan import onnx_weights
from zoo.formats.onnx.reading import read_onnx
from zoo.networks.build import build_network, load_weights
from zoo.networks.classifier import with_probabilities
from zoo.networks.dense import convolutionalize, measure_geometry
from zoo.networks.graph import copy_below, finish_network, get_output, parts_of
from zoo.networks.tracing import trace_network
from zoo.networks.vision import initial_weights

NARROW = {"num_classes": 4, "width_mult": 0.35}
# What each is run at, in pixels: its native size here.
RUN = {
    ("torchvision", "resnet18"): (48, {"num_classes": 4}),
    ("torchvision", "squeezenet1_1"): (48, {"num_classes": 4}),
    ("torchvision", "mobilenet_v2"): (48, NARROW),
    ("torchvision", "mobilenet_v3_small"): (48, NARROW),
    ("torchvision", "shufflenet_v2_x0_5"): (64, {"num_classes": 4}),
    ("torchvision", "densenet121"): (64, {"num_classes": 4}),
    ("torchvision", "efficientnet_b0"): (48, {"num_classes": 4}),
    ("torchvision", "googlenet"): (64, {"num_classes": 4}),
    ("torchvision", "regnet_x_400mf"): (48, {"num_classes": 4}),
    ("torchvision", "mnasnet0_5"): (48, {"num_classes": 4}),
    ("timm", "resnet10t"): (48, {"num_classes": 4}),
    ("timm", "seresnet18"): (48, {"num_classes": 4}),
    ("timm", "test_byobnet"): (48, {"num_classes": 4}),
    ("timm", "test_convnext"): (64, {"num_classes": 4}),
    ("timm", "test_convnext3"): (64, {"num_classes": 4}),
    ("timm", "test_efficientnet"): (48, {"num_classes": 4, "in_chans": 1}),
    ("timm", "test_mambaout"): (64, {"num_classes": 4}),
    ("timm", "test_nfnet"): (48, {"num_classes": 4}),
    ("timm", "mobilenetv3_small_050"): (48, {"num_classes": 4}),
}


def make_pictures(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def scores_of(network):
    """Give the network without the softmax at its end."""
    graph, end = copy_below(network, get_output(network).all_input_nodes[0])
    return finish_network(graph, end, parts_of(network, graph))


def assert_is_the_original(network, dense, shape, *, relative=1e-5):
    with torch.inference_mode():
        x = make_pictures(3, *shape)
        expected, found = network(x).flatten(1), scores_of(dense)(x)
    assert found.shape[2:] == (1, 1)
    found = found.flatten(1)
    assert (found - expected).abs().max() <= relative * expected.abs().max()
    assert torch.equal(found.argmax(1), expected.argmax(1))


@pytest.mark.parametrize(("kind", "architecture"), RUN)
def test_a_library_s_network_is_itself_at_its_own_size_and_grows_by_its_formula(kind, architecture):
    px, arguments = RUN[kind, architecture]
    source = Source(kind=kind, architecture=architecture, arguments=arguments)
    network = build_network(Recipe(source=source), {})
    load_weights(network, initial_weights(source, seed=0))
    shape = (arguments.get("in_chans", 3), px, px)
    surgery = Convolutionalize(shape=shape)
    dense = convolutionalize(network, surgery)
    assert_is_the_original(network, dense, shape)
    geometry = measure_geometry(dense, surgery)
    with torch.inference_mode():
        probabilities = dense(make_pictures(1, shape[0], 2 * px, 3 * px + 5))
    assert probabilities.shape == (1, 4, *geometry.map_size((2 * px, 3 * px + 5)))
    torch.testing.assert_close(probabilities.sum(1), torch.ones_like(probabilities[:, 0]))
    before, after = network.state_dict(), dense.state_dict()
    counters = {name for name in before if name.endswith("num_batches_tracked")}
    assert set(before) - counters <= set(after) | {n for n in before if n.startswith("aux")}
    assert all(after[name].data_ptr() == before[name].data_ptr() for name in set(after) - counters)


class Net(nn.Module):
    def __init__(self, compute, **parts):
        super().__init__()
        self.compute = compute
        self.conv = nn.Conv2d(3, 6, 3, padding=1)
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        return self.compute(self, torch.relu(self.conv(x)))


def normed(**parts):
    """Give normalisations numbers that change something."""
    for part in parts.values():
        if isinstance(part, nn.BatchNorm1d):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
    return parts


HEADS = {
    "batch normalisation": (
        lambda it, x: it.fc(torch.relu(it.norm(it.first(torch.flatten(x, 1))))),
        {"first": nn.Linear(384, 7), "norm": nn.BatchNorm1d(7), "fc": nn.Linear(7, 4)},
    ),
    "layer normalisation": (
        lambda it, x: it.fc(it.norm(x.mean((2, 3)))),
        {"norm": nn.LayerNorm(6), "fc": nn.Linear(6, 4)},
    ),
    "a view of computed size": (
        lambda it, x: it.fc(x.view(x.size(0), -1)),
        {"fc": nn.Linear(384, 4)},
    ),
    "a map whose channels are last": (
        lambda it, x: it.fc(x.permute(0, 2, 3, 1).reshape(x.shape[0], -1)),
        {"fc": nn.Linear(384, 4)},
    ),
    "a mean of a map whose channels are last": (
        lambda it, x: it.fc(x.permute(0, 2, 3, 1).mean((1, 2))),
        {"fc": nn.Linear(6, 4)},
    ),
    "a squeezed point": (
        lambda it, x: it.fc(it.pool(x).squeeze(-1).squeeze(-1)),
        {"pool": nn.AdaptiveMaxPool2d(1), "fc": nn.Linear(6, 4)},
    ),
    "even windows": (
        lambda it, x: it.fc(torch.flatten(it.pool(x), 1)),
        {"pool": nn.AdaptiveAvgPool2d((4, 2)), "fc": nn.Linear(48, 4)},
    ),
    "windows that lap over": (
        lambda it, x: it.fc(torch.flatten(it.pool(x), 1)),
        {"pool": nn.AdaptiveAvgPool2d((8, 7)), "fc": nn.Linear(336, 4)},
    ),
    "rows added and joined": (
        lambda it, x: it.fc(
            torch.cat([it.a(torch.flatten(x, 1)) + it.b(torch.flatten(x, 1)), x.mean((2, 3))], 1)
        ),
        {"a": nn.Linear(384, 5), "b": nn.Linear(384, 5), "fc": nn.Linear(11, 4)},
    ),
    "one pooling called for a gate and for the head": (
        lambda it, x: it.fc(torch.flatten(it.pool(x * torch.sigmoid(it.pool(x))), 1)),
        {"pool": nn.AdaptiveAvgPool2d(1), "fc": nn.Linear(6, 4)},
    ),
    "a softmax of its own": (
        lambda it, x: torch.softmax(it.fc(torch.flatten(x, 1)), dim=-1),
        {"fc": nn.Linear(384, 4)},
    ),
}


@pytest.mark.parametrize("name", HEADS)
def test_every_way_from_a_map_to_scores_is_understood(name):
    torch.manual_seed(0)
    compute, parts = HEADS[name]
    network = trace_network(Net(compute, **normed(**parts)), shape=(3, 8, 8))
    surgery = Convolutionalize(shape=(3, 8, 8))
    dense = convolutionalize(network, surgery)
    x = make_pictures(3, 3, 8, 8)
    with torch.inference_mode():
        expected = with_probabilities(network)(x)
        torch.testing.assert_close(dense(x).flatten(1), expected, rtol=1e-5, atol=1e-6)
        geometry = measure_geometry(dense, surgery)
        assert dense(make_pictures(1, 3, 17, 14)).shape[2:] == geometry.map_size((17, 14))


def test_layers_that_read_all_of_the_picture_are_named():
    compute, parts = HEADS["one pooling called for a gate and for the head"]
    network = trace_network(Net(compute, **parts), shape=(3, 8, 8))
    surgery = Convolutionalize(shape=(3, 8, 8))
    geometry = measure_geometry(convolutionalize(network, surgery), surgery)
    assert geometry.whole_picture == ("pool",)
    assert not geometry.is_local


def test_a_normalisation_of_whole_maps_stays_and_is_named():
    def compute(it, x):
        return it.fc(torch.flatten(it.pool(it.norm(x)), 1))

    parts = {
        "norm": nn.GroupNorm(2, 6),
        "pool": nn.AdaptiveAvgPool2d(1),
        "fc": nn.Linear(6, 4),
    }
    network = trace_network(Net(compute, **parts), shape=(3, 8, 8))
    surgery = Convolutionalize(shape=(3, 8, 8))
    dense = convolutionalize(network, surgery)
    assert measure_geometry(dense, surgery).whole_picture == ("norm",)


INPUT = 'name: "n" input: "data" input_shape { dim: 1 dim: 3 dim: 9 dim: 12 }'


def layer(name, kind, bottoms, more=""):
    reads = " ".join(f'bottom: "{bottom}"' for bottom in bottoms.split())
    return f'layer {{ name: "{name}" type: "{kind}" {reads} top: "{name}" {more} }}'


def fully(name, bottom, outputs):
    return layer(name, "InnerProduct", bottom, f"inner_product_param {{ num_output: {outputs} }}")


def filters(name, bottom, outputs, kernel=1):
    more = f"num_output: {outputs} kernel_size: {kernel} pad: {kernel // 2}"
    return layer(name, "Convolution", bottom, f"convolution_param {{ {more} }}")


WHOLE = "pooling_param { pool: AVE global_pooling: true }"
BODY = INPUT + filters("conv", "data", 6, 3)
CAFFE = {
    "squeezed and excited": (
        BODY
        + layer("pool", "Pooling", "conv", WHOLE)
        + fully("down", "pool", 2)
        + fully("up", "down", 6)
        + layer("gate", "Sigmoid", "up")
        + layer("scale", "Scale", "conv gate", "scale_param { axis: 0 }")
        + layer("end", "Pooling", "scale", WHOLE)
        + fully("fc", "end", 4)
        + layer("prob", "Softmax", "fc"),
        ("pool",),
    ),
    "squeezed, excited and added": (
        BODY
        + layer("pool", "Pooling", "conv", WHOLE)
        + filters("up", "pool", 6)
        + layer("axpy", "Axpy", "up conv conv")
        + layer("end", "Pooling", "axpy", WHOLE)
        + layer("flat", "Flatten", "end")
        + fully("fc", "flat", 4),
        ("pool",),
    ),
    "reshaped to rows and back": (
        BODY
        + layer("rows", "Reshape", "conv", "reshape_param { shape { dim: 0 dim: -1 } }")
        + fully("fc", "rows", 5)
        + layer("map", "Reshape", "fc", "reshape_param { shape { dim: 0 dim: 5 dim: 1 dim: 1 } }")
        + filters("head", "map", 4)
        + layer("prob", "Softmax", "head"),
        (),
    ),
    "reduced": (
        BODY
        + layer("mean", "Reduction", "conv", "reduction_param { operation: MEAN axis: 2 }")
        + fully("fc", "mean", 4),
        (),
    ),
    "normalised, drawn from": (
        INPUT
        + layer("mvn", "MVN", "data")
        + filters("conv", "mvn", 6, 3)
        + layer("end", "Pooling", "conv", "pooling_param { pool: STOCHASTIC global_pooling: true }")
        + fully("fc", "end", 4),
        ("mvn",),
    ),
}


@pytest.mark.parametrize("name", CAFFE)
def test_every_way_of_caffe_s_layers_is_understood(build, name):
    text, whole = CAFFE[name]
    network, surgery = build(text), Convolutionalize(shape=(3, 9, 12))
    dense = convolutionalize(network, surgery)
    x = make_pictures(2, 3, 9, 12)
    with torch.inference_mode():
        expected = with_probabilities(network)(x).flatten(1)
        torch.testing.assert_close(dense(x).flatten(1), expected, rtol=1e-5, atol=1e-6)
    geometry = measure_geometry(dense, surgery)
    assert geometry.whole_picture == whole
    with torch.inference_mode():
        found = dense(make_pictures(1, 3, 16, 21))
    assert found.shape == (1, 4, *geometry.map_size((16, 21)))


def test_a_network_that_came_as_onnx_is_made_dense(build, tmp_path):
    text = BODY + layer("relu", "ReLU", "conv") + fully("one", "relu", 5) + fully("two", "one", 4)
    path = tmp_path / "net.onnx"
    path.write_bytes(write_onnx(build(text), Preprocessing(crop_px=(9, 12)), None, tuple("abcd")))
    network = build_network(Recipe(source=Source(kind="onnx", path=path.name)), {path.name: path})
    load_weights(network, onnx_weights(read_onnx(path)))
    surgery = Convolutionalize(shape=(3, 9, 12))
    dense = convolutionalize(network, surgery)
    x = make_pictures(2, 3, 9, 12)
    with torch.inference_mode():
        expected = network(x)
        torch.testing.assert_close(dense(x).flatten(1), expected, rtol=1e-5, atol=1e-6)
    assert measure_geometry(dense, surgery).map_size((18, 20)) == (10, 9)
