"""A cut network computes what it computed before, up to the cut."""

import pytest
import torch
from torch import nn

from zoo.errors import NoHead, Unsupported
from zoo.networks.blobs import run_blobs
from zoo.networks.build import weights_of
from zoo.networks.surgery import cut_at_codes, find_head, get_head, replace_head
from zoo.networks.tracing import trace_network

INPUT = 'name: "n" input: "data" input_shape { dim: 1 dim: 3 dim: 6 dim: 6 }'


def layer(name, kind, bottom, top=None, more=""):
    reads = " ".join(f'bottom: "{each}"' for each in bottom.split())
    return f'layer {{ name: "{name}" type: "{kind}" {reads} top: "{top or name}" {more} }}\n'


def dense(name, bottom, outputs):
    more = f"inner_product_param {{ num_output: {outputs} }}"
    return layer(name, "InnerProduct", bottom, more=more)


def filters(name, bottom, outputs, kernel=1):
    more = f"convolution_param {{ num_output: {outputs} kernel_size: {kernel} }}"
    return layer(name, "Convolution", bottom, more=more)


POOL = "pooling_param { pool: AVE global_pooling: true }"
BODY = INPUT + filters("conv", "data", 4, 3) + layer("relu", "ReLU", "conv", "conv")
ALEX = (
    BODY
    + dense("fc1", "conv", 8)
    + layer("relu1", "ReLU", "fc1", "fc1")
    + layer("drop1", "Dropout", "fc1", "fc1")
    + dense("fc2", "fc1", 5)
    + layer("prob", "Softmax", "fc2")
)
SQUEEZE = (
    BODY
    + filters("a", "conv", 2)
    + layer("relu_a", "ReLU", "a", "a")
    + filters("b", "conv", 3)
    + layer("relu_b", "ReLU", "b", "b")
    + layer("join", "Concat", "a b")
    + layer("drop", "Dropout", "join", "join")
    + filters("conv10", "join", 7)
    + layer("relu10", "ReLU", "conv10", "conv10")
    + layer("pool10", "Pooling", "conv10", more=POOL)
    + layer("prob", "Softmax", "pool10")
)
LINEAR_ONLY = INPUT + filters("conv", "data", 4, 3) + dense("fc", "conv", 5)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ALEX, ("fc2", "linear", 8, 5, True)),
        (SQUEEZE, ("conv10", "conv1x1", 5, 7, True)),
        (LINEAR_ONLY, ("fc", "linear", 64, 5, False)),
    ],
    ids=["fully-connected", "one-by-one", "unrectified"],
)
def test_a_head_is_found_by_graph_and_shape(build, text, expected):
    head = find_head(build(text))
    found = (head.layer, head.kind, head.in_features, head.classes, head.is_rectified)
    assert found == expected


def test_codes_of_a_fully_connected_head_are_what_it_read(build):
    network = build(ALEX)
    x = torch.rand(2, 3, 6, 6)
    assert torch.equal(cut_at_codes(network)(x), run_blobs(network, x)["fc1"])


def test_codes_of_a_convolution_are_the_averages_of_its_maps(build):
    network = build(SQUEEZE)
    x = torch.rand(2, 3, 6, 6)
    average = run_blobs(network, x)["join"].mean((2, 3))
    torch.testing.assert_close(cut_at_codes(network)(x), average)


def test_codes_are_rectified_where_the_head_read_negative_numbers(build):
    network = build(LINEAR_ONLY)
    x = torch.rand(2, 3, 6, 6)
    assert torch.equal(cut_at_codes(network)(x), run_blobs(network, x)["conv"].relu().flatten(1))


@pytest.mark.parametrize("text", [ALEX, SQUEEZE, LINEAR_ONLY])
def test_a_new_head_leaves_the_body_as_it_was(build, text):
    network = build(text)
    old = find_head(network).layer
    operated = replace_head(network, classes=3)
    before, after = weights_of(network), weights_of(operated)
    kept = {name for name in before if not name.startswith(f"{old}.")}
    assert set(after) == kept | {"head.weight", "head.bias"}
    assert all((before[name] == after[name]).all() for name in kept)
    x = torch.rand(2, 3, 6, 6)
    assert torch.equal(cut_at_codes(operated)(x), cut_at_codes(network)(x))


def test_a_new_head_finds_every_class_equally_likely(build):
    operated = replace_head(build(SQUEEZE), at="conv10", classes=4)
    assert torch.equal(operated(torch.rand(2, 3, 6, 6)), torch.full((2, 4), 0.25))


