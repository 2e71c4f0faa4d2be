"""A network as a Caffe net: the way back for networks of layers that Caffe has."""

import operator
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.fx import GraphModule, Node
from torch.fx.node import map_arg

from zoo.errors import UnsupportedLayers
from zoo.formats.caffe import net as caffe
from zoo.formats.caffe.net import Input, Layer, Net, Parameters, Shared
from zoo.formats.caffe.slots import blob_names, weight_name
from zoo.networks import layers
from zoo.networks.caffe import module_name
from zoo.networks.graph import describe_node, find_module, get_input, layer_of

DATA = "data"
ENDS = {"placeholder", "output"}


def describe_net(network: GraphModule, *, name: str, shape: tuple[int, int, int]) -> Net:
    """Describe a network as a Caffe net that reads one picture of channels x height x width.

    The layers have the names of the network's, so its weights fit by ``to_blobs``. No layer is in
    place; Caffe computes the same. What only a fork of Caffe has is refused.

    Raises:
        UnsupportedLayers: layers have no equal in Caffe; every one is named.
    """
    data = DATA
    while any(layer_of(node) == data for node in network.graph.nodes if node.op not in ENDS):
        data += "_"
    blobs: dict[Node, str] = {get_input(network): data}
    described: list[Layer] = []
    refused: list[str] = []
    for node in network.graph.nodes:
        if node.op in ENDS or node in blobs:
            continue
        if _is_implied(network, node):
            blobs[node] = blobs[node.all_input_nodes[0]]
            continue
        tops = _name_tops(network, node, blobs)
        parameters = _parameters(network, node)
        if parameters is None:
            refused.append(describe_node(network, node))
            continue
        bottoms = tuple(blobs[read] for read in _reads(node))
        described.append(
            Layer(name=layer_of(node), bottoms=bottoms, tops=tops, parameters=parameters)
        )
    if refused:
        raise UnsupportedLayers(
            f"Caffe has no equal for {', '.join(refused)}.",
            hint="Export it as ONNX: zoo export MODEL --format onnx",
            layers=refused,
        )
    given = Input(blob=data, shape=(1, *shape))
    return Net(name=name, inputs=(given,), layers=_with_shared(network, described))


def _name_tops(network: GraphModule, node: Node, blobs: dict[Node, str]) -> tuple[str, ...]:
    """Name what a node writes by its layer; of several values each node that takes one out."""
    name = layer_of(node)
    count = _count_tops(find_module(network, node))
    tops = tuple(f"{name}/{number}" if count > 1 else name for number in range(count))
    for user in node.users:
        if user.target is operator.getitem:
            blobs[user] = tops[int(user.args[1])]  # type: ignore[arg-type]  # a number in our graphs
    blobs[node] = name
    return tops


def _count_tops(module: nn.Module | None) -> int:
    if isinstance(module, layers.Slice):
        return module.parts
    return 2 if isinstance(module, layers.MaskedMaxPool2d) else 1


def _reads(node: Node) -> list[Node]:
    """Give the nodes a node reads, in order and as often as it reads them."""
    found: list[Node] = []
    map_arg(node.args, found.append)
    return found


def _is_implied(network: GraphModule, node: Node) -> bool:
    """Tell whether a flatten need not be written, because InnerProduct flattens what it reads."""
    module = find_module(network, node)
    return (
        isinstance(module, nn.Flatten)
        and module.end_dim == -1
        and all(
            isinstance(find_module(network, user), nn.Linear)
            and user.meta.get("axis", 1) == module.start_dim
            for user in node.users
        )
    )


def _parameters(network: GraphModule, node: Node) -> Parameters | None:
    """Give a node's parameters as Caffe states them, or None where Caffe has no such layer."""
    if node.target is torch.cat:
        return caffe.Concat(axis=int(node.kwargs.get("dim", 0)))  # type: ignore[arg-type]  # an int in our graphs
    module = find_module(network, node)
    if isinstance(module, nn.Linear):
        return caffe.InnerProduct(
            num_output=module.out_features,
            axis=node.meta.get("axis", 1),
            has_bias=module.bias is not None,
        )
    describe = MODULES.get(type(module))
    return describe(module) if describe else None


