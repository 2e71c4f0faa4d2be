"""What every blob of a network holds, or how it is shaped, after a whole pass.

The values are what ``net.blobs`` shows in Caffe.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Interpreter, Node

Shape = tuple[int, ...]


def run_blobs(network: GraphModule, *inputs: Tensor) -> dict[str, Tensor]:
    """Run the network once and give every blob by name.

    A blob that in-place layers wrote again holds what the last of them wrote.
    """
    values = _run(network, inputs, lambda value: value)
    return {node.meta["blob"]: value for node, value in values.items() if "blob" in node.meta}


def run_shapes(network: GraphModule, *shapes: Shape) -> dict[Node, Shape]:
    """Run the network once on zeros of these shapes and give the shape of what each node computes.

    Nodes that compute no tensor are left out.
    """
    device = next((tensor.device for tensor in network.parameters()), None)
    inputs = tuple(torch.zeros(shape, device=device) for shape in shapes)
    found = _run(network, inputs, _shape_of)
    return {node: shape for node, shape in found.items() if shape is not None}


def _shape_of(value: object) -> Shape | None:
    return tuple(value.shape) if isinstance(value, Tensor) else None


def _run(
    network: GraphModule, inputs: tuple[Tensor, ...], note: Callable[[Any], Any]
) -> dict[Node, Any]:
    recorder = _Recorder(network, note)
    with torch.inference_mode():
        recorder.run(*inputs)
    return recorder.noted


class _Recorder(Interpreter):
    """Runs a graph and keeps what is to be noted of each value."""

    def __init__(self, network: GraphModule, note: Callable[[Any], Any]) -> None:
        super().__init__(network)
        self.note = note
        self.noted: dict[Node, Any] = {}

    def run_node(self, n: Node) -> Any:  # noqa: ANN401  # torch's own signature
        """Run one node as usual, and note its value."""
        value = super().run_node(n)
        self.noted[n] = self.note(value)
        return value
