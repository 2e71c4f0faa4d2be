"""Which ONNX nodes compute what each module of a network computes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from zoo.export.layers import LAYERS
from zoo.export.layers.base import pair
from zoo.export.layers.pooling import write_pool
from zoo.export.onnx_rows import ONNX_MODULES
from zoo.export.sheet import Place, Values
from zoo.export.vision_modules import VISION_MODULES

POINT = (1, (1, 1))
FLAT = 2  # axes of N x C
SOFTPLUS = (1, 20)  # beta and threshold: beyond 20 the function is the identity in float32


def _convolution(place: Place, module: nn.Conv2d) -> str:
    place.refuse_if(module.padding_mode != "zeros", "it pads with other than zeros")
    place.refuse_if(isinstance(module.padding, str), "its padding is not a number")
    return place.add(
        "Conv",
        *place.keep(weight=module.weight, bias=module.bias),
        kernel_shape=list(module.kernel_size),
        strides=list(module.stride),
        pads=pair(module.padding) * 2,
        dilations=list(module.dilation),
        group=module.groups,
    )


def _transposed_convolution(place: Place, module: nn.ConvTranspose2d) -> str:
    place.refuse_if(isinstance(module.padding, str), "its padding is not a number")
    return place.add(
        "ConvTranspose",
        *place.keep(weight=module.weight, bias=module.bias),
        kernel_shape=list(module.kernel_size),
        strides=list(module.stride),
        pads=pair(module.padding) * 2,
        output_padding=list(module.output_padding),
        dilations=list(module.dilation),
        group=module.groups,
    )


def _linear(place: Place, module: nn.Linear) -> str:
    """Gemm takes rows; of more axes, or of one, only the last is multiplied and so fixed."""
    weight, *bias = place.keep(weight=module.weight, bias=module.bias)
    if place.axes() == FLAT:
        return place.add("Gemm", weight, *bias, transB=1)
    place.pin(place.axes() - 1)
    turned = place.step("turned", "Transpose", weight, perm=[1, 0])
    if not bias:
        return place.add("MatMul", turned)
    return place.end("Add", place.step("product", "MatMul", *place.reads, turned), *bias)


def _max_pool(place: Place, module: nn.MaxPool2d) -> str:
    place.refuse_if(module.return_indices, "it gives indices")
    place.refuse_if(pair(module.dilation) != [1, 1], "its windows are dilated")
    return write_pool(place, "MaxPool", module)


def _average_pool(place: Place, module: nn.AvgPool2d) -> str:
    place.refuse_if(module.divisor_override is not None, "it has a divisor of its own")
    is_counted = int(module.count_include_pad)
    return write_pool(place, "AveragePool", module, count_include_pad=is_counted)


def _global_max(place: Place, module: nn.AdaptiveMaxPool2d) -> str:
    place.refuse_if(module.output_size not in POINT, "it pools to more than 1 x 1")
    place.refuse_if(module.return_indices, "it gives indices")
    return place.add("GlobalMaxPool")


def _relu(place: Place, _module: nn.ReLU) -> str:
    return place.add("Relu")


def _leaky_relu(place: Place, module: nn.LeakyReLU) -> str:
    return place.add("LeakyRelu", alpha=float(module.negative_slope))


def _lrn(place: Place, module: nn.LocalResponseNorm) -> str:
    place.refuse_if(module.size % 2 == 0, "its size is even")
    alpha, beta, bias = float(module.alpha), float(module.beta), float(module.k)
    return place.add("LRN", size=module.size, alpha=alpha, beta=beta, bias=bias)


def _batch_norm(place: Place, module: nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d) -> str:
    place.refuse_if(not module.track_running_stats, "it keeps no statistics")
    ones, zeros = torch.ones(module.num_features), torch.zeros(module.num_features)
    weight, bias = (module.weight, module.bias) if module.affine else (ones, zeros)
    mean, variance = module.running_mean, module.running_var
    tensors = place.keep(weight=weight, bias=bias, running_mean=mean, running_var=variance)
    return place.add("BatchNormalization", *tensors, epsilon=module.eps)


def _softmax(place: Place, module: nn.Softmax) -> str:
    place.refuse_if(module.dim is None, "its axis is not stated")
    return place.add("Softmax", axis=module.dim)


def _flatten(place: Place, module: nn.Flatten) -> str:
    axes = place.axes()
    start, end = module.start_dim % axes, module.end_dim % axes
    if (start, end) == (1, axes - 1):
        return place.add("Flatten", axis=1)
    behind = [place.size(axis) for axis in range(end + 1, axes)]
    return place.add("Reshape", place.integers("dims", *(0,) * start, -1, *behind))


def _prelu(place: Place, module: nn.PReLU) -> str:
    return place.add("PRelu", *place.keep(end_axes=place.axes() - FLAT, weight=module.weight))


def _elu(place: Place, module: nn.ELU) -> str:
    return place.add("Elu", alpha=float(module.alpha))


def _sigmoid(place: Place, _module: nn.Sigmoid) -> str:
    return place.add("Sigmoid")


def _tanh(place: Place, _module: nn.Tanh) -> str:
    return place.add("Tanh")


def _softplus(place: Place, module: nn.Softplus) -> str:
    is_plain = (module.beta, module.threshold) == SOFTPLUS
    place.refuse_if(not is_plain, "its beta or its threshold is its own")
    return place.add("Softplus")


def _upsample(place: Place, module: nn.Upsample) -> str:
    place.refuse_if(module.mode != "nearest", f"it looks between pixels: {module.mode}")
    place.refuse_if(module.scale_factor is None, "it makes maps of one size")
    factors = np.array([1, 1, *pair(module.scale_factor)], np.float32)
    scales = place.sheet.keep(f"{place.writes}/scales", factors)
    chosen = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return place.add("Resize", "", scales, mode="nearest", **chosen)


def _nothing(place: Place, _module: nn.Module) -> str:
    """Let the reader read what this layer, inert outside training, reads."""
    return place.reads[0]


# The values take a module of their key; a mapping cannot say so, hence Any. A subclass is another
# module: it may compute something else. Modules of several values give their names in order.
MODULES: dict[type[nn.Module], Callable[[Place, Any], Values]] = {
    **ONNX_MODULES,
    nn.AdaptiveMaxPool2d: _global_max,
    nn.AvgPool2d: _average_pool,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.BatchNorm3d: _batch_norm,
    nn.Conv2d: _convolution,
    nn.ConvTranspose2d: _transposed_convolution,
    nn.Dropout: _nothing,
    nn.ELU: _elu,
    nn.Flatten: _flatten,
    nn.Identity: _nothing,
    nn.LeakyReLU: _leaky_relu,
    nn.Linear: _linear,
    nn.LocalResponseNorm: _lrn,
    nn.MaxPool2d: _max_pool,
    nn.PReLU: _prelu,
    nn.ReLU: _relu,
    nn.Sigmoid: _sigmoid,
    nn.Softmax: _softmax,
    nn.Softplus: _softplus,
    nn.Tanh: _tanh,
    nn.Upsample: _upsample,
    **LAYERS,
    **VISION_MODULES,
}
