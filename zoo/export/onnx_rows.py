"""Which ONNX nodes compute what the networks that came from ONNX graphs compute.

Rows for the modules of ``zoo.networks.onnx``, and for those of torch that only such networks have.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.fx import Node

from zoo.export.sheet import Place
from zoo.networks.onnx import layers

FLAT = 2  # axes of N x C
SPATIAL = (2, 3)  # axes of a map
FULL = (1, 1)  # a size that suits every other


def _celu(place: Place, module: nn.CELU) -> str:
    return place.add("Celu", alpha=float(module.alpha))


def _sloped_sigmoid(place: Place, module: layers.SlopedSigmoid) -> str:
    return place.add("HardSigmoid", alpha=module.alpha, beta=module.beta)


def _mish(place: Place, _module: nn.Mish) -> str:
    return place.add("Mish")


def _softsign(place: Place, _module: nn.Softsign) -> str:
    return place.add("Softsign")


def _clip(place: Place, module: layers.Clip) -> str:
    """Leave a bound out by its empty name, which ONNX allows."""
    low = "" if module.low is None else place.number("low", module.low)
    bounds = [low] if module.high is None else [low, place.number("high", module.high)]
    return place.add("Clip", *bounds)


def _log_softmax(place: Place, module: nn.LogSoftmax) -> str:
    place.refuse_if(module.dim is None, "its axis is not stated")
    return place.add("LogSoftmax", axis=module.dim)


def _instance_norm(place: Place, module: nn.InstanceNorm2d) -> str:
    is_plain = module.affine and not module.track_running_stats
    place.refuse_if(not is_plain, "it learns no scale, or keeps statistics")
    tensors = place.keep(weight=module.weight, bias=module.bias)
    return place.add("InstanceNormalization", *tensors, epsilon=module.eps)


def _pointwise(place: Place, module: layers.Pointwise) -> str:
    return place.add(module.operator)


def _with_constant(place: Place, module: layers.WithConstant) -> str:
    """Compute with a constant; one that has sizes of a map fixes them."""
    if module.value is None:
        constant = place.number("number", float(module.number or 0))
    else:
        (constant,) = place.keep(value=module.value)
        first = place.axes() - module.value.dim()
        _pin(place, *(first + axis for axis, size in enumerate(module.value.shape) if size > 1))
    pair = [constant, *place.reads] if module.is_reversed else [*place.reads, constant]
    return place.end(module.operator, *pair)


def _reduce(place: Place, module: layers.Reduce) -> str:
    axes = place.integers("axes", *module.axes)
    return place.add(module.operator, axes, keepdims=int(module.keeps))


def _pin(place: Place, *axes: int) -> None:
    """Note that sizes are written in; plans keep the batch free, so a first axis is none of it."""
    place.pin(*(axis or 1 for axis in axes))


def _reshape(place: Place, module: layers.Reshape) -> str:
    place.pin(*range(1, max(place.axes(), len(module.sizes))))
    return place.add("Reshape", place.integers("sizes", *module.sizes))


def _squeeze(place: Place, module: layers.Squeeze) -> str:
    _pin(place, *module.axes)
    return place.add("Squeeze", place.integers("axes", *module.axes))


def _unsqueeze(place: Place, module: layers.Unsqueeze) -> str:
    return place.add("Unsqueeze", place.integers("axes", *module.axes))


def _permute(place: Place, module: layers.Permute) -> str:
    return place.add("Transpose", perm=list(module.order))


def _slice(place: Place, module: layers.Slice) -> str:
    numbers = {"starts": module.start, "ends": module.end, "axes": module.axis}
    ends = [place.integers(name, number) for name, number in numbers.items()]
    _pin(place, module.axis)
    return place.add("Slice", *ends, place.integers("steps", module.step))


def _select(place: Place, module: layers.Select) -> str:
    _pin(place, module.axis)
    if isinstance(module.places, int):
        row = place.integers("place", module.places)
        taken = place.step("taken", "Gather", *place.reads, row, axis=module.axis)
        return place.end("Squeeze", taken, place.integers("axis", module.axis))
    return place.add("Gather", place.integers("places", *module.places), axis=module.axis)


def _pad(place: Place, module: layers.Pad) -> str:
    both = [module.pads[i : i + 2] for i in range(0, len(module.pads), 2)][::-1]
    none = [(0, 0)] * (place.axes() - len(both))
    before, after = zip(*(*none, *both), strict=True)
    pads = place.integers("pads", *before, *after)
    value = [place.number("value", module.value)] if module.mode == "constant" else []
    return place.add("Pad", pads, *value, mode=module.mode)


def _resize(place: Place, module: layers.Resize) -> str:
    chosen = dict(RESIZES[module.mode])
    if module.size is not None:
        place.pin(*SPATIAL)
        maps = place.step("maps", "Shape", *place.reads, start=0, end=FLAT)
        size = place.integers("size", *module.size)
        sizes = place.step("sizes", "Concat", maps, size, axis=0)
        return place.add("Resize", "", "", sizes, **chosen)
    factors = torch.tensor([*FULL, *(module.factors or FULL)], dtype=torch.float32)
    scales = place.sheet.tensor(f"{place.writes}/scales", factors, (4,))
    return place.add("Resize", "", scales, **chosen)


RESIZES: dict[str, dict[str, str]] = {
    "nearest": {
        "mode": "nearest",
        "coordinate_transformation_mode": "asymmetric",
        "nearest_mode": "floor",
    },
    "bilinear": {"mode": "linear", "coordinate_transformation_mode": "half_pixel"},
    "bilinear_corners": {"mode": "linear", "coordinate_transformation_mode": "align_corners"},
}


def _depth_to_space(place: Place, module: layers.DepthToSpace) -> str:
    return place.add("DepthToSpace", blocksize=module.block, mode=module.mode)


def _repeat(place: Place, module: layers.Repeat) -> str:
    (value,) = place.keep(value=module.value)
    count = place.step("count", "Shape", *place.reads, start=0, end=1)
    rest = place.integers("rest", *module.value.shape[1:])
    shape = place.step("shape", "Concat", count, rest, axis=0)
    return place.end("Expand", value, shape)


def _counted_average(place: Place, module: layers.CountedAvgPool2d) -> str:
    left, right, top, bottom = module.pads
    return place.add(
        "AveragePool",
        kernel_shape=list(module.kernel_size),
        strides=list(module.stride),
        pads=[top, left, bottom, right],
        count_include_pad=0,
    )


# The values take a module of their key; a mapping cannot say so, hence Any.
ONNX_MODULES: dict[type[nn.Module], Callable[[Place, Any], str]] = {
    nn.CELU: _celu,
    nn.InstanceNorm1d: _instance_norm,
    nn.InstanceNorm2d: _instance_norm,
    nn.InstanceNorm3d: _instance_norm,
    nn.LogSoftmax: _log_softmax,
    nn.Mish: _mish,
    nn.Softsign: _softsign,
    layers.Clip: _clip,
    layers.CountedAvgPool2d: _counted_average,
    layers.DepthToSpace: _depth_to_space,
    layers.Pad: _pad,
    layers.Permute: _permute,
    layers.Pointwise: _pointwise,
    layers.Reduce: _reduce,
    layers.Repeat: _repeat,
    layers.Reshape: _reshape,
    layers.Resize: _resize,
    layers.Select: _select,
    layers.Slice: _slice,
    layers.SlopedSigmoid: _sloped_sigmoid,
    layers.Squeeze: _squeeze,
    layers.Unsqueeze: _unsqueeze,
    layers.WithConstant: _with_constant,
}


def _of_two(name: str) -> Callable[[Place, Node], str]:
    """Write an operator of two values."""

    def write(place: Place, _node: Node) -> str:
        place.refuse_if(len(place.reads) != len(FULL), "it computes with a number")
        return place.add(name)

    return write


ONNX_FUNCTIONS: dict[Callable[..., Any], Callable[[Place, Node], str]] = {
    torch.matmul: _of_two("MatMul"),
    torch.maximum: _of_two("Max"),
    torch.minimum: _of_two("Min"),
    torch.pow: _of_two("Pow"),
}
