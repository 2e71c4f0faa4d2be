"""What is frozen stays as it was to the bit, whatever training does above it."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from zoo.domain.recipe import Recipe, Source
from zoo.errors import LayerNotFound, Unsupported
from zoo.networks.build import build_network, load_weights
from zoo.networks.cutting import cut_at
from zoo.networks.freezing import freeze_up_to
from zoo.networks.surgery import replace_head
from zoo.networks.tracing import StochasticDepth, trace_network
from zoo.networks.vision import initial_weights


class Branches(nn.Module):
    """Two branches of convolution, normalisation and dropout that meet in a classifier."""

    def __init__(self):
        super().__init__()
        # Named so that the order of the names is not the order of the graph.
        self.z_first, self.z_norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.z_drop = nn.Dropout(0.5)
        self.a_second, self.a_norm = nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4)
        self.m_side, self.m_norm = nn.Conv2d(3, 4, 5), nn.BatchNorm2d(4)
        self.gain = nn.Parameter(torch.ones(4, 1, 1))
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        first = self.z_drop(self.z_norm(self.z_first(x)) * self.gain).relu()
        main = self.a_norm(self.a_second(first)).relu()
        side = self.m_norm(self.m_side(x)).relu()
        return self.fc((main + side).mean([2, 3]))


FIELDS = ("weight", "bias")
FIRST = {"z_first", "z_norm", "gain"}


def branches():
    torch.manual_seed(0)
    return trace_network(Branches(), shape=(3, 8, 8))


def train(network, *, steps=3, px=8):
    """Train all that needs a gradient for some steps, the network in training mode."""
    draw = torch.Generator().manual_seed(1)
    network.train()
    trained = [tensor for tensor in network.parameters() if tensor.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=0.1, momentum=0.9, weight_decay=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        x = torch.randn(4, 3, px, px, generator=draw) * 3 + 1
        functional.cross_entropy(network(x), torch.tensor([0, 1, 0, 1])).backward()
        optimizer.step()


def state(network):
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def changed(before, after):
    return {name for name in before if not torch.equal(before[name], after[name])}


def test_training_leaves_every_frozen_tensor_and_buffer_as_it_was_to_the_bit():
    network = branches()
    before = state(network)
    frozen = freeze_up_to(network, "z_norm")
    train(network)
    assert changed(before, state(network)) == set(before) - set(frozen)
    assert {"z_norm.running_mean", "z_norm.running_var", "z_norm.num_batches_tracked"} <= set(
        frozen
    )


def test_without_freezing_all_of_it_changes():
    network = branches()
    before = state(network)
    train(network)
    assert changed(before, state(network)) == set(before)


def test_what_is_below_is_told_by_the_graph_and_not_by_names():
    network = branches()
    frozen = freeze_up_to(network, "z_drop")
    assert {name.partition(".")[0] for name in frozen} == FIRST
    assert list(frozen) == [name for name in network.state_dict() if name in frozen]


def test_both_branches_are_frozen_where_they_have_met():
    frozen = freeze_up_to(branches(), "network:add")
    assert {name.partition(".")[0] for name in frozen} == FIRST | {
        "a_second",
        "a_norm",
        "m_side",
        "m_norm",
    }


def test_all_up_to_the_end_may_be_frozen():
    network = branches()
    assert set(freeze_up_to(network, "fc")) == set(network.state_dict())


def test_frozen_layers_compute_the_same_while_training():
    network = branches()
    x = torch.randn(2, 3, 8, 8)
    body = cut_at(network, "z_drop")
    expected = body(x)
    freeze_up_to(network, "z_drop")
    network.train()
    assert network.training
    assert torch.equal(cut_at(network, "z_drop").train()(x), expected)


def test_what_is_above_is_trained_as_ever():
    network = branches()
    freeze_up_to(network, "z_norm")
    network.train()
    assert network.get_submodule("z_drop").training
    assert network.get_submodule("a_norm").training
    assert not network.get_submodule("z_norm").training
    network.eval()
    assert not network.get_submodule("a_norm").training


def test_a_naive_eval_is_undone_by_train_and_freezing_is_not():
    naive, network = branches(), branches()
    naive.get_submodule("z_norm").eval()
    naive.train()
    freeze_up_to(network, "z_norm")
    network.train()
    assert naive.get_submodule("z_norm").training
    assert not network.get_submodule("z_norm").training


def test_a_copy_is_as_frozen_and_on_its_own():
    network = branches()
    frozen = freeze_up_to(network, "z_norm")
    twin = copy.deepcopy(network)
    before = state(twin)
    train(twin)
    assert changed(before, state(twin)) == set(before) - set(frozen)
    assert changed(before, state(network)) == set()
    assert not twin.get_submodule("z_norm").training


def test_a_new_head_is_trained_on_a_frozen_body():
    source = Source(kind="torchvision", architecture="resnet18", arguments={"num_classes": 3})
    network = build_network(Recipe(source=source), {})
    load_weights(network, initial_weights(source, seed=0))
    operated = replace_head(network, classes=2)
    frozen = freeze_up_to(operated, "avgpool")
    before = state(operated)
    train(operated, px=32)
    assert changed(before, state(operated)) == {"head.weight", "head.bias"}
    assert set(before) - set(frozen) == {"head.weight", "head.bias"}


def test_weights_that_come_later_are_frozen_too():
    source = Source(kind="torchvision", architecture="alexnet", arguments={"num_classes": 2})
    network = build_network(Recipe(source=source), {})
    frozen = freeze_up_to(network, "features.3")
    load_weights(network, initial_weights(source, seed=0))
    needing = {name for name, tensor in network.named_parameters() if tensor.requires_grad}
    assert set(frozen) == {f"features.{layer}.{field}" for layer in (0, 3) for field in FIELDS}
    assert needing == set(network.state_dict()) - set(frozen)


class Drawing(nn.Module):
    """Drops branches and numbers."""

    def __init__(self):
        super().__init__()
        self.conv, self.path, self.drop = nn.Conv2d(3, 4, 3), StochasticDepth(0.5), nn.Dropout2d()
        self.fc = nn.Linear(144, 2)

    def forward(self, x):
        return self.fc(self.drop(self.path(self.conv(x))).flatten(1))


def test_nothing_is_dropped_below():
    network = trace_network(Drawing(), shape=(3, 8, 8))
    x = torch.randn(8, 3, 8, 8)
    expected = network(x)
    freeze_up_to(network, "drop")
    assert torch.equal(network.train()(x), expected)


class Tied(nn.Module):
    """Shares a weight, a module with weights, or dropout between what is below and above."""

    def __init__(self, what):
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)
        self.norm, self.drop, self.relu = nn.BatchNorm2d(3), nn.Dropout(), nn.ReLU()
        if what == "weight":
            self.two.weight = self.one.weight
        self.again = getattr(self, what) if what != "weight" else self.relu

    def forward(self, x):
        below = self.relu(self.drop(self.norm(self.one(x))))
        return self.relu(self.again(self.two(below)))


@pytest.mark.parametrize(
    ("what", "told"),
    [("weight", "'two' shares with 'one'"), ("norm", "'norm' again"), ("drop", "'drop' again")],
)
def test_what_is_used_above_too_cannot_be_frozen_alone(what, told):
    network = trace_network(Tied(what), shape=(3, 6, 6))
    before = state(network)
    with pytest.raises(Unsupported, match=f"Layers up to 'relu:1' .*{told}") as raised:
        freeze_up_to(network, "relu:1")
    assert raised.value.hint
    assert all(tensor.requires_grad for tensor in network.parameters())
    assert changed(before, state(network)) == set()


def test_an_activation_that_is_called_above_too_hinders_nothing():
    network = trace_network(Tied("relu"), shape=(3, 6, 6))
    assert freeze_up_to(network, "relu:1")
    assert freeze_up_to(network, "two")


def test_a_layer_that_is_not_there_freezes_nothing():
    network = branches()
    with pytest.raises(LayerNotFound, match="no layer 'z_frist'") as raised:
        freeze_up_to(network, "z_frist")
    assert raised.value.detail["near"] == ["z_first"]
    assert all(tensor.requires_grad for tensor in network.parameters())