def _with_shared(network: GraphModule, described: list[Layer]) -> tuple[Layer, ...]:
    """Note which layers use a tensor of one above them, by the tensors' identity."""
    owners: dict[int, tuple[str, int]] = {}
    found = []
    for layer in described:
        module = network.get_submodule(module_name(layer)) if blob_names(layer) else None
        shares = []
        for index, blob in enumerate(blob_names(layer)):
            field = weight_name(layer, blob)
            tensor = getattr(module, field) if field else None
            if tensor is None:
                continue
            owner = owners.setdefault(id(tensor), (layer.name, index))
            if owner != (layer.name, index):
                shares.append(Shared(index=index, owner=owner[0], owner_index=owner[1]))
        found.append(replace(layer, shares=tuple(shares)))
    return tuple(found)


def _pair(value: int | tuple[int, ...]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def _convolution(module: nn.Conv2d) -> caffe.Convolution:
    return caffe.Convolution(
        num_output=module.out_channels,
        kernel=_pair(module.kernel_size),
        stride=_pair(module.stride),
        pad=_pair(module.padding),  # type: ignore[arg-type]  # numbers in our graphs, never "same"
        dilation=_pair(module.dilation),
        group=module.groups,
        has_bias=module.bias is not None,
    )


def _max_pool(module: nn.MaxPool2d) -> caffe.Pooling:
    return _pooling("MAX", module)


def _average_pool(module: nn.AvgPool2d) -> caffe.Pooling:
    return _pooling("AVE", module)


def _widely_padded_pool(module: layers.WidelyPaddedPool2d) -> caffe.Pooling:
    return _pooling("AVE" if module.is_average else "MAX", module)


def _pooling(method: str, module: Any) -> caffe.Pooling:  # noqa: ANN401  # kinds of the same fields
    if not any(_pair(module.kernel_size)):
        return caffe.Pooling(method=method, is_global=True)
    return caffe.Pooling(
        method=method,
        kernel=_pair(module.kernel_size),
        stride=_pair(module.stride),
        pad=_pair(getattr(module, "padding", 0)),
        has_ceil=module.ceil_mode,
    )


def _lrn(module: nn.LocalResponseNorm) -> caffe.LRN:
    return caffe.LRN(local_size=module.size, alpha=module.alpha, beta=module.beta, k=module.k)


def _within_channel_lrn(module: layers.WithinChannelLRN) -> caffe.LRN:
    return caffe.LRN(
        is_within_channel=True, local_size=module.size, alpha=module.alpha, beta=module.beta
    )


def _masked_max_pool(module: layers.MaskedMaxPool2d) -> caffe.Pooling:
    return _pooling("MAX", module)


def _stochastic_pool(module: layers.StochasticPool2d) -> caffe.Pooling:
    return _pooling("STOCHASTIC", module)


def _transposed_convolution(module: nn.ConvTranspose2d) -> caffe.Deconvolution | None:
    if any(module.output_padding):
        return None
    return caffe.Deconvolution(
        num_output=module.out_channels,
        kernel=_pair(module.kernel_size),
        stride=_pair(module.stride),
        pad=_pair(module.padding),  # type: ignore[arg-type]  # numbers in our graphs, never "same"
        dilation=_pair(module.dilation),
        group=module.groups,
        has_bias=module.bias is not None,
    )


def _batch_norm(module: nn.BatchNorm2d) -> caffe.BatchNorm | None:
    if module.affine:
        return None
    return caffe.BatchNorm(eps=module.eps, moving_average_fraction=1 - (module.momentum or 0))


def _batch_statistics(module: layers.BatchStatistics) -> caffe.BatchNorm:
    return caffe.BatchNorm(
        eps=module.eps, moving_average_fraction=1 - module.momentum, has_statistics=False
    )


def _scale(module: layers.Scale) -> caffe.Scale:
    has_bias = module.bias is not None
    return caffe.Scale(axis=module.axis, num_axes=module.weight.dim(), has_bias=has_bias)


def _bias(module: layers.Bias) -> caffe.Bias:
    return caffe.Bias(axis=module.axis, num_axes=module.bias.dim())


def _softplus(module: nn.Softplus) -> caffe.BNLL | None:
    return caffe.BNLL() if module.beta == 1 else None


def _embed(module: layers.Embed) -> caffe.Embed:
    rows, columns = module.weight.shape
    return caffe.Embed(num_output=columns, input_dim=rows, has_bias=module.bias is not None)


def _mvn(module: layers.MVN) -> caffe.MVN:
    return caffe.MVN(
        has_variance=module.has_variance,
        is_across_channels=module.is_across_channels,
        eps=module.eps,
    )


def _reduction(module: layers.Reduction) -> caffe.Reduction:
    return caffe.Reduction(
        operation=module.operation, axis=module.axis, coefficient=module.coefficient
    )


def _arg_max(module: layers.ArgMax) -> caffe.ArgMax:
    return caffe.ArgMax(has_values=module.has_values, top_k=module.top_k, axis=module.axis)


def _spp(module: layers.SPP) -> caffe.SPP:
    method = "AVE" if module.is_average else "MAX"
    return caffe.SPP(pyramid_height=module.pyramid_height, method=method)


def _flatten(module: nn.Flatten) -> caffe.Flatten:
    return caffe.Flatten(axis=module.start_dim, end_axis=module.end_dim)


# What only forks of Caffe have is not here.
MODULES: dict[type, Callable[[Any], Parameters | None]] = {
    nn.AdaptiveAvgPool2d: lambda _: caffe.Pooling(method="AVE", is_global=True),
    nn.AdaptiveMaxPool2d: lambda _: caffe.Pooling(method="MAX", is_global=True),
    nn.AvgPool2d: _average_pool,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.BatchNorm3d: _batch_norm,
    nn.Conv2d: _convolution,
    nn.ConvTranspose2d: _transposed_convolution,
    nn.Dropout: lambda module: caffe.Dropout(ratio=module.p),
    nn.ELU: lambda module: caffe.ELU(alpha=module.alpha),
    nn.Flatten: _flatten,
    nn.LeakyReLU: lambda module: caffe.ReLU(negative_slope=module.negative_slope),
    nn.LocalResponseNorm: _lrn,
    nn.MaxPool2d: _max_pool,
    nn.PReLU: lambda module: caffe.PReLU(is_shared=module.num_parameters == 1),
    nn.ReLU: lambda _: caffe.ReLU(),
    nn.Sigmoid: lambda _: caffe.Sigmoid(),
    nn.Softmax: lambda module: caffe.Softmax(axis=module.dim),
    nn.Softplus: _softplus,
    nn.Tanh: lambda _: caffe.TanH(),
    layers.AbsVal: lambda _: caffe.AbsVal(),
    layers.ArgMax: _arg_max,
    layers.BatchStatistics: _batch_statistics,
    layers.Bias: _bias,
    layers.BiasBy: lambda module: caffe.Bias(axis=module.axis),
    layers.Clip: lambda module: caffe.Clip(least=module.least, most=module.most),
    layers.Crop: lambda module: caffe.Crop(axis=module.axis, offsets=module.offsets),
    layers.Eltwise: lambda module: caffe.Eltwise(
        operation=module.operation, coefficients=module.coefficients
    ),
    layers.Embed: _embed,
    layers.Exp: lambda module: caffe.Exp(base=module.base, scale=module.scale, shift=module.shift),
    layers.Log: lambda module: caffe.Log(base=module.base, scale=module.scale, shift=module.shift),
    layers.MVN: _mvn,
    layers.MaskedMaxPool2d: _masked_max_pool,
    layers.Parameter: lambda module: caffe.Parameter(shape=tuple(module.weight.shape)),
    layers.Power: lambda module: caffe.Power(
        power=module.power, scale=module.scale, shift=module.shift
    ),
    layers.Reduction: _reduction,
    layers.Reshape: lambda module: caffe.Reshape(
        dims=module.dims, axis=module.axis, num_axes=module.num_axes
    ),
    layers.SPP: _spp,
    layers.Scale: _scale,
    layers.ScaleBy: lambda module: caffe.Scale(axis=module.axis, has_bias=module.bias is not None),
    layers.Slice: lambda module: caffe.Slice(axis=module.axis, points=module.points),
    layers.StochasticPool2d: _stochastic_pool,
    layers.Swish: lambda module: caffe.Swish(beta=module.beta),
    layers.Threshold: lambda module: caffe.Threshold(threshold=module.threshold),
    layers.Tile: lambda module: caffe.Tile(axis=module.axis, tiles=module.tiles),
    layers.WidelyPaddedPool2d: _widely_padded_pool,
    layers.WithinChannelLRN: _within_channel_lrn,
}
