"""What a network is made of: shapes, parameters, multiply-adds and windows of all its layers."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Interpreter, Node
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from zoo.domain.geometry import Side
from zoo.domain.layers import Inventory, LayerRow, Window
from zoo.errors import Unsupported
from zoo.networks.blobs import Shape
from zoo.networks.graph import find_module
from zoo.networks.misfit import COUNTER
from zoo.networks.names import call_of, name_values
from zoo.networks.receptive import windows_of

LINE = "\n"
MAP_AXES = 3  # channels, height, width: one picture's
Sides = tuple[Side, Side]


def take_inventory(network: GraphModule, *shapes: Shape) -> Inventory:
    """Tell the layers of a network that reads inputs of these shapes, without the batch.

    Raises:
        Unsupported: as ``list_layers``.
    """
    return Inventory(inputs=shapes, rows=tuple(list_layers(network, *shapes)))


def list_layers(network: GraphModule, *shapes: Shape) -> list[LayerRow]:
    """List what the layers give for one picture of this shape, c x h x w, in the graph's order.

    Names are those of ``zoo.networks.names``. What a layer gives several of is told in as many
    rows, its parameters and MACs with the first.

    Parameters are counted where they are first read; those of shared weights once. The statistics
    of batch normalisations are none.

    MACs are multiply-adds, one for each product in a sum of products; all else, biases too, is 0:

    - Conv2d: numbers it gives x inputs / groups x kernel height x kernel width;
    - ConvTranspose2d: numbers it reads x outputs / groups x kernel height x kernel width;
    - Linear: numbers it gives, of all tokens, x inputs;
    - a product of matrices, N x K and K x M: N x K x M. So attention of T tokens of D numbers has
      2 x T x T x D beside those of its Linears.

    Windows are told of networks that read one picture. The weights have to be set.

    Raises:
        Unsupported: the network cannot read one input of such a shape.
    """
    shapes_of, macs_of = _run(network, shapes)
    windows = _windows(network, shapes)
    tensors_of = _tensors_of_calls(network)
    counted, told = set[int](), set[Node]()
    rows = []
    for node, name in name_values(network).items():
        call = call_of(node)
        tensors = {} if call in told else tensors_of[call]
        macs = 0 if call in told else macs_of[call]
        shape = shapes_of.get(node)
        if shape is None and not (tensors or macs or call.op == "call_module"):
            continue  # a size, or what is only taken apart
        told.add(call)
        fresh = {id(each): each for each in tensors.values() if isinstance(each, nn.Parameter)}
        rows.append(
            LayerRow(
                name=name,
                kind=_kind(network, call),
                output=None if shape is None else shape[1:],
                parameters=sum(each.numel() for key, each in fresh.items() if key not in counted),
                macs=macs,
                window=_as_window(windows.get(node)),
                tensors=tuple(tensors),
            )
        )
        counted |= fresh.keys()
    return rows


def _windows(network: GraphModule, shapes: tuple[Shape, ...]) -> dict[Node, Sides | None]:
    if [len(shape) for shape in shapes] != [MAP_AXES]:
        return {}
    ((channels, height, width),) = shapes
    return windows_of(network, (channels, height, width), has_weights=True)


def _as_window(sides: Sides | None) -> Window | None:
    if sides is None:
        return None
    height, width = sides
    return Window(
        window_px=(height.window_px, width.window_px),
        stride_px=(height.stride_px, width.stride_px),
        start_px=(height.start_px, width.start_px),
    )


def _tensors_of_calls(network: GraphModule) -> dict[Node, dict[str, Tensor]]:
    """Give the weights and statistics that each node reads, by their names in the state dict."""
    every = network.state_dict(keep_vars=True)
    state = {name: tensor for name, tensor in every.items() if not name.endswith(COUNTER)}
    names = {id(tensor): name for name, tensor in reversed(state.items())}  # the first one wins
    found: dict[Node, dict[str, Tensor]] = {}
    for node in network.graph.nodes:
        module = find_module(network, node)
        own = [] if module is None else [*module.parameters(), *module.buffers()]
        read = [state[str(each.target)] for each in node.all_input_nodes if _reads(each, state)]
        found[node] = {names[id(each)]: each for each in (*own, *read) if id(each) in names}
    return found


def _reads(node: Node, state: Mapping[str, Tensor]) -> bool:
    return node.op == "get_attr" and node.target in state


def _kind(network: GraphModule, node: Node) -> str:
    module = find_module(network, node)
    if module is not None:
        return type(module).__name__
    return str(getattr(node.target, "__name__", node.target)).partition(".")[0]


def _run(
    network: GraphModule, shapes: tuple[Shape, ...]
) -> tuple[dict[Node, Shape], dict[Node, int]]:
    """Run one picture of zeros; give the shape and the multiply-adds of each node.

    Raises:
        Unsupported: the network cannot read it.
    """
    device = next((tensor.device for tensor in network.parameters()), None)
    products = _Products()
    runner = _Counter(network, products)
    inputs = [torch.zeros((1, *shape), device=device) for shape in shapes]
    try:
        # Inference mode would hide the products that other operations are made of.
        with torch.no_grad(), _attention_by_products(), products:
            runner.run(*inputs)
    except (RuntimeError, IndexError, TypeError, ValueError) as error:
        told = " and ".join(" x ".join(map(str, shape)) for shape in shapes)
        raise Unsupported(
            f"The network cannot read one input of {told}: {str(error).strip().partition(LINE)[0]}",
            hint="Give the size of the pictures that it was made for.",
            shapes=[list(shape) for shape in shapes],
        ) from error
    return runner.shapes, runner.macs


class _Products(TorchDispatchMode):
    """Counts the operations of all products of matrices and convolutions that are computed.

    The formulas are torch's own. Its counter, ``FlopCounterMode``, is not used, because it fails
    where a module is given a view of a parameter.
    """

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Say that nothing here is ever compiled; torch imports its compiler to avoid just that."""
        return False

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401  # torch's own signature, and below
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        """Compute as usual, and count."""
        del types
        value = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func.overloadpacket)
        if formula is not None:
            self.flops += formula(*args, **(kwargs or {}), out_val=value)
        return value


class _Counter(Interpreter):
    """Runs a graph, and counts the products of each node."""

    def __init__(self, network: GraphModule, products: "_Products") -> None:
        super().__init__(network)
        self.products = products
        self.shapes: dict[Node, Shape] = {}
        self.macs: dict[Node, int] = {}

    def run_node(self, n: Node) -> object:
        """Run one node as usual, and count."""
        before = self.products.flops
        value = super().run_node(n)
        self.macs[n] = (self.products.flops - before) // 2  # a product and a sum each
        if isinstance(value, Tensor):
            self.shapes[n] = tuple(value.shape)
        return value


@contextmanager
def _attention_by_products() -> Iterator[None]:
    """Let attention be computed by products of matrices, which are counted; no kernel's own."""
    was_fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(was_fast)
