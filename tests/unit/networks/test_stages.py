"""Where the stages of a network end."""

import pytest
import torch
from torch import nn

from zoo.networks.freezing import freeze_up_to
from zoo.networks.stages import list_stages
from zoo.networks.tracing import trace_network


class Block(nn.Module):
    """Two convolutions with a way around them."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(4, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.second = nn.Conv2d(4, 4, 3, padding=1)
        self.relu = nn.ReLU()

    def forward(self, x):
        return self.relu(x + self.second(self.relu(self.norm(self.first(x)))))


class Net(nn.Module):
    """A stem, a block, two branches side by side, a classifier."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.block = Block()
        self.left = nn.Conv2d(4, 2, 1)
        self.right = nn.Conv2d(4, 2, 3, padding=1)
        self.average = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(4, 5)

    def forward(self, x):
        x = self.block(self.pool(torch.relu(self.stem(x))))
        x = torch.cat([self.left(x), self.right(x)], dim=1)
        return self.fc(self.flatten(self.average(x)))


@pytest.fixture
def network():
    return trace_network(Net(), shape=(3, 8, 8))


def test_a_stage_ends_before_the_next_weighted_layer(network):
    told = [(stage.layers, stage.end) for stage in list_stages(network)]
    assert [layers for layers, _ in told] == [
        ("stem",),
        ("block.first", "block.second"),
        ("left", "right"),
        ("fc",),
    ]
    assert told[0][1] == "pool"
    assert told[2][1] == "flatten"
    assert told[3][1] == "fc"


def test_freezing_up_to_an_end_freezes_whole_blocks(network):
    stages = list_stages(network)
    frozen = freeze_up_to(network, stages[1].end)
    assert "block.norm.running_mean" in frozen
    assert {name.partition(".")[0] for name in frozen} == {"stem", "block"}


def test_a_network_without_filters_has_no_stages():
    bare = trace_network(nn.Sequential(nn.ReLU(), nn.MaxPool2d(2)), shape=(3, 8, 8))
    assert list_stages(bare) == ()
