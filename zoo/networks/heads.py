"""New heads, before their numbers are fitted."""

import torch
from torch import nn


def zero_head(in_features: int, classes: int) -> nn.Linear:
    """Give a linear layer of zeros, in_features to classes, on the CPU; nothing is drawn for it.

    torch's own ``skip_init`` does the same, but imports half a second of symbolic shapes.
    """
    with torch.random.fork_rng(devices=[]):  # What is drawn later stays what it would have been.
        head = nn.Linear(in_features, classes, device="cpu")
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    return head
