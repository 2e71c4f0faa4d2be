"""Which ONNX nodes compute what each function and method that a graph calls computes."""

from collections.abc import Callable
from typing import Any

import torch
from torch.fx import Node

from zoo.export.sheet import Place


def _concat(place: Place, node: Node) -> str:
    return place.add("Concat", axis=node.kwargs["dim"])


FUNCTIONS: dict[Callable[..., Any], Callable[[Place, Node], str]] = {
    torch.cat: _concat,
}
