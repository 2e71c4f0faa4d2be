"""What a cell sees, and how many there are, is what a run of the network shows."""

import operator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.fx import Graph, symbolic_trace
from torch.nn import functional

from zoo.domain.recipe import Source
from zoo.errors import Unsupported
from zoo.formats.caffe.reading import read_net, read_text
from zoo.networks import layers
from zoo.networks.caffe import build_caffe
from zoo.networks.graph import finish_network, get_output, layer_of
from zoo.networks.onnx import layers as onnx
from zoo.networks.probing import compute_shape, try_shape
from zoo.networks.receptive import windows_of
from zoo.networks.vision import build_vision

SIZES = range(1, 41)


def stack(*modules):
    """Give a network of these modules, one after the other, on maps of one channel."""
    graph = Graph()
    node = graph.placeholder("input_0")
    for number in range(len(modules)):
        node = graph.call_module(f"layer_{number}", (node,))
    named = {f"layer_{number}": module for number, module in enumerate(modules)}
    return finish_network(graph, node, named)


def of_output(network, shape):
    return windows_of(network, shape)[get_output(network)]


def run_size(network, high, wide):
    """Give rows and columns that really come out; none where torch refuses."""
    try:
        with torch.inference_mode():
            return tuple(network(torch.zeros(1, 1, high, wide)).shape[2:])
    except RuntimeError:
        return None


def assert_formula_is_the_run(network, native=40, sizes=SIZES):
    high, wide = of_output(network, (1, native, native))
    for size in sizes:
        other = sizes[-1] + 1 - size + sizes[0] - 1
        told = (high.cells(size), wide.cells(other))
        found = run_size(network, size, other)
        assert (found or (0, 0)) == (told if all(told) else (0, 0)), (size, other)


WINDOWED = {
    "convolution": lambda: nn.Conv2d(1, 1, (5, 3), (3, 2), (1, 2)),
    "convolution, dilated": lambda: nn.Conv2d(1, 1, 3, 2, 1, dilation=(3, 2)),
    "convolution, same": lambda: nn.Conv2d(1, 1, (5, 3), padding="same", dilation=(1, 2)),
    "convolution, valid": lambda: nn.Conv2d(1, 1, 4, padding="valid"),
    "maximum": lambda: nn.MaxPool2d(3, 2),
    "maximum, padded": lambda: nn.MaxPool2d((3, 4), (2, 3), (1, 2)),
    "maximum, rounded up": lambda: nn.MaxPool2d(3, 2, ceil_mode=True),
    "maximum, dilated": lambda: nn.MaxPool2d(3, 2, 1, dilation=2, ceil_mode=True),
    "maximum, wider apart than it is large": lambda: nn.MaxPool2d(2, 5, 1, ceil_mode=True),
    "average": lambda: nn.AvgPool2d((2, 3), 2, (1, 0), ceil_mode=True),
    "average, padded widely": lambda: layers.WidelyPaddedPool2d(
        is_average=True, kernel_size=(3, 2), stride=(2, 3), padding=(2, 1), ceil_mode=True
    ),
    "maximum, padded widely, rounded down": lambda: layers.WidelyPaddedPool2d(
        is_average=False, kernel_size=(3, 2), stride=(2, 3), padding=(2, 2), ceil_mode=False
    ),
    "average of what is no padding": lambda: onnx.CountedAvgPool2d(
        kernel_size=(3, 4), stride=(2, 3), pads=(1, 0, 2, 1)
    ),
    "stochastic": lambda: layers.StochasticPool2d(
        kernel_size=(3, 2), stride=(2, 2), ceil_mode=True
    ),
    "LRN within channels": lambda: layers.WithinChannelLRN(size=5, alpha=1.0, beta=0.75),
    "zeros around": lambda: nn.ZeroPad2d((1, 2, 3, 0)),
    "numbers around": lambda: onnx.Pad(pads=(0, 3, 2, 1), mode="constant", value=0.0),
}


@pytest.mark.parametrize("name", WINDOWED)
def test_every_layer_with_windows_makes_maps_of_the_size_its_formula_says(name):
    assert_formula_is_the_run(stack(WINDOWED[name]()))
    assert_formula_is_the_run(
        stack(nn.Conv2d(1, 1, 3, 2, 1), WINDOWED[name](), nn.MaxPool2d(3, 2, ceil_mode=True))
    )


