"""What shapes a network's values have for pictures of any size.

Tensors without numbers go through the graph, so a trial costs as much for large pictures as for
small ones, and networks whose weights were never loaded can be tried too. For such tensors torch
imports its compiler and symbolic algebra, which takes longer than to compute a picture or two.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Interpreter, Node

Shape = tuple[int, ...]
Shapes = Mapping[Node, Shape | tuple[Shape | None, ...]]
NOWHERE = "meta"
# What torch raises where sizes do not fit; a library's own checks are assertions.
FAILURES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    IndexError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
)


@dataclass(slots=True)
class Trial:
    """What one pass gave: the shape of each value, and where it stopped."""

    shapes: dict[Node, Shape | tuple[Shape | None, ...]] = field(default_factory=dict)
    failed: Node | None = None
    said: str = ""  # by what failed


def try_shape(network: GraphModule, shape: Shape) -> Trial:
    """Run a network of one input for this shape, and tell the shapes of all values it gets to.

    A value that is several tensors has a tuple of their shapes; sizes and other numbers have none.
    """
    tracer = _Tracer(network)
    tensors = (
        *network.named_parameters(remove_duplicate=False),
        *network.named_buffers(remove_duplicate=False),
    )
    nowhere = {f"network.{name}": tensor.to(NOWHERE) for name, tensor in tensors}
    try:
        with torch.inference_mode(), torch.device(NOWHERE):
            torch.func.functional_call(
                tracer, nowhere, (torch.empty(shape),), tie_weights=False, strict=False
            )
    except FAILURES as error:
        tracer.trial.said = _first_line(error)
    else:
        tracer.trial.failed = None
    return tracer.trial


def compute_shape(network: GraphModule, shape: Shape) -> Trial:
    """Tell the same as ``try_shape`` by computing zeros of this shape; the weights have to be set.

    Quicker for pictures of the size a network is made for, where nothing else was tried before.
    """
    trial = Trial()
    device = next((tensor.device for tensor in network.parameters()), torch.device("cpu"))
    try:
        with torch.inference_mode():
            _Noting(network, trial, device).run(torch.zeros(shape, device=device))
    except FAILURES as error:
        trial.said = _first_line(error)
    else:
        trial.failed = None
    return trial


class _Tracer(nn.Module):
    """Runs a network node by node and notes shapes."""

    def __init__(self, network: GraphModule) -> None:
        super().__init__()
        self.network = network
        self.trial = Trial()

    def forward(self, x: Tensor) -> None:
        """Run it; nothing is given back."""
        _Noting(self.network, self.trial, torch.device(NOWHERE)).run(x)


class _Noting(Interpreter):
    """Runs a graph, notes shapes, and the node it is at."""

    def __init__(self, network: GraphModule, trial: Trial, device: torch.device) -> None:
        super().__init__(network)
        self.trial = trial
        self.device = device

    def run_node(self, n: Node) -> Any:  # noqa: ANN401  # torch's own signature
        """Run a node as usual, and note its shape."""
        self.trial.failed = n
        value = super().run_node(n)
        shape = _shape_of(value)
        if shape is not None and n.op != "output":
            self.trial.shapes[n] = shape
        return value

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:  # noqa: ANN401  # torch's own signature
        """Call a function; tensors that it makes on a device of its own are made on the trial's."""
        told = kwargs | {"device": self.device} if kwargs.get("device") is not None else kwargs
        return super().call_function(target, args, told)

    def fetch_attr(self, target: str) -> Any:  # noqa: ANN401  # torch's own signature
        """Give a tensor that is read, on the trial's device; constants have stayed on their own."""
        found = super().fetch_attr(target)
        return found.to(self.device) if isinstance(found, Tensor) else found


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _shape_of(value: object) -> Any:  # noqa: ANN401  # a shape, or one for each of several
    if isinstance(value, Tensor):
        return tuple(value.shape)
    if isinstance(value, torch.Size) or not isinstance(value, tuple | list):
        return None
    shapes = tuple(tuple(each.shape) if isinstance(each, Tensor) else None for each in value)
    return shapes if any(each is not None for each in shapes) else None
