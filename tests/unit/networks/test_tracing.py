"""A library's module and the network made of it compute the same, under the same names."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from zoo.errors import Unsupported
from zoo.networks.graph import copy_below, find_module, finish_network, get_output, parts_of
from zoo.networks.surgery import cut_at_codes, find_head, replace_head
from zoo.networks.tracing import StochasticDepth, trace_network

SHAPE = (3, 8, 8)


class Functional(nn.Module):
    """Everything said by functions; weights in modules, beside them, and shared."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=2)
        self.gain = nn.Parameter(torch.rand(4, 1, 1))
        self.register_buffer("fixed", torch.rand(4, 1, 1), persistent=False)
        self.norm = nn.LayerNorm(4)
        self.fc = nn.Linear(4, 5)
        self.aux = nn.Linear(4, 5)

    def forward(self, x, unused=None):
        if unused is not None:
            raise ValueError("nobody gives it")
        x = functional.relu(functional.conv2d(x, self.conv.weight, self.conv.bias, stride=2))
        x = (x * self.gain + self.fixed).mean([2, 3])
        x = functional.layer_norm(x, (4,), self.norm.weight, self.norm.bias)
        x = functional.dropout(x, training=self.training)
        return functional.linear(x, self.fc.weight, self.fc.bias)


class Deciding(nn.Module):
    """Looks at sizes, so that it can only be followed for one."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.bn = nn.BatchNorm2d(4)
        self.fc = nn.Linear(4, 5)

    def forward(self, x):
        x = functional.relu_(self.bn(self.conv(x)))
        if x.shape[-1] > 2:
            x = functional.adaptive_avg_pool2d(x, 1)
        return self.fc(torch.flatten(x, 1))


class Counting(nn.Module):
    """Changes a tensor that others read."""

    def forward(self, x):
        y = x + 1
        y.mul_(2)
        return y.flatten(1)


def make(kind, seed=0):
    torch.manual_seed(seed)
    return kind().eval()


@pytest.mark.parametrize("kind", [Functional, Deciding, Counting])
def test_a_traced_network_computes_the_same_for_any_number_of_pictures(kind):
    module = make(kind)
    network = trace_network(module, shape=SHAPE)
    for count in (1, 3):
        x = torch.rand(count, *SHAPE)
        torch.testing.assert_close(network(x), module(x))
    assert set(network.state_dict()) == set(module.state_dict())


def test_functions_are_raised_to_the_modules_that_say_the_same():
    network = trace_network(make(Functional), shape=SHAPE)
    found = {
        str(node.target): type(find_module(network, node)).__name__
        for node in network.graph.find_nodes(op="call_module")
    }
    assert found == {
        "conv": "Conv2d",
        "network:relu": "ReLU",
        "network:adaptiveavgpool2d": "AdaptiveAvgPool2d",
        "network:flatten": "Flatten",
        "norm": "LayerNorm",
        "network:dropout": "Dropout",
        "fc": "Linear",
    }


def test_exported_operations_are_raised_with_their_weights():
    module = make(Deciding)
    network = trace_network(module, shape=SHAPE)
    assert isinstance(network.bn, nn.BatchNorm2d)
    assert network.fc.weight is module.fc.weight
    assert find_head(network).layer == "fc"


def test_every_node_knows_its_layer_and_its_blob():
    network = trace_network(make(Functional), shape=SHAPE)
    nodes = [node for node in network.graph.nodes if node.op.startswith("call")]
    assert {node.meta["layer"] for node in nodes} >= {"conv", "norm", "fc", "network:add"}
    blobs = [node.meta["blob"] for node in nodes]
    assert len(set(blobs)) == len(blobs)


def test_parameters_and_constants_outlive_a_cut():
    module = make(Functional)
    network = trace_network(module, shape=SHAPE)
    graph, end = copy_below(network, get_output(network))
    copied = finish_network(graph, end, parts_of(network, graph))
    x = torch.rand(2, *SHAPE)
    torch.testing.assert_close(copied(x), module(x))
    assert set(copied.state_dict()) == set(module.state_dict()) - {"aux.weight", "aux.bias"}


def test_a_head_below_the_name_of_another_part_is_replaced():
    class Headed(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Sequential()
            self.head.norm = nn.BatchNorm2d(3)
            self.head.pool = nn.AdaptiveAvgPool2d(1)
            self.head.flat = nn.Flatten()
            self.head.fc = nn.Linear(3, 5)

        def forward(self, x):
            return self.head(x)

    network = trace_network(make(Headed), shape=SHAPE)
    operated = replace_head(network, at="head.fc", classes=2)
    names = {name for name in operated.state_dict() if "norm" not in name}
    assert names == {"head.weight", "head.bias"}
    assert "head.norm.weight" in operated.state_dict()
    again = replace_head(operated, classes=3)
    x = torch.rand(2, *SHAPE)
    assert torch.equal(cut_at_codes(again)(x), cut_at_codes(network)(x))


def test_a_name_before_all_names_is_taken_off():
    class Wrapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = Functional()

        def forward(self, x):
            return self.model(x)

    module = make(Wrapped)
    network = trace_network(module, shape=SHAPE, prefix="model.")
    assert set(network.state_dict()) == set(module.model.state_dict())
    x = torch.rand(2, *SHAPE)
    torch.testing.assert_close(network(x), module(x))


def test_dropped_branches_are_dropped_in_training_only():
    class DropPath(nn.Module):
        def __init__(self):
            super().__init__()
            self.drop_prob = 0.5

        def forward(self, x):
            raise AssertionError(f"it is kept whole, and replaced; nobody gives it {x}")

    class Branched(nn.Module):
        def __init__(self):
            super().__init__()
            self.drop = DropPath()

        def forward(self, x):
            return x + self.drop(x)

    network = trace_network(make(Branched), shape=SHAPE)
    assert isinstance(network.drop, StochasticDepth)
    x = torch.ones(200, *SHAPE)
    assert torch.equal(network(x), 2 * x)
    torch.manual_seed(0)
    assert set(network.train()(x).flatten(1)[:, 0].tolist()) == {1.0, 3.0}


def test_what_cannot_be_followed_is_refused_with_its_reason():
    class Random(nn.Module):
        def forward(self, x):
            return x.flatten(1) if x.sum() > 0 else -x.flatten(1)

    with pytest.raises(Unsupported, match="'Random' cannot be written as a graph"):
        trace_network(Random(), shape=SHAPE)