@st.composite
def layer_drawn(draw):
    kernel, stride = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    padding = draw(st.integers(0, kernel // 2))
    ceil = draw(st.booleans())
    kind = draw(st.sampled_from(["convolution", "average", "maximum", "wide"]))
    if kind == "convolution":
        dilation = draw(st.integers(1, 2))
        return nn.Conv2d(1, 1, kernel, stride, padding, dilation=dilation, bias=False)
    if kind == "average":
        return nn.AvgPool2d(kernel, stride, padding, ceil_mode=ceil)
    if kind == "maximum":
        return nn.MaxPool2d(kernel, stride, padding, ceil_mode=ceil)
    return layers.WidelyPaddedPool2d(
        is_average=True,
        kernel_size=(kernel, kernel),
        stride=(stride, stride),
        padding=(padding, padding),
        ceil_mode=ceil,
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(layer_drawn(), min_size=1, max_size=5))
def test_any_stack_of_layers_makes_maps_of_the_size_its_formula_says(modules):
    network = stack(*modules)
    native = next(size for size in range(1, 400) if run_size(network, size, size))
    assert_formula_is_the_run(network, native, range(1, 36))
    assert of_output(network, (1, native, native))[0].smallest_px == native


@settings(max_examples=40, deadline=None)
@given(st.lists(layer_drawn(), min_size=1, max_size=4))
def test_a_cell_inside_depends_on_all_of_its_window_and_on_nothing_else(modules):
    for module in modules:
        for weight in module.parameters():
            nn.init.constant_(weight, 1.0)
    # A maximum passes one number's gradient; an average over the same window passes all.
    network = stack(*(as_average(module) for module in modules))
    native = next(size for size in range(1, 400) if run_size(network, size, size))
    side, _ = of_output(network, (1, native, native))
    size = max(side.window_px + 2 * abs(side.start_px) + 2 * side.stride_px, native)
    picture = torch.ones(1, 1, size, size, requires_grad=True)
    values = network(picture)
    for cell in range(side.cells(size)):
        begin, end = side.window(cell)
        (gradient,) = torch.autograd.grad(values[0, 0, cell, 0], picture, retain_graph=True)
        seen = gradient.abs().sum((0, 1, 3)).nonzero().flatten().tolist()
        assert all(begin <= row < end for row in seen)
        if begin >= 0 and end <= size:
            assert (seen[0], seen[-1] + 1) == (begin, end)


def as_average(module):
    if not isinstance(module, nn.MaxPool2d):
        return module
    if module.ceil_mode or module.padding:
        return layers.WidelyPaddedPool2d(
            is_average=True,
            kernel_size=(module.kernel_size,) * 2,
            stride=(module.stride,) * 2,
            padding=(module.padding,) * 2,
            ceil_mode=module.ceil_mode,
        )
    return nn.AvgPool2d(module.kernel_size, module.stride)


LIBRARY = {
    # architecture, what gives the map, stride, window, start, formula: as papers and walks say
    "alexnet": ("features.12", 32, 195, -66, "floor((N - 63) / 32) + 1"),
    "vgg16": ("features.30", 32, 212, -90, "floor((N - 32) / 32) + 1"),
    "resnet18": ("layer4.1.relu", 32, 435, -217, "floor((N - 1) / 32) + 1"),
}


@pytest.mark.parametrize("architecture", LIBRARY)
def test_known_receptive_fields_come_out(architecture):
    name, *expected = LIBRARY[architecture]
    source = Source(kind="torchvision", architecture=architecture, arguments={"num_classes": 2})
    found = windows_of(build_vision(source, {}), (3, 224, 224))
    side = [sides[0] for node, sides in found.items() if sides and layer_of(node) == name][-1]
    assert [side.stride_px, side.window_px, side.start_px, side.formula] == expected


@pytest.mark.data
def test_the_maps_of_caffenet_are_as_large_as_its_formulas_for_hundreds_of_sizes(shared_data):
    path = shared_data / "prototxt" / "bvlc_reference_caffenet_deploy.prototxt"
    network = build_caffe(read_net(read_text(path), name=path.name))
    found = {node: sides for node, sides in windows_of(network, (3, 227, 227)).items() if sides}
    pool5 = next(node for node in found if layer_of(node) == "pool5")
    high, wide = found[pool5]
    smallest = high.smallest_px
    for size in range(smallest, smallest + 150):
        trial = try_shape(network, (2, 3, size, size + 150))  # fc6 reads one size; it is later
        assert trial.shapes[pool5][2:] == (high.cells(size), wide.cells(size + 150))
    assert pool5 not in try_shape(network, (2, 3, smallest - 1, 500)).shapes


@pytest.mark.parametrize("name", ["squeezenet1_1", "mobilenet_v3_small", "googlenet"])
def test_shapes_that_are_computed_are_those_that_are_tried(name):
    source = Source(kind="torchvision", architecture=name, arguments={"num_classes": 2})
    network = build_vision(source, {}).to_empty(device="cpu")
    tried, computed = (tell(network, (2, 3, 64, 80)) for tell in (try_shape, compute_shape))
    assert computed.failed is tried.failed is None
    assert computed.shapes == tried.shapes
    small = [tell(network, (2, 3, 3, 3)) for tell in (try_shape, compute_shape)]
    assert small[0].failed is small[1].failed
    assert small[0].shapes == small[1].shapes


def test_a_trial_without_numbers_fails_where_a_run_does():
    modules = (nn.Conv2d(1, 1, 5), nn.MaxPool2d(3, 2, ceil_mode=True), nn.AvgPool2d(2))
    for size in range(1, 20):
        network = stack(*modules)
        trial = try_shape(network, (2, 1, size, 20))
        assert (run_size(network, size, 20) is None) == (trial.failed is not None)


class Traced(nn.Module):
    def __init__(self, compute, **parts):
        super().__init__()
        self.compute = compute
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        return self.compute(self, x)


def traced(compute, **parts):
    return symbolic_trace(Traced(compute, **parts)).eval()


FUNCTIONS = {
    "pad": lambda _, x: functional.pad(x, [1, 2, 3, 0]),
    "pad of channels too": lambda _, x: functional.pad(x, [1, 2, 0, 0, 1, 1]),
    "slice": lambda _, x: x[:, :, 1:-2, ::2],
    "slice and new axis": lambda _, x: x[..., 2:, :][:, None, 0],
    "maximum": lambda _, x: functional.max_pool2d(x, 3, 2, 1),
    "average": lambda _, x: functional.avg_pool2d(x, (3, 2), ceil_mode=True),
    "convolution": lambda it, x: functional.conv2d(x, it.weight, stride=2, padding=1),
    "channels last and back": lambda _, x: torch.permute(
        torch.permute(x, [0, 2, 3, 1])[:, 1:], [0, 3, 1, 2]
    ),
    "joined": lambda _, x: torch.cat([x, functional.max_pool2d(x, 3, 1, 1)], dim=1),
    "split": lambda _, x: torch.chunk(torch.cat([x, x], 1), 2, dim=1)[1],
    "stacked": lambda _, x: torch.sum(torch.stack([x, x], dim=1), 1),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_followed_like_layers(name):
    network = traced(FUNCTIONS[name], weight=nn.Parameter(torch.ones(1, 1, 3, 3)))
    assert_formula_is_the_run(network, sizes=range(4, 30))


def test_a_map_is_followed_when_its_channels_are_last():
    network = traced(lambda _, x: torch.permute(functional.max_pool2d(x, 2), [0, 2, 3, 1]))
    high, _ = of_output(network, (1, 8, 8))
    assert (high.stride_px, high.window_px) == (2, 2)


def test_joined_maps_see_what_either_sees():
    def branch(it, x):
        return it.wide(x) + it.narrow(x)

    network = traced(branch, wide=nn.Conv2d(1, 1, 5, padding=2), narrow=nn.Conv2d(1, 1, 1))
    high, _ = of_output(network, (1, 9, 9))
    assert (high.window_px, high.start_px, high.formula) == (5, -2, "floor((N - 1) / 1) + 1")


NO_WINDOWS = {
    "sizes agree for even pictures only": lambda it, x: it.down(x) + functional.max_pool2d(x, 2),
    "a transposed convolution": lambda it, x: it.up(x),
    "places flattened": lambda _, x: torch.flatten(x, 1),
    "one size whatever the picture's": lambda _, x: functional.adaptive_avg_pool2d(x, 1),
    "a matrix product of places": lambda _, x: torch.matmul(x, x),
    "a softmax along a row": lambda _, x: torch.softmax(x, dim=-1),
    "a part of one size": lambda _, x: x[:, :, :4],
    "numbers for each place": lambda it, x: operator.add(x, it.places),
}


@pytest.mark.parametrize("name", NO_WINDOWS)
def test_what_has_no_even_windows_is_told_as_none(name):
    network = traced(
        NO_WINDOWS[name],
        down=nn.Conv2d(1, 1, 3, 2, 1),
        up=nn.ConvTranspose2d(1, 1, 2, 2),
        places=nn.Parameter(torch.ones(1, 1, 8, 8)),
    )
    assert of_output(network, (1, 8, 8)) is None


def test_what_a_gate_weighs_stays_a_map():
    network = traced(lambda _, x: x * torch.sigmoid(functional.adaptive_avg_pool2d(x, 1)))
    high, _ = of_output(network, (1, 8, 8))
    assert high.window_px == 1


def test_a_gate_asks_for_pictures_as_large_as_what_it_reads():
    def gated(it, x):
        return x * functional.adaptive_avg_pool2d(it.conv(x), 1)

    network = traced(gated, conv=nn.Conv2d(1, 1, 5))
    high, _ = of_output(network, (1, 8, 8))
    assert (high.window_px, high.smallest_px) == (1, 5)
    assert_formula_is_the_run(network, 8, range(1, 12))


def test_a_network_of_several_inputs_is_refused():
    class Two(nn.Module):
        def forward(self, x, y):
            return x + y

    with pytest.raises(Unsupported, match="2 inputs"):
        windows_of(symbolic_trace(Two()), (1, 8, 8))
