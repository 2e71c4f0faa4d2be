"""A library's module as a graph of ours: standard modules, every weight under its own name.

Symbolic tracing follows the module's code once and keeps the standard modules it meets. Code that
decides by the numbers or sizes it sees cannot be followed so; then torch.export follows it for one
size of picture, and its weighted operations are raised to modules again. Either way, functions that
a standard module says too become that module (``zoo.networks.raising``), and the state dict has the
names of the library's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx import Graph, GraphModule, Node
from torch.fx.node import map_aggregate

from zoo.errors import Unsupported
from zoo.networks.graph import Part, finish_network, mark_constant
from zoo.networks.raising import NOTHING, SAME, SPREAD, Read, find_stateless, find_weighted

IMAGES = "images"
EXAMPLES = 2  # pictures; one alone would be taken for a fixed number of them
# What a module's own code may raise when it is given what stands for a tensor.
UNTRACEABLE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
)
FACTOR = "alpha"
DROPPING = ("DropPath", "StochasticDepth")  # libraries' names of one and the same module


class StochasticDepth(nn.Module):
    """Leave a whole branch out for some pictures while training; nothing otherwise.

    Huang et al., Deep Networks with Stochastic Depth, 2016. What is kept is divided by the chance
    of being kept.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Drop rows of a batch; the shape stays."""
        if not self.training or self.p == 0:
            return x
        kept = torch.empty((len(x), *(1,) * (x.dim() - 1)), device=x.device)
        return x * kept.bernoulli_(1 - self.p) / (1 - self.p)

    def extra_repr(self) -> str:
        """Show the chance of being left out."""
        return f"p={self.p}"


def trace_network(
    module: nn.Module, *, shape: tuple[int, int, int], prefix: str = ""
) -> GraphModule:
    """Write a module that turns N x C x H x W into scores down as a network; evaluation mode.

    The network shares the module's tensors. Names that begin with ``prefix`` lose it. Tensors that
    predicting does not read, an auxiliary classifier's, are kept beside, so that the state dict has
    all names of the module's; a cut drops them. ``shape`` is a picture's, for modules that can only
    be followed for one.

    Raises:
        Unsupported: the module cannot be written as a graph; its own reason is the cause.
    """
    module.eval()
    try:
        traced = _trace_symbolically(module)
    except UNTRACEABLE:
        traced = _trace_by_export(module, shape)
    network = _Writer(module, traced, prefix).write()
    _keep_rest(network, module, prefix)
    return network


@dataclass(frozen=True, slots=True)
class _Traced:
    """What a tracer found."""

    graph: Graph
    tensors: nn.Module  # what its get_attr nodes name
    scopes: Mapping[str, str]  # node -> the module whose code it stands in


class _Tracer(fx.Tracer):
    """Follows a module's code, and keeps standard modules whole."""

    def __init__(self) -> None:
        super().__init__(param_shapes_constant=True)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Keep what torch.nn has, and branches that are dropped."""
        is_dropping = type(m).__name__ in DROPPING
        return is_dropping or super().is_leaf_module(m, module_qualified_name)


def _trace_symbolically(module: nn.Module) -> _Traced:
    tracer = _Tracer()
    graph = tracer.trace(module, concrete_args=_defaults(module))
    scopes = {name: scope[0] for name, scope in tracer.node_name_to_scope.items()}
    needed = _needed(graph)
    for node in graph.nodes:
        if _changes_in_place(module, node, is_used=node in needed):
            raise RuntimeError(f"{node} changes a tensor that others read")
    return _Traced(graph, module, scopes)


def _defaults(module: nn.Module) -> dict[str, Any]:
    """Give the arguments of a module that have a default, which tracing is to keep to."""
    code = type(module).forward.__code__
    names = code.co_varnames[1 : code.co_argcount]
    defaults = type(module).forward.__defaults__ or ()
    return dict(zip(names[len(names) - len(defaults) :], defaults, strict=True))


def _needed(graph: Graph) -> set[Node]:
    """Give the nodes that what is returned depends on."""
    needed, waiting = set[Node](), [graph.output_node()]
    while waiting:
        node = waiting.pop()
        if node not in needed:
            needed.add(node)
            waiting.extend(node.all_input_nodes)
    return needed


def _changes_in_place(module: nn.Module, node: Node, *, is_used: bool) -> bool:
    """Tell whether a call changes what another node computed, which a graph cannot show.

    A module that works in place is fine where its own value is used, as it is in every graph here.
    """
    if node.op == "call_method":
        name = str(node.target)
        return name.endswith("_") and not name.endswith("__")
    if node.op == "call_module":
        return not is_used and getattr(module.get_submodule(str(node.target)), "inplace", False)
    is_setting = getattr(node.target, "__name__", "") == "setitem"
    return is_setting or (not is_used and bool(node.kwargs.get("inplace", False)))


def _trace_by_export(module: nn.Module, shape: tuple[int, int, int]) -> _Traced:
    example = torch.zeros(EXAMPLES, *shape)
    batch = {0: torch.export.Dim.DYNAMIC}
    try:
        # The values of its tensors may be unset; only their shapes matter.
        program = torch.export.export(module, (example,), dynamic_shapes=(batch,), strict=False)
        found = program.module(check_guards=False)
    except UNTRACEABLE as error:
        raise Unsupported(
            f"The network {type(module).__name__!r} cannot be written as a graph: "
            f"{str(error).strip().partition(chr(10))[0]}",
            hint="Choose another architecture, or import it as an ONNX graph.",
            network=type(module).__name__,
        ) from error
    scopes = {
        node.name: list(stack.values())[-1][0]
        for node in found.graph.nodes
        if (stack := node.meta.get("nn_module_stack")) and not next(iter(stack)).startswith("_")
    }
    return _Traced(found.graph, found, scopes)


@dataclass(slots=True)
class _Writer:
    """Writes a traced graph down once more, with modules where there were functions."""

    module: nn.Module
    traced: _Traced
    prefix: str
    graph: Graph = field(default_factory=Graph)
    parts: dict[str, Part] = field(default_factory=dict)
    values: dict[Node, Any] = field(default_factory=dict)  # nodes of ``graph``, or ``Read``
    constants: dict[str, Node] = field(default_factory=dict)
    blobs: set[str] = field(default_factory=set)

    def write(self) -> GraphModule:
        """Write every node that matters, in order."""
        old = self.traced.graph
        images, *_ = old.find_nodes(op="placeholder")
        self.values[images] = self.graph.placeholder("input_0")
        self.values[images].meta["blob"] = IMAGES
        needed = _needed(old)
        for node in old.nodes:
            if node in needed and node.op not in {"placeholder", "output"}:
                self.values[node] = WRITERS[node.op](self, node)
        (output,) = old.output_node().args
        while isinstance(output, list | tuple):  # exported modules return a tree of values
            output = output[0]
        return finish_network(self.graph, self._copy(output), self.parts)

    def read_tensor(self, node: Node) -> Read:
        """Note which tensor a node reads; it is named where something reads it as it is."""
        name = str(node.target)
        return Read(name.removeprefix(self.prefix), attrgetter(name)(self.traced.tensors))

    def call_module(self, node: Node) -> Node:
        """Copy the call of a module."""
        name = str(node.target)
        module = self.module.get_submodule(name)
        if type(module).__name__ in DROPPING:
            module = StochasticDepth(_chance(module))
        args, kwargs = self._copy(node.args), self._copy(node.kwargs)
        return self._call(name.removeprefix(self.prefix), module, args, kwargs)

    def call_function(self, node: Node) -> Any:  # noqa: ANN401  # a node, or a tensor that is read
        """Write a function down as a module, where one says the same."""
        function: Any = node.target
        if node.op == "call_method":
            function = getattr(torch.Tensor, str(node.target))
        if FACTOR not in node.kwargs:  # x + factor * y, which an operator does not say
            function = SAME.get(function, function)
        args, kwargs = self._arguments(function, node)
        if function in NOTHING:
            return args[0]
        weighted = find_weighted(function, args, kwargs)
        if weighted is not None and self._is_free(weighted.name, weighted.module):
            return self._call(weighted.name, weighted.module, (self._show(weighted.reads),), {})
        value, is_settled = args[0] if args else None, not _nodes_in((args[1:], kwargs))
        steps = find_stateless(function, args[1:], kwargs) if is_settled else ()
        if not steps or not isinstance(value, Node):
            return self._function(node, function, args, kwargs)
        for step in steps:
            value = self._call(self._name(node, step), step, (value,), {})
        if getattr(node.target, "__name__", "").partition(".")[0].endswith("_"):
            self.values[node.all_input_nodes[0]] = value  # it was changed in place
        return value

    def _arguments(self, function: object, node: Node) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Give the arguments in terms of the new graph; tensors that are read stay ``Read``."""
        args = map_aggregate(node.args, self._value)
        kwargs = dict(map_aggregate(node.kwargs, self._value))
        if "input" in kwargs:
            args = (kwargs.pop("input"), *args)
        # One computed argument alone is a whole shape, or refuses to be taken for one.
        is_spread = len(args) > 2 or (len(args) > 1 and isinstance(args[1], int))  # noqa: PLR2004  # the tensor, and two sizes
        if function in SPREAD and is_spread and not isinstance(args[1], list | tuple):
            args = (args[0], list(args[1:]))
        return args, kwargs

    def _function(
        self,
        node: Node,
        function: Any,  # noqa: ANN401  # a callable
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Node:
        shown, named = map_aggregate((args, kwargs), self._show)
        written = self.graph.call_function(function, shown, dict(named))
        return self._mark(written, self._name(node, getattr(function, "__name__", "function")))

    def _call(
        self, name: str, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Node:
        self.parts.setdefault(name, module)
        return self._mark(self.graph.call_module(name, args, kwargs), name)

    def _mark(self, node: Node, layer: str) -> Node:
        """Name a node's layer, and its blob: the layer, with a number where it is called again."""
        blob, number = layer, 1
        while blob in self.blobs:
            number += 1
            blob = f"{layer}:{number}"
        self.blobs.add(blob)
        node.meta |= {"layer": layer, "blob": blob}
        return node

    def _name(self, node: Node, step: nn.Module | str) -> str:
        """Name what has no name in the library: by the module it is part of, and what it does."""
        what = step if isinstance(step, str) else type(step).__name__
        scope = self.traced.scopes.get(node.name, "").removeprefix(self.prefix) or "network"
        name, number = f"{scope}:{what.lower()}", 1
        while name in self.blobs:
            number += 1
            name = f"{scope}:{what.lower()}_{number}"
        return name

    def _is_free(self, name: str, module: nn.Module) -> bool:
        """Tell whether a module of that name may be there: none is, or its equal."""
        there = self.parts.get(name)
        return there is None or repr(there) == repr(module)

    def _copy(self, value: Any) -> Any:  # noqa: ANN401  # any tree of arguments
        return map_aggregate(map_aggregate(value, self._value), self._show)

    def _value(self, value: Any) -> Any:  # noqa: ANN401  # a leaf of a tree of arguments
        return self.values[value] if isinstance(value, Node) else value

    def _show(self, value: Any) -> Any:  # noqa: ANN401  # a leaf of a tree of arguments
        """Name a tensor in the graph, once."""
        if not isinstance(value, Read):
            return value
        if value.name not in self.constants:
            node = self.graph.create_node("get_attr", value.name)
            node.meta |= {"layer": value.name}
            if not self._is_weight(value):
                mark_constant(node)
            self.parts[value.name] = value.value
            self.constants[value.name] = node
        return self.constants[value.name]

    def _is_weight(self, read: Read) -> bool:
        owner, _, name = (self.prefix + read.name).rpartition(".")
        try:
            module = self.module.get_submodule(owner)
        except AttributeError:
            return False
        is_buffer = name in module._buffers and name not in module._non_persistent_buffers_set  # noqa: SLF001  # torch has no other way to tell
        return name in module._parameters or is_buffer  # noqa: SLF001  # likewise


WRITERS = {
    "call_function": _Writer.call_function,
    "call_method": _Writer.call_function,
    "call_module": _Writer.call_module,
    "get_attr": _Writer.read_tensor,
}


def _chance(module: nn.Module) -> float:
    """Give the chance of a branch to be dropped; libraries name it in two ways."""
    chance: float = getattr(module, "p", getattr(module, "drop_prob", 0.0)) or 0.0
    return chance


def _nodes_in(value: Any) -> list[Any]:  # noqa: ANN401  # any tree of arguments
    """Give what a tree of arguments has that is computed, or a tensor."""
    found: list[Any] = []
    map_aggregate(value, lambda leaf: found.append(leaf) if isinstance(leaf, Node | Read) else None)
    return found


def _keep_rest(network: GraphModule, module: nn.Module, prefix: str) -> None:
    """Give the network, beside its graph, the tensors that only training reads."""
    have = network.state_dict(keep_vars=True)
    for name, tensor in module.state_dict(keep_vars=True).items():
        short = name.removeprefix(prefix)
        if short not in have:
            owner, _, field_name = short.rpartition(".")
            _put(_make_owner(network, owner), field_name, tensor)


def _make_owner(network: nn.Module, path: str) -> nn.Module:
    owner = network
    for part in path.split(".") if path else ():
        if not hasattr(owner, part):
            owner.add_module(part, nn.Module())
        owner = getattr(owner, part)
    return owner


def _put(owner: nn.Module, name: str, tensor: Tensor) -> None:
    if isinstance(tensor, nn.Parameter):
        owner.register_parameter(name, tensor)
    else:
        owner.register_buffer(name, tensor)
