import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.errors import MalformedPrototxt
from zoo.formats.caffe import net as caffe
from zoo.formats.caffe.net import (
    LRN,
    Concat,
    Convolution,
    Deconvolution,
    Flatten,
    InnerProduct,
    Input,
    Layer,
    Net,
    Parameters,
    Pooling,
    ReLU,
    Scale,
    Softmax,
)
from zoo.formats.caffe.shapes import RULES, LayerShapes, infer_shapes


def top_of(parameters, *shapes, batch=1):
    return tops_of(parameters, *shapes, batch=batch)[0]


def tops_of(parameters, *shapes, tops=("out",), batch=1):
    inputs = tuple(Input(blob=f"in{i}", shape=(9, *shape)) for i, shape in enumerate(shapes))
    bottoms = tuple(each.blob for each in inputs)
    layer = Layer(name="layer", bottoms=bottoms, tops=tops, parameters=parameters)
    net = Net(name="", inputs=inputs, layers=(layer,))
    return infer_shapes(net, batch=batch)["layer"].tops


def test_every_kind_of_layer_has_a_rule():
    assert set(RULES) == set(typing.get_args(Parameters))


def test_a_layer_tells_what_it_reads_and_writes_for_the_batch_asked_for():
    layer = Layer(name="r", bottoms=("data",), tops=("data",), parameters=ReLU())
    net = Net(name="", inputs=(Input(blob="data", shape=(7, 3, 2, 2)),), layers=(layer,))
    shape = (5, 3, 2, 2)
    assert infer_shapes(net, batch=5) == {"r": LayerShapes(bottoms=(shape,), tops=(shape,))}


@pytest.mark.parametrize(
    ("parameters", "size", "expected"),
    [
        (Convolution(num_output=96, kernel=(11, 11), stride=(4, 4)), (227, 227), (55, 55)),
        (Convolution(num_output=96, kernel=(3, 5), pad=(1, 0)), (8, 8), (8, 4)),
        (Convolution(num_output=96, kernel=(3, 3), dilation=(2, 3)), (9, 9), (5, 3)),
        (Convolution(num_output=96, kernel=(3, 3), stride=(2, 2)), (8, 8), (3, 3)),
    ],
)
def test_convolutions_round_down(parameters, size, expected):
    assert top_of(parameters, (3, *size)) == (1, 96, *expected)


@pytest.mark.parametrize(
    ("size", "window", "has_ceil", "expected"),
    [
        (55, (3, 2, 0), True, 27),
        (32, (3, 2, 0), True, 16),  # 15.5 rounded up: the last window overhangs.
        (32, (3, 2, 0), False, 15),
        (112, (3, 2, 1), True, 57),
        (112, (3, 2, 1), False, 56),
        (4, (2, 2, 1), True, 3),
        (3, (2, 3, 1), True, 2),
        (5, (2, 4, 1), True, 2),  # A third window would begin at 7, in the padding.
        (5, (2, 3, 1), True, 2),  # Likewise, at 5.
        (2, (3, 2, 0), True, 1),
    ],
)
def test_poolings_round_up_less_a_window_in_the_padding(size, window, has_ceil, expected):
    kernel, stride, pad = ((each, each) for each in window)
    pooling = Pooling(method="MAX", kernel=kernel, stride=stride, pad=pad, has_ceil=has_ceil)
    assert top_of(pooling, (2, size, size)) == (1, 2, expected, expected)


def test_global_pooling_leaves_one_pixel():
    assert top_of(Pooling(method="AVE", is_global=True), (5, 7, 9)) == (1, 5, 1, 1)


def test_an_empty_window_without_padding_is_refused():
    pooling = Pooling(method="MAX", kernel=(1, 1), stride=(3, 3))
    with pytest.raises(MalformedPrototxt, match=r"'layer' \(Pooling\).*empty window"):
        top_of(pooling, (2, 6, 6))


def test_padding_as_large_as_the_kernel_is_refused():
    pooling = Pooling(method="MAX", kernel=(2, 2), pad=(2, 2))
    with pytest.raises(MalformedPrototxt, match="pad 2 is not smaller than its kernel 2"):
        top_of(pooling, (2, 6, 6))


