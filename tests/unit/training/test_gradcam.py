"""Grad-CAM on networks whose answer can be worked out."""

import pytest
import torch
from torch import nn

from zoo.errors import Unsupported
from zoo.networks.tracing import trace_network
from zoo.training.gradcam import explain


def make_network(*, is_flat):
    """Channels 0 and 1 of a picture speak for classes 0 and 1, each where it is bright."""
    conv = nn.Conv2d(2, 2, 1, bias=False)
    conv.weight.data = torch.eye(2)[:, :, None, None]
    last = nn.Linear(2, 2) if is_flat else nn.Conv2d(2, 2, 1)
    last.weight.data = torch.eye(2).reshape(last.weight.shape)
    pool = nn.AdaptiveAvgPool2d(1)
    after = [pool, nn.Flatten(), last] if is_flat else [last, nn.ReLU(), pool, nn.Flatten()]
    return trace_network(nn.Sequential(conv, nn.ReLU(), *after), shape=(2, 4, 4))


@pytest.mark.parametrize("is_flat", [True, False])
def test_what_speaks_for_a_class_is_where_its_channel_is_bright(is_flat):
    picture = torch.zeros(2, 2, 4, 4)
    picture[:, 0, 0, 0], picture[:, 0, 0, 1], picture[:, 1, 3, 3] = 2.0, 1.0, 5.0
    network = make_network(is_flat=is_flat)
    found = explain(network, picture, torch.tensor([0, 1]))
    assert found.shape == (2, 4, 4)
    assert (found[0, 0, 0], found[0, 0, 1]) == (1.0, 0.5)
    assert found[0].sum() == 1.5
    assert found[1, 3, 3] == found[1].sum() == 1.0
    assert all(parameter.grad is None for parameter in network.parameters())


def test_where_nothing_speaks_for_a_class_the_map_is_0():
    found = explain(make_network(is_flat=True), torch.zeros(1, 2, 4, 4), torch.tensor([0]))
    assert found.eq(0).all()


def test_a_network_without_a_map_has_no_answer():
    network = trace_network(nn.Sequential(nn.Flatten(), nn.Linear(8, 2)), shape=(2, 2, 2))
    with pytest.raises(Unsupported, match="no map"):
        explain(network, torch.zeros(1, 2, 2, 2), torch.tensor([0]))
