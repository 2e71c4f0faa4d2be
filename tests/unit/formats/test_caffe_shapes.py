import typing

import pytest

from zoo.errors import MalformedPrototxt
from zoo.formats.caffe.net import (
    LRN,
    Concat,
    Convolution,
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
    inputs = tuple(Input(blob=f"in{i}", shape=(9, *shape)) for i, shape in enumerate(shapes))
    bottoms = tuple(each.blob for each in inputs)
    layer = Layer(name="layer", bottoms=bottoms, tops=("out",), parameters=parameters)
    net = Net(name="", inputs=inputs, layers=(layer,))
    return infer_shapes(net, batch=batch)["layer"].tops[0]


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
    ],
)
def test_other_layers_follow_caffe(parameters, shapes, expected):
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
