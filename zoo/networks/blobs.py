"""What every blob of a network holds after a whole pass, as ``net.blobs`` shows it in Caffe."""

from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Interpreter, Node


def run_blobs(network: GraphModule, *inputs: Tensor) -> dict[str, Tensor]:
    """Run the network once and give every blob by name.

    A blob that in-place layers wrote again holds what the last of them wrote.
    """
    recorder = _Recorder(network)
    with torch.inference_mode():
        recorder.run(*inputs)
    return recorder.blobs


class _Recorder(Interpreter):
    """Runs a graph and keeps what was computed under the name of its blob."""

    def __init__(self, network: GraphModule) -> None:
        super().__init__(network)
        self.blobs: dict[str, Tensor] = {}

    def run_node(self, n: Node) -> Any:  # noqa: ANN401  # torch's own signature
        """Run one node as usual, and keep its value."""
        value = super().run_node(n)
        if "blob" in n.meta:
            self.blobs[n.meta["blob"]] = value
        return value
