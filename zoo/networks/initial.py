"""Giving a network that nobody has trained its first numbers, layer by layer, by a scheme.

Convolutions, transposed convolutions and fully connected layers are drawn, each from random numbers
of its own: what a layer holds depends on the seed and its name, never on the layers beside it. All
else keeps what the library drew; what nothing drew gets its standard value. Layers that need to see
pictures, for PCA or for LSUV, see them through the layers below, which are done by then: one pass
over the graph is enough.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor, nn
from torch.fx import GraphModule, Interpreter, Node

from zoo.errors import Invalid
from zoo.filters import pca
from zoo.filters.initial import Floats, constant, orthogonal
from zoo.filters.scheme import Scheme
from zoo.networks import layers
from zoo.networks.build import load_weights
from zoo.networks.graph import find_module, layer_of

if TYPE_CHECKING:
    from zoo.domain.weights import Array

DRAWN = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
SPREAD = 0.05  # how far from 1 LSUV leaves a variance; its authors have 0.1
TRIES = 10  # of scaling a layer; without a bias the first one is exact
# The digits of a factor that are kept. How a machine sums a variance up, in how many threads, then
# does not show in the weights.
DIGITS = 4
MOST_TOLD = 5  # layers in one note
ONES = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, layers.Scale, layers.Normalize)
SLOPE = 0.25  # of a PReLU; He et al. 2015 and Caffe begin there


class Fill(Protocol):
    """What draws an array of a shape; a ``Scheme`` does."""

    def draw(self, shape: tuple[int, ...], rng: Generator) -> Floats:
        """Draw it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Fillers:
    """What a prototxt says of one layer's numbers."""

    weight: Fill
    bias: Fill


@dataclass(slots=True, kw_only=True)
class Begun:
    """What was done to a network: its layers that were drawn, and what did not go as usual."""

    drawn: list[str] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)  # their outputs do not vary, whatever the scale
    rough: list[str] = field(default_factory=list)  # LSUV did not come near enough to 1
    blind: list[str] = field(default_factory=list)  # orthogonal, as PCA does not tell them
    kept: list[str] = field(default_factory=list)  # tensors of the library's own drawing

    @property
    def notes(self) -> tuple[str, ...]:
        """Say what a reader should know, a sentence each."""
        told = (
            ("LSUV left these layers, whose outputs do not vary:", self.dead),
            (f"LSUV did not bring these within {SPREAD:g} of unit variance:", self.rough),
            ("Nothing varies in what these layers read, so they are orthogonal:", self.blind),
            ("These tensors are as the library draws them:", self.kept),
        )
        return tuple(f"{words} {_tell(names)}." for words, names in told if names)


def initialise(
    network: GraphModule,
    scheme: Scheme,
    *,
    seed: int,
    inputs: tuple[Tensor, ...] = (),
    stated: Mapping[str, Fillers] | None = None,
) -> Begun:
    """Draw the weights of a network in place; equal arguments give equal bits.

    Biases of drawn layers become 0, as He et al. and Caffe begin; those of ``library`` stay. A
    weight that several layers share, or a layer that is called again, is drawn where it stands
    first. ``inputs`` are what the network reads, pictures or noise; schemes that look at what
    layers read need them. ``stated`` are the fillers by module, for the scheme ``prototxt``.

    LSUV is Mishkin and Matas, All you need is a good init, 2016, algorithm 1: from below each
    layer is divided by the standard deviation of its outputs, until their variance is 1. Batch
    normalisation works by its stored statistics, which are 0 and 1 here.

    Raises:
        Invalid: the scheme has no filters for a layer; the layer is named.
    """
    _settle(network)
    work = _Beginning(network=network, scheme=scheme, seed=seed, stated=stated or {})
    with torch.no_grad():
        if scheme.needs_pictures or scheme.has_lsuv:
            _Pass(work).run(*inputs)
        else:
            for node, module in _weighted(network):
                work.begin(node, module)
    if scheme.name != "library":
        work.begun.kept = list(_list_kept(network, work.done))
    return work.begun


@dataclass(slots=True, kw_only=True)
class _Beginning:
    """The state of one initialisation."""

    network: GraphModule
    scheme: Scheme
    seed: int
    stated: Mapping[str, Fillers]
    begun: Begun = field(default_factory=Begun)
    done: set[int] = field(default_factory=set)  # weights by identity

    def begin(self, node: Node, module: nn.Module, reads: Tensor | None = None) -> bool:
        """Draw a layer where that was not done yet; tell whether it was drawn now."""
        weight = module.get_parameter("weight")
        if id(weight) in self.done:
            return False
        self.done.add(id(weight))
        self.begun.drawn.append(layer_of(node))
        if self.scheme.name == "library":
            return True
        name = str(node.target)
        rng = _generator(self.seed, name)
        try:
            drawn, bias = self._draw(node, module, reads, rng)
        except Invalid as error:
            raise Invalid(
                f"Layer {layer_of(node)!r}: {error}", hint=error.hint, layer=layer_of(node)
            ) from error
        weight.copy_(torch.from_numpy(drawn))
        if isinstance(module.bias, Tensor) and id(module.bias) not in self.done:
            self.done.add(id(module.bias))
            module.bias.copy_(torch.from_numpy(bias.draw(tuple(module.bias.shape), rng)))
        return True

    def _draw(
        self, node: Node, module: nn.Module, reads: Tensor | None, rng: Generator
    ) -> tuple[Floats, Fill]:
        shape = tuple(module.get_parameter("weight").shape)
        if self.scheme.needs_pictures:
            assert reads is not None
            found = _learn(self.scheme.name, module, reads, rng)
            if found is None:
                self.begun.blind.append(layer_of(node))
                found = orthogonal(shape, rng)
            return found, ZERO
        if self.scheme.is_drawn:
            return self.scheme.draw(shape, rng), ZERO
        fillers = self.stated[str(node.target)]
        return fillers.weight.draw(shape, rng), fillers.bias

    def scale(self, node: Node, module: nn.Module, reads: Tensor) -> Tensor:
        """Scale a layer to outputs of unit variance, and give these."""
        weight = module.get_parameter("weight")
        given: Tensor = module(reads)
        for _ in range(TRIES):
            variance = float(given.var(correction=0))
            if abs(variance - 1) <= SPREAD:
                return given
            factor = float(f"{variance**-0.5:.{DIGITS - 1}e}") if variance > 0 else np.inf
            if not factor < np.finfo(np.float32).max or not factor:
                self.begun.dead.append(layer_of(node))
                return given
            weight.mul_(factor)
            given = module(reads)
        if abs(float(given.var(correction=0)) - 1) > SPREAD:
            self.begun.rough.append(layer_of(node))
        return given


