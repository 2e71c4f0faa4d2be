"""Which ONNX nodes compute what each module of a network computes."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from zoo.export.sheet import Place
from zoo.networks.layers import Scale, WidelyPaddedPool2d, WithinChannelLRN

POINT = (1, (1, 1))


def _pair(value: Any) -> list[int]:  # noqa: ANN401  # torch's int, or tuple of them
    return [value, value] if isinstance(value, int) else list(value)


def _convolution(place: Place, module: nn.Conv2d) -> str:
    place.refuse_if(module.padding_mode != "zeros", "it pads with other than zeros")
    place.refuse_if(isinstance(module.padding, str), "its padding is not a number")
    return place.add(
        "Conv",
        *place.keep(weight=module.weight, bias=module.bias),
        kernel_shape=list(module.kernel_size),
        strides=list(module.stride),
        pads=_pair(module.padding) * 2,
        dilations=list(module.dilation),
        group=module.groups,
    )


def _linear(place: Place, module: nn.Linear) -> str:
    return place.add("Gemm", *place.keep(weight=module.weight, bias=module.bias), transB=1)


def _window(module: nn.MaxPool2d | nn.AvgPool2d | WidelyPaddedPool2d) -> dict[str, Any]:
    return {
        "kernel_shape": _pair(module.kernel_size),
        "strides": _pair(module.stride),
        "pads": _pair(module.padding) * 2,
        "ceil_mode": int(module.ceil_mode),
    }


def _max_pool(place: Place, module: nn.MaxPool2d) -> str:
    place.refuse_if(module.return_indices, "it gives indices")
    return place.add("MaxPool", **_window(module), dilations=_pair(module.dilation))


def _average_pool(place: Place, module: nn.AvgPool2d) -> str:
    place.refuse_if(module.divisor_override is not None, "it has a divisor of its own")
    is_counted = int(module.count_include_pad)
    return place.add("AveragePool", **_window(module), count_include_pad=is_counted)


def _widely_padded_pool(place: Place, module: WidelyPaddedPool2d) -> str:
    if module.is_average:
        return place.add("AveragePool", **_window(module), count_include_pad=1)
    return place.add("MaxPool", **_window(module))


def _global_average(place: Place, module: nn.AdaptiveAvgPool2d) -> str:
    place.refuse_if(module.output_size not in POINT, "it pools to more than 1 x 1")
    return place.add("GlobalAveragePool")


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


def _within_channel_lrn(place: Place, module: WithinChannelLRN) -> str:
    (x,) = place.reads
    square = place.step("square", "Mul", x, x)
    average = place.step(
        "average",
        "AveragePool",
        square,
        kernel_shape=_pair(module.size),
        pads=[(module.size - 1) // 2] * 4,
        count_include_pad=1,
    )
    weighted = place.step("weighted", "Mul", average, place.number("alpha", module.alpha))
    total = place.step("total", "Add", weighted, place.number("one", 1))
    factor = place.step("factor", "Pow", total, place.number("power", -module.beta))
    return place.add("Mul", factor)


def _batch_norm(place: Place, module: nn.BatchNorm1d | nn.BatchNorm2d) -> str:
    place.refuse_if(not module.track_running_stats, "it keeps no statistics")
    ones, zeros = torch.ones(module.num_features), torch.zeros(module.num_features)
    weight, bias = (module.weight, module.bias) if module.affine else (ones, zeros)
    mean, variance = module.running_mean, module.running_var
    tensors = place.keep(weight=weight, bias=bias, running_mean=mean, running_var=variance)
    return place.add("BatchNormalization", *tensors, epsilon=module.eps)


def _scale(place: Place, module: Scale) -> str:
    names = place.keep(end_axes=module.axes - 2, weight=module.weight, bias=module.bias)
    if module.bias is None:
        return place.add("Mul", *names)
    weight, bias = names
    product = place.step("product", "Mul", *place.reads, weight)
    return place.sheet.add("Add", [product, bias], place.writes)


def _softmax(place: Place, module: nn.Softmax) -> str:
    place.refuse_if(module.dim is None, "its axis is not stated")
    return place.add("Softmax", axis=module.dim)


def _flatten(place: Place, module: nn.Flatten) -> str:
    is_whole = (module.start_dim, module.end_dim) == (1, -1)
    place.refuse_if(not is_whole, "it flattens some axes only")
    return place.add("Flatten", axis=1)


def _nothing(place: Place, _module: nn.Module) -> str:
    """Let the reader read what this layer, inert outside training, reads."""
    return place.reads[0]


# The values take a module of their key; a mapping cannot say so, hence Any. A subclass is another
# module: it may compute something else.
MODULES: dict[type[nn.Module], Callable[[Place, Any], str]] = {
    nn.AdaptiveAvgPool2d: _global_average,
    nn.AdaptiveMaxPool2d: _global_max,
    nn.AvgPool2d: _average_pool,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.Conv2d: _convolution,
    nn.Dropout: _nothing,
    nn.Flatten: _flatten,
    nn.Identity: _nothing,
    nn.LeakyReLU: _leaky_relu,
    nn.Linear: _linear,
    nn.LocalResponseNorm: _lrn,
    nn.MaxPool2d: _max_pool,
    nn.ReLU: _relu,
    nn.Softmax: _softmax,
    Scale: _scale,
    WidelyPaddedPool2d: _widely_padded_pool,
    WithinChannelLRN: _within_channel_lrn,
}
