"""Functions and modules of libraries' networks compute the same in ONNX Runtime."""

import numpy as np
import onnx
import pytest
import torch
from torch import nn
from torch.nn import functional

from zoo.domain.preprocessing import Preprocessing
from zoo.domain.recipe import Source
from zoo.errors import Unsupported
from zoo.export import traced
from zoo.export.onnx import write_onnx
from zoo.export.parity import check_parity
from zoo.export.traced import write_any_onnx
from zoo.networks.build import load_weights
from zoo.networks.classifier import Classifier, takes_any_size
from zoo.networks.tracing import trace_network
from zoo.networks.vision import build_vision

PX = 12
CLASSES = 7


class Written(nn.Module):
    """A convolution, then what is to be tested, then a row of scores."""

    def __init__(self, compute, **parts):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, padding=1)
        self.compute = compute
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        return self.compute(self, self.conv(x)).flatten(1)


def shuffle(_, x):
    count, channels, height, width = x.size()
    x = x.view(count, 2, channels // 2, height, width)
    return torch.transpose(x, 1, 2).contiguous().view(count, -1, height, width)


def attend(_, x):
    count, channels, height, width = x.shape
    rows = x.flatten(2).transpose(1, 2).reshape(count, height * width, 3, 2, channels // 6)
    q, k, v = rows.permute(2, 0, 3, 1, 4).unbind(0)
    mixed = functional.scaled_dot_product_attention(q, k, v)
    return mixed.transpose(1, 2).reshape(count, height * width, -1).mean(1)


def mask(self, x):
    q = x.flatten(2).unsqueeze(1)
    return functional.scaled_dot_product_attention(q, q, q, attn_mask=self.bias, scale=0.5)


def sequence(self, x):
    rows = x.flatten(2).permute(0, 2, 1)
    token = self.token.expand(rows.shape[0], -1, -1)
    mixed, _ = self.attention(*[torch.cat([token, rows], dim=1)] * 3, need_weights=False)
    return mixed[:, 0]


FUNCTIONS = {
    "add-mul-sub": (lambda _, x: (x + 2 * x - 0.5) * x / 3, {}),
    "broadcast": (lambda self, x: x * self.gain, {"gain": nn.Parameter(torch.rand(6, 1, 1))}),
    "cat": (lambda _, x: torch.cat([x, x + 1], 1), {}),
    "chunk": (lambda _, x: x.chunk(4, 1)[2], {}),
    "split": (lambda _, x: torch.split(x, [1, 5], dim=1)[1], {}),
    "slices": (lambda _, x: x[:, 1:5:2, ..., None, 3], {}),
    "pooled": (lambda _, x: x.mean((2, 3), keepdim=True), {}),
    "mean": (lambda _, x: x.mean(1), {}),
    "pad": (lambda _, x: functional.pad(x, (1, 2, 0, 3), value=1.5), {}),
    "shuffle": (shuffle, {}),
    "swapaxes": (lambda _, x: torch.swapaxes(x, -1, 1).unsqueeze(2).squeeze(2), {}),
    "attention": (attend, {}),
    "masked": (mask, {"bias": nn.Parameter(torch.rand(6, 6))}),
    "self-attention": (
        sequence,
        {
            "attention": nn.MultiheadAttention(6, 2, batch_first=True),
            "token": nn.Parameter(torch.rand(1, 1, 6)),
        },
    ),
}
MODULES = {
    "adaptive": nn.AdaptiveAvgPool2d((5, 7)),
    "gelu": nn.GELU(),
    "gelu-tanh": nn.GELU("tanh"),
    "group-norm": nn.GroupNorm(3, 6),
    "group-norm-plain": nn.GroupNorm(2, 6, affine=False),
    "hard-sigmoid": nn.Hardsigmoid(),
    "hard-swish": nn.Hardswish(),
    "layer-norm": nn.LayerNorm(PX),
    "layer-norm-plain": nn.LayerNorm((PX, PX), elementwise_affine=False),
    "relu6": nn.ReLU6(),
    "silu": nn.SiLU(),
}
REFUSED = {
    "factor": (lambda _, x: torch.add(x, x, alpha=2), r"\(add\) has no equal"),
    "backwards": (lambda _, x: x[:, torch.tensor([0, 2])], "its axes or sizes are computed"),
    "reflected": (lambda _, x: functional.pad(x, (1, 1, 1, 1), mode="reflect"), "pads by copying"),
    "hidden": (
        lambda _, x: functional.scaled_dot_product_attention(x, x, x, is_causal=True),
        "hides what follows",
    ),
    "unknown": (lambda _, x: torch.erfinv(x), r"\(erfinv\) has no equal"),
}


def make_weights(network):
    rng = np.random.default_rng(0)
    weights = {}
    for name, tensor in network.state_dict().items():
        spread = np.sqrt(2 / max(1, np.prod(tensor.shape[1:])))
        is_variance = name.endswith("running_var")
        drawn = (
            rng.uniform(0.5, 2, tensor.shape)
            if is_variance
            else rng.normal(0, spread, tensor.shape)
        )
        is_head = tensor.shape[:1] == (CLASSES,)  # scores of thousands would only show rounding
        weights[name] = (drawn / 1000 if is_head else drawn).astype(np.float32)
    return weights


def make_network(compute, **parts):
    torch.manual_seed(0)
    module = Written(compute, **parts)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)
    network = trace_network(module, shape=(3, PX, PX))
    scores = network(torch.zeros(1, 3, PX, PX)).numel()
    return network, Preprocessing(crop_px=(PX, PX)), tuple(map(str, range(scores)))


@pytest.fixture
def prove(draw_images):
    """Write a network's graph, and see that it is whole and computes the same."""

    def check(network, preprocessing, labels, write=write_onnx):
        graph = write(network, preprocessing, None, labels)
        onnx.checker.check_model(graph, full_check=True)
        images = draw_images(5, *preprocessing.crop_px)
        classify = Classifier(network, preprocessing).probabilities
        check_parity(classify, graph, [images[:1], images[1:]])
        return graph

    return check


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_computes_the_same(name, prove):
    compute, parts = FUNCTIONS[name]
    prove(*make_network(compute, **parts))


@pytest.mark.parametrize("name", MODULES)
def test_a_module_computes_the_same(name, prove):
    prove(*make_network(lambda self, x: self.part(x), part=MODULES[name]))


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_exact_equal_is_refused(name):
    compute, reason = REFUSED[name]
    network, preprocessing, labels = make_network(compute)
    with pytest.raises(Unsupported, match=reason):
        write_onnx(network, preprocessing, None, labels)


@pytest.mark.parametrize("count", [(1, 3), (5, 7), (6, 6), (9, 2)])
def test_adaptive_pooling_is_exact_whatever_the_size_of_the_map(
    count, draw_images, run_graph, sides_of
):
    network, preprocessing, labels = make_network(
        lambda self, x: self.pool(x), pool=nn.AdaptiveAvgPool2d(count)
    )
    assert takes_any_size(network)
    graph = write_onnx(network, preprocessing, None, labels)
    assert sides_of(graph)["images"] == ["batch", "height", "width", 3]
    classify = Classifier(network, preprocessing).probabilities
    for height, width in ((6, 6), (12, 12), (5, 6), (3, 4), (8, 7), (40, 31), (1, 1)):
        images = draw_images(2, height, width)
        found = run_graph(graph, {"images": images})
        np.testing.assert_allclose(found, classify(images), rtol=0, atol=2e-6)


def test_a_network_that_reshapes_its_maps_takes_its_own_size(prove, sides_of):
    graph = prove(*make_network(shuffle))
    assert sides_of(graph)["images"] == ["batch", PX, PX, 3]


@pytest.mark.parametrize(
    ("kind", "architecture", "px"),
    [
        ("torchvision", "mobilenet_v3_small", 40),
        ("torchvision", "shufflenet_v2_x0_5", 40),
        ("timm", "test_convnext", 64),
        ("timm", "test_vit3", 160),
    ],
)
def test_a_library_s_network_is_written_node_by_node(kind, architecture, px, prove):
    source = Source(kind=kind, architecture=architecture, arguments={"num_classes": CLASSES})
    network = build_vision(source, {})
    load_weights(network, make_weights(network))
    prove(network, Preprocessing(crop_px=(px, px)), tuple("abcdefg"))


def test_what_has_no_row_is_traced_and_says_so(prove, sides_of, properties_of):
    network, preprocessing, labels = make_network(lambda _, x: torch.erf(x) + x.flip(1))
    graph = prove(network, preprocessing, labels, write_any_onnx)
    told = properties_of(graph)
    assert told["zoo.exporter"] == "torch"
    assert told["zoo.softmax"] == "added"
    sides = sides_of(graph)
    assert list(sides) == ["images", "probabilities"]
    assert sides["images"] == ["batch", PX, PX, 3]


def test_a_traced_graph_tells_nothing_of_the_machine():
    network, preprocessing, labels = make_network(lambda _, x: torch.erf(x) + x.flip(1))
    graph = write_any_onnx(network, preprocessing, None, labels, metadata={"zoo.model": "m@1"})
    assert b"site-packages" not in graph
    assert b".py" not in graph
    assert graph == write_any_onnx(
        network, preprocessing, None, labels, metadata={"zoo.model": "m@1"}
    )


def test_what_can_be_written_is_not_traced(monkeypatch):
    monkeypatch.setattr(traced, "_trace", None)
    network, preprocessing, labels = make_network(lambda _, x: x + 1)
    expected = write_onnx(network, preprocessing, None, labels)
    assert write_any_onnx(network, preprocessing, None, labels) == expected


def test_what_neither_way_knows_is_refused_for_the_first_reason(monkeypatch):
    def fail(*_):
        raise RuntimeError("no way")

    monkeypatch.setattr(traced, "_trace", fail)
    network, preprocessing, labels = make_network(lambda _, x: torch.erfinv(x))
    with pytest.raises(Unsupported, match="erfinv") as told:
        write_any_onnx(network, preprocessing, None, labels)
    assert "no way" in str(told.value.__cause__)
