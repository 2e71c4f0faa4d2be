"""Shapes of the layers that join, cut, turn and sum up blobs.

Sources: ``Reshape`` of the layers of the same names in BVLC/caffe, and of PermuteLayer in SSD's,
AxpyLayer in SENet's and ShuffleChannelLayer in ShuffleNet's fork.
"""

import math

from zoo.formats.caffe.axes import Shape, canonical_axis, channels_of, refusal
from zoo.formats.caffe.net import (
    ArgMax,
    Axpy,
    Bias,
    Concat,
    Crop,
    Eltwise,
    Embed,
    Flatten,
    InnerProduct,
    Layer,
    Parameter,
    Permute,
    Reduction,
    Reshape,
    Scale,
    ShuffleChannel,
    Slice,
    Softmax,
    Tile,
)

FEWEST_AXES_OF_PLACES = 3  # ArgMax gives at least N x 1 x k

Shapes = tuple[Shape, ...]


def shape_same(_layer: Layer, _parameters: object, bottoms: Shapes) -> Shapes:
    """Leave the shape as it is."""
    return (bottoms[0],)


def shape_along_axis(layer: Layer, parameters: Softmax, bottoms: Shapes) -> Shapes:
    """Check that there is the axis."""
    canonical_axis(layer, parameters.axis, bottoms[0])
    return (bottoms[0],)


def shape_channels(layer: Layer, parameters: object, bottoms: Shapes) -> Shapes:
    """Check that there are channels, and that they split where they are shuffled."""
    channels = channels_of(layer, bottoms[0])
    if isinstance(parameters, ShuffleChannel) and channels % parameters.group:
        raise refusal(layer, f"{channels} channels do not split into {parameters.group} groups")
    return (bottoms[0],)


def shape_broadcast(layer: Layer, parameters: Scale | Bias, bottoms: Shapes) -> Shapes:
    """Check that what is multiplied or added fits the axes it is for."""
    broadcast_shape(layer, parameters, bottoms)
    return (bottoms[0],)


def broadcast_shape(layer: Layer, parameters: Scale | Bias, bottoms: Shapes) -> Shape:
    """Tell the shape of what a Scale or Bias multiplies with or adds, given or learned."""
    bottom = bottoms[0]
    given = bottoms[1] if len(bottoms) > 1 else None
    # A single number, which has no axes, is for a blob of any.
    axis = 0 if given == () else canonical_axis(layer, parameters.axis, bottom)
    count = parameters.num_axes if given is None else len(given)
    end = len(bottom) if count == -1 else axis + count
    if end > len(bottom):
        raise refusal(layer, f"its {count} axes from {axis} are more than {bottom} has")
    if given is not None and given != bottom[axis:end]:
        raise refusal(layer, f"its second bottom {given} does not fit {bottom} from axis {axis}")
    return bottom[axis:end]


def shape_axpy(layer: Layer, _parameters: Axpy, bottoms: Shapes) -> Shapes:
    """Check that there is a number a channel, and that the others are of one shape."""
    factor, multiplied, added = bottoms
    is_fitting = factor[:2] == multiplied[:2] and set(factor[2:]) <= {1}
    if multiplied != added or not is_fitting:
        raise refusal(layer, f"its bottoms {list(bottoms)} do not fit together")
    return (multiplied,)


def shape_eltwise(layer: Layer, parameters: Eltwise, bottoms: Shapes) -> Shapes:
    """Check that all bottoms have one shape; nothing is broadcast."""
    if len(set(bottoms)) > 1:
        raise refusal(layer, f"its bottoms {list(bottoms)} differ")
    if len(parameters.coefficients) not in {0, len(bottoms)}:
        count = len(parameters.coefficients)
        raise refusal(layer, f"it has {count} coeff for {len(bottoms)} bottoms")
    return (bottoms[0],)


def shape_inner_product(layer: Layer, parameters: InnerProduct, bottoms: Shapes) -> Shapes:
    """Put the outputs in the place of all axes from one on."""
    axis = canonical_axis(layer, parameters.axis, bottoms[0])
    return ((*bottoms[0][:axis], parameters.num_output),)


def shape_embed(_layer: Layer, parameters: Embed, bottoms: Shapes) -> Shapes:
    """Add an axis for the row that stands for a number."""
    return ((*bottoms[0], parameters.num_output),)


def shape_parameter(_layer: Layer, parameters: Parameter, _bottoms: Shapes) -> Shapes:
    """Give the shape stated."""
    return (parameters.shape,)


def shape_concat(layer: Layer, parameters: Concat, bottoms: Shapes) -> Shapes:
    """Sum up along the axis."""
    axis = canonical_axis(layer, parameters.axis, bottoms[0])
    others = {(*shape[:axis], *shape[axis + 1 :]) for shape in bottoms}
    if len(others) > 1 or len({len(shape) for shape in bottoms}) > 1:
        raise refusal(layer, f"its bottoms {list(bottoms)} differ beside axis {axis}")
    total = sum(shape[axis] for shape in bottoms)
    return (_with_size(bottoms[0], axis, total),)


