"""Both halves of a network compute, one after the other, what it computes."""

import pytest
import torch
from torch import nn

from zoo.errors import LayerNotFound, Unsupported
from zoo.networks.groups import group_parameters
from zoo.networks.names import name_values
from zoo.networks.splitting import find_boundary, split_at
from zoo.networks.stages import find_necks, list_stages
from zoo.networks.tracing import trace_network


class Blocks(nn.Module):
    """A block with a shortcut between plain layers."""

    def __init__(self):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.left, self.right = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 1)
        self.conv3, self.fc = nn.Conv2d(4, 8, 3), nn.Linear(8, 2)

    def forward(self, x):
        x = self.norm1(self.conv1(x)).relu()
        x = (self.left(x) + self.right(x)).relu()
        return self.fc(self.conv3(x).relu().mean([2, 3]))


@pytest.fixture
def network():
    torch.manual_seed(0)
    return trace_network(Blocks(), shape=(3, 12, 12))


def test_the_halves_at_every_neck_are_the_whole(network):
    names = name_values(network)
    x = torch.randn(2, 3, 12, 12)
    necks = [names[node] for node in find_necks(network) if node in names]
    assert len(necks) > 5
    for name in necks[:-1]:
        lower, upper = split_at(network, name)
        assert torch.equal(upper(lower(x)), network(x))


def test_the_upper_half_holds_nothing_of_the_lower(network):
    end = list_stages(network)[1].end
    lower, upper = split_at(network, end)
    below, above = ({name for name, _ in half.named_parameters()} for half in (lower, upper))
    assert below.isdisjoint(above)
    assert below | above == {name for name, _ in network.named_parameters()}


def test_where_other_values_are_needed_too_places_to_divide_are_named(network):
    with pytest.raises(Unsupported, match="'left'") as caught:
        split_at(network, "left")
    assert list_stages(network)[0].end in caught.value.hint


def test_a_layer_that_is_not_there_is_named(network):
    with pytest.raises(LayerNotFound, match="conv9"):
        split_at(network, "conv9")


def test_a_boundary_leaves_a_share_of_the_cost_below(network):
    ends = [stage.end for stage in list_stages(network)]
    assert find_boundary(network, (3, 12, 12), 0.0) == ends[0]
    assert find_boundary(network, (3, 12, 12), 1.0) == ends[-2]
    split_at(network, find_boundary(network, (3, 12, 12), 0.5))


def test_a_network_of_one_layer_has_no_boundary():
    network = trace_network(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), shape=(3, 2, 2))
    with pytest.raises(Unsupported, match="one weighted layer"):
        find_boundary(network, (3, 2, 2), 0.5)


def test_parameters_are_grouped_by_the_stages_above_theirs(network):
    names = {id(tensor): name for name, tensor in network.named_parameters()}
    found = {
        depth: {names[id(tensor)].partition(".")[0] for tensor in tensors}
        for depth, tensors in group_parameters(network)
    }
    assert found == {0: {"fc"}, 1: {"conv3"}, 2: {"left", "right"}, 3: {"conv1", "norm1"}}


def test_frozen_parameters_are_in_no_group(network):
    network.requires_grad_(False)
    network.fc.requires_grad_(True)
    assert [depth for depth, _ in group_parameters(network)] == [0]
