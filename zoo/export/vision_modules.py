"""Which ONNX nodes compute the modules that the networks of torchvision and timm are made of."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from onnx import TensorProto
from torch import Tensor, nn

from zoo.export.functions import write_attention
from zoo.export.layers.base import HEIGHT, MAP, WIDTH
from zoo.export.sheet import Place, Values
from zoo.networks.tracing import StochasticDepth

POINT = (1, (1, 1))
SIX = 6.0  # where ReLU6 ends, and what the hard sigmoid is divided by


def write_average(place: Place, module: nn.AdaptiveAvgPool2d) -> str:
    """Average a map to any number of rows and columns, whatever its own size.

    Row i of n averages the rows floor(i H / n) to ceil((i + 1) H / n) - 1 of H, as torch does;
    the average is a product with a matrix on either side, made of the size the map turns out to
    have. Exporters that write one pooling instead are right for one size only.
    """
    if module.output_size in POINT:
        return place.add("GlobalAveragePool")
    size = module.output_size
    rows, columns = size if isinstance(size, tuple) else (size, size)
    if not isinstance(rows, int) or not isinstance(columns, int):
        raise place.refusal("it keeps a side of the map")
    place.refuse_if(place.axes() != MAP, "it reads no map")
    (value,) = place.reads
    left = _averaging(place, value, "rows", HEIGHT, rows)
    right = _averaging(place, value, "columns", WIDTH, columns)
    right = place.step("columns/turned", "Transpose", right, perm=[1, 0])
    halfway = place.step("halfway", "MatMul", left, value)
    return place.end("MatMul", halfway, right)


def _averaging(place: Place, value: str, side: str, axis: int, count: int) -> str:
    """Write the count x size matrix that averages along an axis; size is known when it runs."""

    def step(name: str, operator: str, *reads: str, **more: Any) -> str:  # noqa: ANN401  # handed on
        return place.step(f"{side}/{name}", operator, *reads, **more)

    def keep(name: str, numbers: Any) -> str:  # noqa: ANN401  # numbers, or lists of them
        name = f"{place.writes}/{side}/{name}"
        return place.sheet.keep(name, np.array(numbers, np.int64))

    size = step("size", "Shape", value, start=axis, end=axis + 1)
    zero, one = keep("zero", 0), keep("one", 1)
    scalar = step("scalar", "Squeeze", size, keep("axis", [0]))
    places = step("places", "Range", zero, scalar, one)
    total = keep("count", [count])
    starts = step("start_at", "Mul", keep("numbers", [[i] for i in range(count)]), size)
    starts = step("starts", "Div", starts, total)
    ends = step("end_at", "Mul", keep("next", [[i + 1] for i in range(count)]), size)
    ends = step("end_up", "Add", ends, keep("rest", [count - 1]))
    ends = step("ends", "Div", ends, total)
    after = step("after", "GreaterOrEqual", places, starts)
    inside = step("inside", "And", after, step("before", "Less", places, ends))
    ones = step("ones", "Cast", inside, to=TensorProto.FLOAT)
    length = step("lengths", "Sub", ends, starts)
    return step("matrix", "Div", ones, step("length", "Cast", length, to=TensorProto.FLOAT))


def _silu(place: Place, _module: nn.SiLU) -> str:
    return place.add("Mul", place.step("sigmoid", "Sigmoid", *place.reads))


def _hard_swish(place: Place, _module: nn.Hardswish) -> str:
    return place.add("HardSwish")


def _hard_sigmoid(place: Place, _module: nn.Hardsigmoid) -> str:
    return place.add("HardSigmoid", alpha=1 / SIX, beta=0.5)


def _relu6(place: Place, _module: nn.ReLU6) -> str:
    return place.add("Clip", place.number("least", 0), place.number("most", SIX))


def _gelu(place: Place, module: nn.GELU) -> str:
    return place.add("Gelu", approximate=module.approximate)


def _layer_norm(place: Place, module: nn.LayerNorm) -> str:
    shape = tuple(module.normalized_shape)
    weight = module.weight if module.elementwise_affine else torch.ones(shape)
    names = place.keep(weight=weight, bias=module.bias)
    return place.add("LayerNormalization", *names, axis=-len(shape), epsilon=module.eps)


def _group_norm(place: Place, module: nn.GroupNorm) -> str:
    """Normalise each group as if it were one channel, then weigh the channels."""
    (value,), groups = place.reads, module.num_groups
    grouped = place.step("grouped", "Reshape", value, place.integers("groups", 0, groups, -1))
    ones = place.sheet.keep(f"{place.writes}/ones", np.ones(groups, np.float32))
    zeros = place.sheet.keep(f"{place.writes}/zeros", np.zeros(groups, np.float32))
    normal = place.step("normal", "InstanceNormalization", grouped, ones, zeros, epsilon=module.eps)
    shape = place.step("shape", "Shape", value)
    if not module.affine:
        return place.end("Reshape", normal, shape)
    whole = place.step("whole", "Reshape", normal, shape)
    weight, bias = place.keep(end_axes=place.axes() - 2, weight=module.weight, bias=module.bias)
    return place.end("Add", place.step("weighed", "Mul", whole, weight), bias)


def _attend(place: Place, module: nn.MultiheadAttention) -> tuple[str, ...]:
    """Write the attention of a sequence to itself, N x length x width; weights are not given."""
    query, *others = place.reads
    place.refuse_if(others != [query, query], "it attends to another sequence")
    place.refuse_if(not module.batch_first, "its batch is not first")
    place.refuse_if(module.in_proj_weight is None, "its parts have weights of their own")
    is_extended = module.bias_k is not None or module.add_zero_attn
    place.refuse_if(is_extended, "it adds to the sequence")
    heads, width = module.num_heads, module.head_dim
    projected = _project(place, query, "in_proj", module.in_proj_weight, module.in_proj_bias)
    sizes = place.integers("heads", 0, 0, 3, heads, width)
    split = place.step("split", "Reshape", projected, sizes)
    laid = place.step("laid", "Transpose", split, perm=[2, 0, 3, 1, 4])
    read = [
        place.step(name, "Gather", laid, place.sheet.keep(f"{place.writes}/{name}_at", at), axis=0)
        for name, at in (
            (name, np.array(index, np.int64)) for index, name in enumerate(("q", "k", "v"))
        )
    ]
    mixed = write_attention(place, *read, scale=width**-0.5)
    back = place.step("back", "Transpose", mixed, perm=[0, 2, 1, 3])
    joined = place.step("joined", "Reshape", back, place.integers("width", 0, 0, heads * width))
    out = module.out_proj
    return _project(place, joined, "out_proj", out.weight, out.bias), ""


def _project(place: Place, value: str, name: str, weight: Tensor, bias: Tensor | None) -> str:
    """Multiply the last axis by a weight, outputs x inputs."""
    kept = place.sheet.tensor(f"{place.prefix}.{name}.weight", weight, tuple(weight.shape))
    turned = place.step(f"{name}/turned", "Transpose", kept, perm=[1, 0])
    product = place.step(f"{name}/product", "MatMul", value, turned)
    if bias is None:
        return product
    added = place.sheet.tensor(f"{place.prefix}.{name}.bias", bias, tuple(bias.shape))
    return place.step(name, "Add", product, added)


def _nothing(place: Place, _module: StochasticDepth) -> str:
    return place.reads[0]


# The values take a module of their key; a mapping cannot say so, hence Any.
VISION_MODULES: dict[type[nn.Module], Callable[[Place, Any], Values]] = {
    nn.AdaptiveAvgPool2d: write_average,
    nn.GELU: _gelu,
    nn.GroupNorm: _group_norm,
    nn.Hardsigmoid: _hard_sigmoid,
    nn.Hardswish: _hard_swish,
    nn.LayerNorm: _layer_norm,
    nn.MultiheadAttention: _attend,
    nn.ReLU6: _relu6,
    nn.SiLU: _silu,
    StochasticDepth: _nothing,
}
