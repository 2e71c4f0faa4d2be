"""Graphs: no name of a part is ever read as a program."""

import pytest
import torch
from torch import nn
from torch.fx import Graph

from zoo.errors import Unsupported
from zoo.networks.graph import finish_network


def network_with(name):
    graph, parts = Graph(), nn.ModuleDict({name: nn.ReLU()})
    called = graph.call_module(name, (graph.placeholder("input_0"),))
    return finish_network(graph, called, dict(parts.items()))


@pytest.mark.parametrize("name", ["conv2/3x3_reduce", "it's", "fc 6", "ip1:flatten", "é"])
def test_a_part_may_have_an_odd_name(name):
    assert network_with(name)(-torch.ones(1)).tolist() == [0]


@pytest.mark.parametrize(
    "name",
    ['a"); print("read', "a\\", "a\nprint()", "a\u2028b"],
    ids=["quote", "slash", "line", "u"],
)
def test_a_part_whose_name_would_be_read_as_a_program_is_refused(name):
    with pytest.raises(Unsupported, match="which no part may be"):
        network_with(name)