@pytest.mark.parametrize(
    ("parameters", "shapes", "expected"),
    [
        (InnerProduct(num_output=5), [(3, 2, 2)], (1, 5)),
        (InnerProduct(num_output=5, axis=-1), [(3, 2, 2)], (1, 3, 2, 5)),
        (Concat(), [(3, 2, 2), (4, 2, 2)], (1, 7, 2, 2)),
        (Concat(axis=-1), [(3, 2, 2), (3, 2, 5)], (1, 3, 2, 7)),
        (Flatten(), [(3, 2, 2)], (1, 12)),
        (Flatten(axis=1, end_axis=2), [(3, 2, 4)], (1, 6, 4)),
        (LRN(), [(3, 2, 2)], (1, 3, 2, 2)),
        (Softmax(axis=-1), [(3,)], (1, 3)),
        (Scale(), [(3, 2)], (1, 3, 2)),
        (Scale(axis=0), [(3, 2, 2), (3,)], (1, 3, 2, 2)),
        (Scale(num_axes=-1), [(3, 2, 2)], (1, 3, 2, 2)),
        (Scale(num_axes=0), [(3,)], (1, 3)),
        (caffe.Bias(axis=0), [(3, 2, 2), (3,)], (1, 3, 2, 2)),
        (caffe.AbsVal(), [(3, 2)], (1, 3, 2)),
        (caffe.PReLU(), [(3, 2)], (1, 3, 2)),
        (caffe.ArgMax(), [(9,)], (1, 1, 1)),
        (caffe.ArgMax(top_k=5, has_values=True), [(9, 2, 2)], (1, 2, 5, 1)),
        (caffe.ArgMax(axis=1, top_k=2), [(9, 2, 2)], (1, 2, 2, 2)),
        (caffe.Axpy(), [(3, 1, 1), (3, 2, 2), (3, 2, 2)], (1, 3, 2, 2)),
        (caffe.Axpy(), [(3,), (3, 2, 2), (3, 2, 2)], (1, 3, 2, 2)),
        (caffe.Eltwise(), [(3, 2), (3, 2)], (1, 3, 2)),
        (caffe.Embed(num_output=7, input_dim=2), [(3,)], (1, 3, 7)),
        (caffe.Parameter(shape=(2, 3)), [], (2, 3)),
        (caffe.Crop(), [(3, 9, 8), (5, 2, 4)], (1, 3, 2, 4)),
        (caffe.Crop(axis=1, offsets=(2, 7, 0)), [(3, 9, 8), (1, 2, 4)], (1, 1, 2, 4)),
        (Deconvolution(num_output=2, kernel=(4, 4), stride=(2, 2), pad=(1, 1)), 5, 10),
        (Deconvolution(num_output=2, kernel=(3, 3), dilation=(2, 2)), 5, 9),
        (Convolution(num_output=3, kernel=(3, 3), is_depthwise=True), 5, 3),
        (caffe.Interp(zoom=8), 5, 33),
        (caffe.Interp(shrink=2), 5, 3),
        (caffe.Interp(size=(7, 7)), 5, 7),
        (caffe.Interp(pad_begin=-1, pad_end=-1), 5, 3),
        (caffe.Interp(), [(3, 5, 5), (1, 9, 8)], (1, 3, 9, 8)),
        (caffe.Upsample(scale=(2, 3)), [(3, 5, 5)], (1, 3, 10, 15)),
        (caffe.Upsample(size=(9, 9)), [(3, 5, 5), (3, 5, 5)], (1, 3, 9, 9)),
        (caffe.Permute(order=(0, 2, 3, 1)), [(3, 4, 5)], (1, 4, 5, 3)),
        (caffe.Permute(order=(2,)), [(3, 4, 5)], (4, 1, 3, 5)),
        (caffe.Reduction(axis=2), [(3, 4, 5)], (1, 3)),
        (caffe.Reduction(), [(3, 4, 5)], ()),
        (caffe.Tile(tiles=3, axis=-1), [(3, 4)], (1, 3, 12)),
        (caffe.ShuffleChannel(group=3), [(6, 2, 2)], (1, 6, 2, 2)),
        (caffe.SPP(pyramid_height=3), [(2, 9, 9)], (1, 42)),
        (caffe.SPP(pyramid_height=1), [(2, 9, 9)], (1, 2, 1, 1)),
        (caffe.Reshape(dims=(0, -1)), [(3, 4, 5)], (1, 60)),
        (caffe.Reshape(dims=(0, 0, 2, -1)), [(3, 4, 5)], (1, 3, 2, 10)),
        (caffe.Reshape(dims=(-1,), axis=1, num_axes=2), [(3, 4, 5)], (1, 12, 5)),
        (caffe.Reshape(dims=(1,), axis=-1, num_axes=0), [(3, 4)], (1, 3, 4, 1)),
        (caffe.Reshape(dims=(1, 1), axis=1, num_axes=0), [(3,)], (1, 1, 1, 3)),
        (caffe.Reshape(dims=(2, -1), axis=-2), [(3, 4)], (1, 3, 2, 2)),
    ],
)
def test_other_layers_follow_caffe(parameters, shapes, expected):
    if isinstance(shapes, int):  # the side of a map of three channels, and of what becomes of it
        shapes, side = [(3, shapes, shapes)], expected
        expected = (1, getattr(parameters, "num_output", 3), side, side)
    assert top_of(parameters, *shapes) == expected