class _Pass(Interpreter):
    """Runs the network once, and begins each layer when what it reads is there."""

    def __init__(self, work: _Beginning) -> None:
        super().__init__(work.network)
        self.work = work
        self.weighted = dict(_weighted(work.network))

    def run_node(self, n: Node) -> Any:  # noqa: ANN401  # torch's own signature
        """Run one node, a layer's after it was begun."""
        module = self.weighted.get(n)
        if module is None:
            return super().run_node(n)
        (reads,), _ = self.fetch_args_kwargs_from_env(n)
        is_new = self.work.begin(n, module, reads)
        if is_new and self.work.scheme.has_lsuv:
            return self.work.scale(n, module, reads)
        return module(reads)


class _Zero:
    """Fills with zeros, as biases begin."""

    def draw(self, shape: tuple[int, ...], rng: Generator) -> Floats:
        """Give zeros."""
        return constant(shape, rng)


ZERO = _Zero()


def _weighted(network: GraphModule) -> Iterator[tuple[Node, nn.Module]]:
    """Give the nodes whose weights are drawn, in the order of the graph."""
    for node in network.graph.nodes:
        module = find_module(network, node)
        if isinstance(module, DRAWN):
            yield node, module


def _generator(seed: int, name: str) -> Generator:
    """Give a layer's own random numbers."""
    digest = hashlib.sha256(name.encode()).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:8], "little")])


def _learn(scheme: str, module: nn.Module, reads: Tensor, rng: Generator) -> Floats | None:
    """Find a layer's filters in what it reads; None where nothing varies there.

    A transposed convolution reads no windows.
    """
    if isinstance(module, nn.ConvTranspose2d):
        return None
    weight = module.get_parameter("weight")
    shape = (*weight.shape, 1, 1)[:4]
    patches = _patches(module, reads, rng)
    if scheme == "2dpca":
        axes = pca.kernel_axes(patches)
        filters = pca.kernel_filters(axes, shape, rng) if len(axes.variances) else None
    else:
        axes = pca.principal_axes(batch.reshape(len(batch), -1) for batch in patches)
        filters = pca.pca_filters(axes, shape[0], rng) if len(axes.variances) else None
    return None if filters is None else filters.reshape(tuple(weight.shape))


def _patches(module: nn.Module, reads: Tensor, rng: Generator) -> Iterator[Floats]:
    """Give what the filters of a layer see; those of a fully connected one have one pixel."""
    if not isinstance(module, nn.Conv2d):
        return pca.read_patches(reads.reshape(-1, reads.shape[-1], 1, 1).numpy(), (1, 1), rng=rng)
    rows, columns = module.kernel_size
    down, across = module.dilation
    return pca.read_patches(
        reads.numpy(), (rows, columns), dilation=(down, across), groups=module.groups, rng=rng
    )


def _settle(network: GraphModule) -> None:
    """Give every tensor that was never set its standard value; those of drawn layers are 0."""
    state = network.state_dict(keep_vars=True)
    if not any(tensor.is_meta for tensor in state.values()):
        return
    values: dict[str, Array] = {}
    for name, tensor in state.items():
        owner, _, field_name = name.rpartition(".")
        fill = _standard(network.get_submodule(owner), field_name)
        if tensor.is_meta:
            values[name] = np.full(tuple(tensor.shape), fill, np.float32)
        else:
            values[name] = tensor.detach().numpy()
    load_weights(network, values)


def _standard(module: nn.Module, field_name: str) -> float:
    if isinstance(module, nn.PReLU):
        return SLOPE
    is_scale = field_name == "weight" and isinstance(module, ONES)
    return 1.0 if field_name == "running_var" or is_scale else 0.0


def _list_kept(network: GraphModule, done: set[int]) -> Iterator[str]:
    """Name the filters and tables that no layer of the graph drew: of functions, of attention."""
    for name, parameter in network.named_parameters():
        is_table = sum(side > 1 for side in parameter.shape) > 1
        if is_table and id(parameter) not in done:
            yield name


def _tell(names: list[str]) -> str:
    more = len(names) - MOST_TOLD
    return ", ".join(names[:MOST_TOLD]) + (f" and {more} more" if more > 0 else "")
