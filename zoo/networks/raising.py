"""Which standard modules compute what the functions called in a library's own code compute.

``functional.relu(x)`` and ``nn.ReLU()(x)`` are one thing said twice. Where a graph says it as a
module, everything that looks for layers (surgery, freezing, export) finds it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import add, mul, sub
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Node
from torch.fx.node import map_arg
from torch.nn import functional

aten = torch.ops.aten
UNSET = "meta"  # nothing is drawn for tensors that are put in at once
MAP_AXES = ((2, 3), (-2, -1))

# Functions under several names, by the one that the tables below and the exporters know.
SAME: Mapping[object, Callable[..., Any]] = {
    aten._adaptive_avg_pool2d.default: functional.adaptive_avg_pool2d,  # noqa: SLF001  # torch's own name
    aten.adaptive_avg_pool2d.default: functional.adaptive_avg_pool2d,
    aten.add.Tensor: add,
    aten.avg_pool2d.default: functional.avg_pool2d,
    aten.cat.default: torch.cat,
    aten.chunk.default: torch.chunk,
    aten.conv2d.default: functional.conv2d,
    aten.dropout.default: functional.dropout,
    aten.flatten.using_ints: torch.flatten,
    aten.gelu.default: functional.gelu,
    aten.group_norm.default: functional.group_norm,
    aten.hardsigmoid.default: functional.hardsigmoid,
    aten.hardswish.default: functional.hardswish,
    aten.hardswish_.default: functional.hardswish,
    aten.layer_norm.default: functional.layer_norm,
    aten.leaky_relu.default: functional.leaky_relu,
    aten.linear.default: functional.linear,
    aten.max_pool2d.default: functional.max_pool2d,
    aten.mean.dim: torch.mean,
    aten.mul.Tensor: mul,
    aten.permute.default: torch.permute,
    aten.relu.default: functional.relu,
    aten.relu_.default: functional.relu,
    aten.reshape.default: torch.reshape,
    aten.sigmoid.default: torch.sigmoid,
    aten.silu.default: functional.silu,
    aten.silu_.default: functional.silu,
    aten.softmax.int: torch.softmax,
    aten.sub.Tensor: sub,
    aten.tanh.default: torch.tanh,
    aten.transpose.int: torch.transpose,
    aten.view.default: torch.reshape,
    torch.Tensor.add: add,
    torch.Tensor.chunk: torch.chunk,
    torch.Tensor.flatten: torch.flatten,
    torch.Tensor.mean: torch.mean,
    torch.Tensor.mul: mul,
    torch.Tensor.permute: torch.permute,
    torch.Tensor.relu: functional.relu,
    torch.Tensor.reshape: torch.reshape,
    torch.Tensor.sigmoid: torch.sigmoid,
    torch.Tensor.softmax: torch.softmax,
    torch.Tensor.split: torch.split,
    torch.Tensor.squeeze: torch.squeeze,
    torch.Tensor.sub: sub,
    torch.Tensor.tanh: torch.tanh,
    torch.Tensor.swapaxes: torch.transpose,
    torch.Tensor.transpose: torch.transpose,
    torch.Tensor.unbind: torch.unbind,
    torch.Tensor.unsqueeze: torch.unsqueeze,
    torch.Tensor.view: torch.reshape,
    torch.add: add,
    torch.concat: torch.cat,
    torch.mul: mul,
    torch.relu: functional.relu,
    torch.sub: sub,
    torch.swapaxes: torch.transpose,
}
# What only says how numbers lie in memory, or gives the same ones.
NOTHING = frozenset(
    {
        aten.alias.default,
        aten.clone.default,
        aten.contiguous.default,
        aten.detach.default,
        torch.Tensor.clone,
        torch.Tensor.contiguous,
    }
)
# Their arguments after the first may be given one by one, or as one list.
SPREAD = frozenset({torch.reshape, torch.permute, torch.Tensor.expand})

Steps = tuple[nn.Module, ...]


def _mean(dim: Any = None, keepdim: bool = False, dtype: object = None) -> Steps:  # noqa: ANN401, FBT001, FBT002  # torch's own signature
    """Average a map; other averages stay the function they are."""
    if dtype is not None or not isinstance(dim, list | tuple) or tuple(sorted(dim)) not in MAP_AXES:
        return ()
    pool = nn.AdaptiveAvgPool2d(1)
    return (pool,) if keepdim else (pool, nn.Flatten())


def _softmax(dim: int | None = None, _stacklevel: int = 3, dtype: object = None) -> Steps:
    return (nn.Softmax(dim),) if dim is not None and dtype is None else ()


def _dropout(p: float = 0.5, training: bool = True, inplace: bool = False) -> Steps:  # noqa: FBT001, FBT002  # torch's own signature
    del training, inplace  # A network decides by its mode.
    return (nn.Dropout(p),)


def _max_pool(*window: Any, return_indices: bool = False, **more: Any) -> Steps:  # noqa: ANN401  # handed on
    return () if return_indices else (nn.MaxPool2d(*_set(window), **more),)


def _average_pool(*window: Any, **more: Any) -> Steps:  # noqa: ANN401  # handed on
    return (nn.AvgPool2d(*_set(window), **more),)


def _set(window: tuple[Any, ...]) -> tuple[Any, ...]:
    """Let a stride that is no number be the kernel's size."""
    return tuple(value if index != 1 or value else None for index, value in enumerate(window))