@pytest.mark.parametrize(
    ("parameters", "shapes", "reason"),
    [
        (Convolution(num_output=4, kernel=(9, 9)), [(2, 3, 3)], "every size must be at least 1"),
        (Convolution(num_output=4, kernel=(1, 1), group=3), [(4, 3, 3)], "3 groups"),
        (Convolution(num_output=4, kernel=(1, 1)), [(4,)], "not number x channels x h x w"),
        (InnerProduct(num_output=2**31), [(4,)], "more than 2147483647 numbers"),
        (InnerProduct(num_output=4, axis=2), [(4,)], "axis 2 does not exist"),
        (Softmax(axis=-3), [(4,)], "axis -3 does not exist"),
        (Concat(), [(4, 2), (4, 3)], "differ beside axis 1"),
        (Concat(), [(4, 2), (4,)], "differ beside axis 1"),
        (Flatten(axis=2, end_axis=1), [(4, 2, 2)], "end_axis 1 lies before its axis 2"),
        (ReLU(), [], "it has no bottom"),
        (Scale(axis=2), [(4,)], "axis 2 does not exist"),
        (Scale(num_axes=3), [(4, 2)], "3 axes from 1 are more"),
        (Scale(axis=0), [(4, 2), (2,)], "does not fit"),
        (caffe.PReLU(), [], "it has no bottom"),
        (caffe.ArgMax(top_k=9), [(4,)], "top_k 9 is more than the 4"),
        (caffe.Axpy(), [(3,), (4, 2, 2), (4, 2, 2)], "do not fit together"),
        (caffe.Axpy(), [(4,), (4, 2, 2), (4, 2, 1)], "do not fit together"),
        (caffe.Eltwise(), [(4, 2), (4, 1)], "differ"),
        (caffe.Eltwise(coefficients=(1.0,)), [(4,), (4,)], "1 coeff for 2 bottoms"),
        (caffe.Crop(), [(3, 4, 4), (3, 5, 5)], "leaves no 5 of 4"),
        (caffe.Crop(offsets=(3,)), [(3, 4, 4), (3, 2, 2)], "leaves no 2 of 4"),
        (caffe.Crop(axis=1, offsets=(0, 0)), [(3, 4, 4), (3, 2, 2)], "2 offset for 3 axes"),
        (caffe.Crop(), [(3, 4, 4), (3, 2)], "not the same axes"),
        (caffe.Interp(pad_begin=-9), [(3, 4, 4)], "leave nothing"),
        (caffe.Permute(order=(4,)), [(3, 4)], "not of the axes"),
        (caffe.Reduction(axis=9), [(3, 4)], "axis 9 does not exist"),
        (caffe.Reshape(dims=(5, -1)), [(3, 4)], "cannot become"),
        (caffe.Reshape(dims=(1, 1, 1, 0)), [(3, 4)], "copies axis 3"),
        (caffe.Reshape(dims=(1,), axis=3, num_axes=1), [(3, 4)], "do not exist"),
        (caffe.ShuffleChannel(group=3), [(4, 2, 2)], "do not split into 3 groups"),
        (caffe.SPP(pyramid_height=4), [(2, 7, 9)], "8 x 8 bins are more"),
        (caffe.Slice(points=(1, 2)), [(4,)], "2 slice_point for 1 tops"),
        (caffe.Upsample(), [(3, 4, 4), (3, 4, 5)], "its mask has shape"),
        (caffe.Tile(tiles=2**31 - 1), [(4, 2)], "more than 2147483647 numbers"),
    ],
)
def test_sizes_that_cannot_be_are_refused_with_their_layer(parameters, shapes, reason):
    with pytest.raises(MalformedPrototxt, match=reason) as caught:
        top_of(parameters, *shapes)
    assert "'layer'" in str(caught.value)


