"""Reading the layers that join, cut, turn and sum up blobs."""

from zoo.errors import Unsupported
from zoo.formats.caffe.net import (
    ArgMax,
    Concat,
    Crop,
    Eltwise,
    Embed,
    Flatten,
    InnerProduct,
    Parameter,
    Permute,
    Reduction,
    Reshape,
    ShuffleChannel,
    Slice,
    Tile,
)
from zoo.formats.caffe.tree import Message
from zoo.formats.caffe.values import MOST_AXES, read_axis, read_dims, read_positive

OPERATIONS = {0: "PROD", 1: "SUM", 2: "MAX"}
REDUCTIONS = {1: "SUM", 2: "ASUM", 3: "SUMSQ", 4: "MEAN"}


def read_inner_product(layer: Message) -> InnerProduct:
    """Read an InnerProduct."""
    chosen = layer.message("inner_product_param")
    chosen.skip("weight_filler", "bias_filler", "engine")
    return InnerProduct(
        num_output=read_positive(chosen, "num_output"),
        axis=chosen.integer("axis", 1),
        is_transposed=chosen.flag("transpose", default=False),
        has_bias=chosen.flag("bias_term", default=True),
    )


def read_embed(layer: Message) -> Embed:
    """Read an Embed."""
    chosen = layer.message("embed_param")
    chosen.skip("weight_filler", "bias_filler")
    return Embed(
        num_output=read_positive(chosen, "num_output"),
        input_dim=read_positive(chosen, "input_dim"),
        has_bias=chosen.flag("bias_term", default=True),
    )


def read_parameter(layer: Message) -> Parameter:
    """Read a Parameter."""
    dims = read_dims(layer.message("parameter_param"), least=1)
    if not dims:
        raise layer.refuse("a Parameter needs a shape")
    return Parameter(shape=dims)


def read_arg_max(layer: Message) -> ArgMax:
    """Read an ArgMax; without an axis it looks at all of a picture."""
    chosen = layer.message("argmax_param")
    return ArgMax(
        has_values=chosen.flag("out_max_val", default=False),
        top_k=read_positive(chosen, "top_k", absent=1),
        axis=chosen.integer("axis", None),
    )


def read_eltwise(layer: Message) -> Eltwise:
    """Read an Eltwise; only a sum has coefficients."""
    chosen = layer.message("eltwise_param")
    chosen.skip("stable_prod_grad", "engine")
    operation = chosen.choice("operation", OPERATIONS, "SUM")
    if operation not in OPERATIONS.values():
        raise Unsupported(f"Eltwise {operation}")
    coefficients = tuple(chosen.numbers("coeff"))
    if coefficients and operation != "SUM":
        raise chosen.refuse(f"an Eltwise that is a {operation} takes no coeff")
    return Eltwise(operation=operation, coefficients=coefficients)


def read_concat(layer: Message) -> Concat:
    """Read a Concat; ``concat_dim`` is the old name of its axis."""
    return Concat(axis=read_axis(layer.message("concat_param"), "concat_dim"))


def read_slice(layer: Message) -> Slice:
    """Read a Slice; ``slice_dim`` is the old name of its axis."""
    chosen = layer.message("slice_param")
    points = tuple(chosen.integers("slice_point"))
    return Slice(axis=read_axis(chosen, "slice_dim"), points=points)


def read_crop(layer: Message) -> Crop:
    """Read a Crop."""
    chosen = layer.message("crop_param")
    offsets = tuple(chosen.integers("offset"))
    if min(offsets, default=0) < 0:
        raise chosen.refuse(f"offset {min(offsets)} is negative")
    return Crop(axis=chosen.integer("axis", 2), offsets=offsets)


def read_flatten(layer: Message) -> Flatten:
    """Read a Flatten."""
    chosen = layer.message("flatten_param")
    return Flatten(axis=chosen.integer("axis", 1), end_axis=chosen.integer("end_axis", -1))


def read_reshape(layer: Message) -> Reshape:
    """Read a Reshape."""
    chosen = layer.message("reshape_param")
    dims = read_dims(chosen, least=-1)
    if dims.count(-1) > 1:
        raise chosen.refuse("its shape has more than one dim of -1")
    count = chosen.integer("num_axes", -1)
    if count < -1:
        raise chosen.refuse(f"num_axes is {count}; it must be -1 or more")
    return Reshape(dims=dims, axis=chosen.integer("axis", 0), num_axes=count)


def read_permute(layer: Message) -> Permute:
    """Read SSD's Permute."""
    chosen = layer.message("permute_param")
    order = tuple(chosen.integers("order"))
    if len(set(order)) < len(order) or not set(order) <= set(range(MOST_AXES)):
        raise chosen.refuse(f"its order {order[:MOST_AXES]} is not of different axes")
    return Permute(order=order)


def read_reduction(layer: Message) -> Reduction:
    """Read a Reduction."""
    chosen = layer.message("reduction_param")
    operation = chosen.choice("operation", REDUCTIONS, "SUM")
    if operation not in REDUCTIONS.values():
        raise Unsupported(f"Reduction {operation}")
    return Reduction(
        operation=operation,
        axis=chosen.integer("axis", 0),
        coefficient=chosen.number("coeff", 1.0),
    )


def read_tile(layer: Message) -> Tile:
    """Read a Tile."""
    chosen = layer.message("tile_param")
    return Tile(tiles=read_positive(chosen, "tiles"), axis=chosen.integer("axis", 1))


def read_shuffle_channel(layer: Message) -> ShuffleChannel:
    """Read ShuffleNet's ShuffleChannel."""
    chosen = layer.message("shuffle_channel_param")
    return ShuffleChannel(group=read_positive(chosen, "group", absent=1))