# What each function is told after its input, as torch names it.
STATELESS: Mapping[object, Callable[..., Steps]] = {
    functional.adaptive_avg_pool2d: lambda output_size: (nn.AdaptiveAvgPool2d(output_size),),
    functional.avg_pool2d: _average_pool,
    functional.dropout: _dropout,
    functional.gelu: lambda approximate="none": (nn.GELU(approximate),),
    functional.hardsigmoid: lambda inplace=False: (nn.Hardsigmoid(inplace),),
    functional.hardswish: lambda inplace=False: (nn.Hardswish(inplace),),
    functional.leaky_relu: lambda negative_slope=0.01, inplace=False: (
        nn.LeakyReLU(negative_slope, inplace),
    ),
    functional.max_pool2d: _max_pool,
    functional.relu: lambda inplace=False: (nn.ReLU(inplace),),
    functional.relu6: lambda inplace=False: (nn.ReLU6(inplace),),
    functional.sigmoid: lambda: (nn.Sigmoid(),),
    functional.silu: lambda inplace=False: (nn.SiLU(inplace),),
    functional.softmax: _softmax,
    functional.tanh: lambda: (nn.Tanh(),),
    torch.flatten: lambda start_dim=0, end_dim=-1: (nn.Flatten(start_dim, end_dim),),
    torch.mean: _mean,
    torch.sigmoid: lambda: (nn.Sigmoid(),),
    torch.softmax: _softmax,
    torch.tanh: lambda: (nn.Tanh(),),
}


@dataclass(frozen=True, slots=True)
class Read:
    """A tensor of the library's module that a function is given, by its name there."""

    name: str
    value: Tensor


@dataclass(frozen=True, slots=True)
class Weighted:
    """A module for a function that reads weights: where they lie, and what it is given beside."""

    name: str
    module: nn.Module
    reads: Any  # the value it computes from


def find_stateless(function: object, given: tuple[Any, ...], named: Mapping[str, Any]) -> Steps:
    """Give the modules that compute the function one after the other; none where it stays.

    ``given`` and ``named`` are its arguments after the first, none of them computed.
    """
    return STATELESS[function](*given, **named) if function in STATELESS else ()