def test_an_input_that_is_too_large_is_refused():
    with pytest.raises(MalformedPrototxt, match="Input 'in0'"):
        top_of(ReLU(), (2**16, 2**16))


def test_a_blob_that_nothing_writes_is_refused():
    layer = Layer(name="r", bottoms=("nowhere",), tops=("r",), parameters=ReLU())
    with pytest.raises(MalformedPrototxt, match="'nowhere', which no layer above it writes"):
        infer_shapes(Net(name="", inputs=(), layers=(layer,)))


@pytest.mark.parametrize(
    ("points", "count", "sizes"), [((), 3, [2, 2, 2]), ((1, 4), 3, [1, 3, 2]), ((), 1, [6])]
)
def test_a_slice_has_a_shape_for_each_top(points, count, sizes):
    tops = tuple(f"t{index}" for index in range(count))
    shapes = tops_of(caffe.Slice(points=points), (6, 2), tops=tops)
    assert shapes == tuple((1, size, 2) for size in sizes)


@pytest.mark.parametrize("points", [(3, 3), (0, 2), (2, 6), (4, 2)])
def test_points_that_do_not_rise_are_refused(points):
    with pytest.raises(MalformedPrototxt, match="do not rise"):
        tops_of(caffe.Slice(points=points), (6, 2), tops=("a", "b", "c"))


def test_unequal_parts_are_refused():
    with pytest.raises(MalformedPrototxt, match="4 tops are no equal parts of 6"):
        tops_of(caffe.Slice(), (6, 2), tops=("a", "b", "c", "d"))


def test_the_places_of_a_pooling_have_its_shape():
    pooling = Pooling(method="MAX", kernel=(2, 2), stride=(2, 2))
    assert tops_of(pooling, (3, 5, 5), tops=("pool", "mask")) == ((1, 3, 3, 3),) * 2


def count_windows(size, kernel, stride, pad):
    """Count one by one: another begins while pixels are left, but none in the padding behind."""
    count, start = 0, -pad
    while True:
        count += 1
        if start + kernel >= size + pad:
            break
        start += stride
    is_outside = pad > 0 and -pad + (count - 1) * stride >= size
    return count - is_outside


@given(
    size=st.integers(1, 40),
    kernel=st.integers(1, 9),
    stride=st.integers(1, 9),
    pad=st.integers(0, 8),
)
def test_poolings_have_as_many_windows_as_a_plain_loop_counts(size, kernel, stride, pad):
    pooling = Pooling(
        method="MAX", kernel=(kernel, kernel), stride=(stride, stride), pad=(pad, pad)
    )
    try:
        found = top_of(pooling, (1, size, size))[2]
    except MalformedPrototxt:
        # The pad is as large as the kernel, the kernel larger than all, or a window holds nothing.
        last = -pad + (count_windows(size, kernel, stride, pad) - 1) * stride
        assert pad >= kernel or kernel > size + 2 * pad or last >= size
    else:
        assert found == count_windows(size, kernel, stride, pad)
