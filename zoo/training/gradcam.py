"""Grad-CAM: which parts of a picture speak for a class, at the last map below the classifier."""

from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Interpreter, Node

from zoo.errors import Unsupported
from zoo.networks.blobs import run_shapes
from zoo.networks.surgery import find_head

MAP_AXES = 4


def explain(network: GraphModule, inputs: Tensor, classes: Tensor) -> Tensor:
    """Give the map of each picture for one class each: N x h x w, 0 to 1.

    For N x C x H x W numbers as the network reads them, and N class indices of its classifier.
    Selvaraju et al. 2017, eq. 1 and 2: the map's channels, weighed by the mean gradient of the
    class's score, summed; what is below 0 speaks against the class and is left out. The largest
    number of each picture is 1, unless nothing speaks for the class.

    Raises:
        NoHead: the network has no classifier.
        Unsupported: no map of more than one cell lies below it.
    """
    head = find_head(network).node
    watched = _last_map(network, head, tuple(inputs.shape[1:]))
    keeping = _Keeping(network.eval(), {head, watched})
    with torch.enable_grad():
        keeping.run(inputs.detach().requires_grad_())
        scores, cells = keeping.kept[head], keeping.kept[watched]
        if scores.dim() == MAP_AXES:
            scores = scores.mean(dim=(2, 3))
        chosen = scores.gather(1, classes[:, None]).sum()
        (gradient,) = torch.autograd.grad(chosen, cells)
    weighed = (gradient.mean(dim=(2, 3), keepdim=True) * cells.detach()).sum(dim=1).relu()
    highest = weighed.amax(dim=(1, 2), keepdim=True)
    return torch.where(highest > 0, weighed / highest.clamp_min(torch.finfo().tiny), weighed)


def _last_map(network: GraphModule, head: Node, shape: tuple[int, ...]) -> Node:
    """Give the last value below the classifier that has channels and more than one cell."""
    shapes = run_shapes(network, (1, *shape))
    node = head
    while node.all_input_nodes:
        node = node.all_input_nodes[0]
        found = shapes.get(node, ())
        if node.op != "placeholder" and len(found) == MAP_AXES and found[2] * found[3] > 1:
            return node
    raise Unsupported(
        "The network has no map below its classifier, so it cannot be told what speaks for a class."
    )


class _Keeping(Interpreter):
    """Runs a graph and keeps the values of some nodes, with what they were computed from."""

    def __init__(self, network: GraphModule, watched: set[Node]) -> None:
        super().__init__(network)
        self.watched = watched
        self.kept: dict[Node, Tensor] = {}

    def run_node(self, n: Node) -> Any:  # noqa: ANN401  # torch's own signature
        """Run one node as usual."""
        value = super().run_node(n)
        if n in self.watched:
            self.kept[n] = value
        return value