def find_weighted(
    function: object, given: tuple[Any, ...], named: Mapping[str, Any]
) -> Weighted | None:
    """Give the module that computes the function with the weights it is given, if there is one.

    Its weights have to be tensors of one and the same place, named as the module names them;
    elsewhere (weights that are computed first, that are shared) the function stays.
    """
    if function not in WEIGHTED:
        return None
    fields, make = WEIGHTED[function]
    arguments = {**dict(zip(fields, given, strict=False)), **named}
    reads = {key: value for key, value in arguments.items() if isinstance(value, Read)}
    places = {value.name.rpartition(".")[::2] for value in reads.values()}
    homes = {home for home, _ in places}
    is_plain = {field for _, field in places} == set(reads) and not _computed_in(arguments)
    if len(homes) != 1 or "" in homes or not is_plain:
        return None
    module = make({**arguments, **{key: read.value for key, read in reads.items()}})
    if module is None:
        return None
    for key, read in reads.items():
        setattr(module, key, read.value)
    return Weighted(name=homes.pop(), module=module, reads=arguments["input"])


def _computed_in(arguments: Mapping[str, Any]) -> list[Node]:
    """Give the arguments beside the input that are computed."""
    found: list[Node] = []
    rest = {key: value for key, value in arguments.items() if key != "input"}
    map_arg(tuple(rest.values()), found.append)
    return found


def _linear(told: Mapping[str, Any]) -> nn.Module | None:
    outputs, inputs = told["weight"].shape
    return nn.Linear(inputs, outputs, bias=told.get("bias") is not None, device=UNSET)


def _convolution(told: Mapping[str, Any]) -> nn.Module | None:
    weight, groups = told["weight"], told.get("groups", 1)
    return nn.Conv2d(
        weight.shape[1] * groups,
        weight.shape[0],
        tuple(weight.shape[2:]),
        stride=_pair(told.get("stride", 1)),
        padding=_pair(told.get("padding", 0)),
        dilation=_pair(told.get("dilation", 1)),
        groups=groups,
        bias=told.get("bias") is not None,
        device=UNSET,
    )


def _pair(value: Any) -> Any:  # noqa: ANN401  # an int, a list of one or two, or the name of a padding
    """Write a number for both sides twice, as convolutions keep it."""
    if isinstance(value, str):
        return value
    sides = (value,) if isinstance(value, int) else tuple(value)
    return sides * 2 if len(sides) == 1 else sides


def _batch_norm(told: Mapping[str, Any]) -> nn.Module | None:
    mean, weight = told.get("running_mean"), told.get("weight")
    if mean is None or told.get("training", False):
        return None
    return nn.BatchNorm2d(
        len(mean),
        eps=told.get("eps", 1e-5),
        momentum=told.get("momentum", 0.1),
        affine=weight is not None,
        device=UNSET,
    )


def _layer_norm(told: Mapping[str, Any]) -> nn.Module | None:
    return nn.LayerNorm(
        told["normalized_shape"],
        eps=told.get("eps", 1e-5),
        elementwise_affine=told.get("weight") is not None,
        bias=told.get("bias") is not None,
        device=UNSET,
    )


def _group_norm(told: Mapping[str, Any]) -> nn.Module | None:
    groups, weight = told["num_groups"], told.get("weight")
    if weight is None or told.get("bias") is None:
        return None
    return nn.GroupNorm(groups, len(weight), eps=told.get("eps", 1e-5), device=UNSET)


LINEAR = ("input", "weight", "bias")
CONVOLUTION = (*LINEAR, "stride", "padding", "dilation", "groups")
NORM = ("weight", "bias", "running_mean", "running_var", "training", "momentum", "eps")
STATISTICS_FIRST = ("running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
Make = Callable[[Mapping[str, Any]], nn.Module | None]
# The names of what each function is given, in order, and what makes its module.
WEIGHTED: Mapping[object, tuple[tuple[str, ...], Make]] = {
    aten.batch_norm.default: (("input", *NORM), _batch_norm),
    functional.batch_norm: (("input", *STATISTICS_FIRST), _batch_norm),
    functional.conv2d: (CONVOLUTION, _convolution),
    functional.group_norm: (("input", "num_groups", "weight", "bias", "eps"), _group_norm),
    functional.layer_norm: (("input", "normalized_shape", "weight", "bias", "eps"), _layer_norm),
    functional.linear: (LINEAR, _linear),
}