def shape_slice(layer: Layer, parameters: Slice, bottoms: Shapes) -> Shapes:
    """Cut at the points, or into equal parts."""
    axis = canonical_axis(layer, parameters.axis, bottoms[0])
    total, count = bottoms[0][axis], len(layer.tops)
    points = parameters.points
    if not points:
        if total % count:
            raise refusal(layer, f"its {count} tops are no equal parts of {total}")
        points = tuple(range(total // count, total, total // count))
    if len(points) != count - 1:
        raise refusal(layer, f"it has {len(points)} slice_point for {count} tops")
    ends = (*points, total)
    sizes = [end - start for start, end in zip((0, *points), ends, strict=True)]
    if min(sizes) < 1:
        raise refusal(layer, f"its slice_point {list(points)} do not rise from 0 to {total}")
    return tuple(_with_size(bottoms[0], axis, size) for size in sizes)


def shape_crop(layer: Layer, parameters: Crop, bottoms: Shapes) -> Shapes:
    """Take the second bottom's sizes on all axes from one on."""
    bottom, reference = bottoms
    axis = canonical_axis(layer, parameters.axis, bottom)
    if len(bottom) != len(reference):
        raise refusal(layer, f"its bottoms {bottom} and {reference} have not the same axes")
    offsets = crop_offsets(layer, parameters, bottom)
    for offset, size, wanted in zip(offsets, bottom[axis:], reference[axis:], strict=True):
        if offset + wanted > size:
            raise refusal(layer, f"an offset of {offset} leaves no {wanted} of {size}")
    return ((*bottom[:axis], *reference[axis:]),)


def crop_offsets(layer: Layer, parameters: Crop, bottom: Shape) -> tuple[int, ...]:
    """Give the offset on each axis that is cut."""
    count = len(bottom) - canonical_axis(layer, parameters.axis, bottom)
    offsets = parameters.offsets or (0,)
    if len(offsets) not in {1, count}:
        raise refusal(layer, f"it has {len(offsets)} offset for {count} axes")
    return offsets * count if len(offsets) == 1 else offsets


def shape_flatten(layer: Layer, parameters: Flatten, bottoms: Shapes) -> Shapes:
    """Multiply the axes."""
    start = canonical_axis(layer, parameters.axis, bottoms[0])
    end = canonical_axis(layer, parameters.end_axis, bottoms[0])
    if end < start:
        raise refusal(layer, f"its end_axis {end} lies before its axis {start}")
    flat = math.prod(bottoms[0][start : end + 1])
    return ((*bottoms[0][:start], flat, *bottoms[0][end + 1 :]),)


def shape_reshape(layer: Layer, parameters: Reshape, bottoms: Shapes) -> Shapes:
    """Put the sizes stated in the place of the axes stated."""
    bottom = bottoms[0]
    start = parameters.axis + (len(bottom) + 1 if parameters.axis < 0 else 0)
    end = len(bottom) if parameters.num_axes == -1 else start + parameters.num_axes
    if not 0 <= start <= end <= len(bottom):
        raise refusal(layer, f"its axes {start} to {end} do not exist in {bottom}")
    dims = [
        _copied(layer, bottom, start + index) if dim == 0 else dim
        for index, dim in enumerate(parameters.dims)
    ]
    known = math.prod(dim for dim in dims if dim != -1)
    before = math.prod(bottom[start:end])
    if -1 in dims:
        dims[dims.index(-1)] = before // known
    if math.prod(dims) != before:
        raise refusal(layer, f"{bottom[start:end]} cannot become {parameters.dims}")
    return ((*bottom[:start], *dims, *bottom[end:]),)


def shape_permute(layer: Layer, parameters: Permute, bottoms: Shapes) -> Shapes:
    """Put the axes into their new order."""
    return (tuple(bottoms[0][axis] for axis in full_order(layer, parameters, bottoms[0])),)


def full_order(layer: Layer, parameters: Permute, bottom: Shape) -> tuple[int, ...]:
    """Give the order of all axes: those not named follow in theirs."""
    order = parameters.order
    if any(axis >= len(bottom) for axis in order):
        raise refusal(layer, f"its order {order} is not of the axes of {bottom}")
    return (*order, *(axis for axis in range(len(bottom)) if axis not in order))


def shape_reduction(layer: Layer, parameters: Reduction, bottoms: Shapes) -> Shapes:
    """Leave the axes before the one given."""
    return (bottoms[0][: canonical_axis(layer, parameters.axis, bottoms[0])],)


def shape_tile(layer: Layer, parameters: Tile, bottoms: Shapes) -> Shapes:
    """Multiply along the axis."""
    axis = canonical_axis(layer, parameters.axis, bottoms[0])
    return (_with_size(bottoms[0], axis, bottoms[0][axis] * parameters.tiles),)


def shape_arg_max(layer: Layer, parameters: ArgMax, bottoms: Shapes) -> Shapes:
    """Put k in the place of an axis, or give N x 1 or 2 x k (x 1 ...) of all of a picture."""
    bottom = bottoms[0]
    if parameters.axis is None:
        axes, searched = max(len(bottom), FEWEST_AXES_OF_PLACES), math.prod(bottom[1:])
        rows = 2 if parameters.has_values else 1
        shape = (*bottom[:1], rows, parameters.top_k, *(1,) * (axes - FEWEST_AXES_OF_PLACES))
    else:
        axis = canonical_axis(layer, parameters.axis, bottom)
        searched = bottom[axis]
        shape = _with_size(bottom, axis, parameters.top_k)
    if parameters.top_k > searched:
        raise refusal(layer, f"its top_k {parameters.top_k} is more than the {searched} there are")
    return (shape,)


def _copied(layer: Layer, bottom: Shape, axis: int) -> int:
    if axis >= len(bottom):
        raise refusal(layer, f"a dim of 0 copies axis {axis}, which {bottom} lacks")
    return bottom[axis]


def _with_size(shape: Shape, axis: int, size: int) -> Shape:
    return (*shape[:axis], size, *shape[axis + 1 :])