def test_the_operated_network_does_not_change(build):
    network = build(ALEX)
    code, names = network.code, set(network.state_dict())
    replace_head(network, classes=2)
    assert (network.code, set(network.state_dict())) == (code, names)


def test_a_new_head_can_be_replaced_again(build):
    once = replace_head(build(SQUEEZE), classes=3)
    twice = replace_head(once, at="head", classes=2)
    assert find_head(twice).classes == 2
    x = torch.rand(2, 3, 6, 6)
    assert torch.equal(cut_at_codes(twice)(x), cut_at_codes(once)(x))


def test_dropout_below_a_head_is_gone_and_elsewhere_stays(build):
    deeper = (
        BODY
        + layer("drop0", "Dropout", "conv", "conv")
        + dense("fc1", "conv", 8)
        + layer("relu1", "ReLU", "fc1", "fc1")
        + layer("drop1", "Dropout", "fc1", "fc1")
        + dense("fc2", "fc1", 5)
    )
    operated = replace_head(build(deeper), classes=2)
    assert "drop0" in operated.state_dict().keys() | dict(operated.named_modules()).keys()
    assert "drop1" not in dict(operated.named_modules())


def test_a_cut_may_be_at_an_earlier_layer(build):
    network = build(ALEX)
    operated = replace_head(network, at="fc1", classes=2)
    assert find_head(operated).in_features == get_head(network, "fc1").in_features == 64


def test_a_network_that_ends_in_something_else_has_no_head(build):
    with pytest.raises(NoHead, match=r"has layer 'conv' \(Conv2d\), which is neither"):
        find_head(build(INPUT + filters("conv", "data", 4, 3)))


def test_a_network_without_layers_of_weight_has_no_head(build):
    with pytest.raises(NoHead, match="has the input 'data'"):
        find_head(build(INPUT + layer("relu", "ReLU", "data")))


def test_joined_classifiers_are_no_head(build):
    text = BODY + filters("a", "conv", 2) + filters("b", "conv", 3) + layer("c", "Concat", "a b")
    with pytest.raises(NoHead, match=r"has layer 'c' \(cat\)"):
        find_head(build(text))


def test_several_outputs_are_refused_by_name(build):
    with pytest.raises(Unsupported, match=r"2 outputs \(a, b\)"):
        find_head(build(BODY + filters("a", "conv", 2) + filters("b", "conv", 2)))


def test_a_layer_that_is_not_there_is_refused(build):
    with pytest.raises(NoHead, match="no layer 'fc9'"):
        replace_head(build(ALEX), at="fc9", classes=2)


def test_a_body_that_has_the_name_of_a_new_layer_is_refused(build):
    with pytest.raises(Unsupported, match="'head' cannot be added"):
        replace_head(build(BODY + dense("head", "conv", 4) + dense("fc", "head", 2)), classes=2)


class Branches(nn.Module):
    """Two branches that meet in functions, then what is to be tested, then a classifier."""

    def __init__(self, last):
        super().__init__()
        self.left, self.right = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)
        self.last = last
        self.fc = nn.Linear(4, 5)

    def forward(self, x):
        met = torch.relu(self.left(x)) + torch.relu(self.right(x)) * 2
        return self.fc(self.last(met.mean([2, 3])))


@pytest.mark.parametrize(
    ("last", "is_rectified", "gets_relu"),
    [
        (nn.Identity(), True, False),
        (nn.ReLU6(), True, False),
        (nn.Linear(4, 4), False, True),
        (nn.BatchNorm1d(4), False, True),
        (nn.LayerNorm(4), False, False),
        (nn.Hardswish(), False, False),
        (nn.GELU(), False, False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else str(value),
)
def test_only_bare_sums_of_a_weighted_layer_are_rectified(last, is_rectified, gets_relu):
    network = trace_network(Branches(last), shape=(3, 6, 6))
    assert find_head(network).is_rectified is is_rectified
    codes = cut_at_codes(network)
    assert ("codes_relu" in dict(codes.named_modules())) is gets_relu
    assert codes(torch.rand(2, 3, 6, 6)).shape == (2, 4)


def test_a_head_is_found_behind_functions_that_mix_no_classes():
    class Ended(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 5, 1)

        def forward(self, x):
            return torch.squeeze(self.conv(x).mean([2, 3], keepdim=True), dim=(2, 3))

    network = trace_network(Ended(), shape=(3, 6, 6))
    assert find_head(network).layer == "conv"
    assert replace_head(network, classes=2)(torch.rand(2, 3, 6, 6)).shape == (2, 2)
