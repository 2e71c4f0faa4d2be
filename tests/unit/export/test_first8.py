"""The first layer of a graph in 8 bits reads a picture's bytes, and computes what it did before."""

import numpy as np
import onnx
import pytest
import torch
from onnx import ModelProto, helper, numpy_helper
from torch import nn
from torch.fx import symbolic_trace

from zoo.domain.preprocessing import Channels, Preprocessing
from zoo.domain.quantization import Kept, Method
from zoo.export.first8 import PIXELS, WIDE, find_first, middle_of, read_pixels
from zoo.export.int8 import list_values, simplify, write_int8
from zoo.export.onnx import write_onnx
from zoo.export.parity import open_session
from zoo.export.ranges import measure_ranges

LABELS = ("a", "b", "c")
COMMON = {"resize_px": 18, "crop_px": (18, 16)}
KINDS = {
    "mean and deviation": Preprocessing(**COMMON),
    "caffe": Preprocessing(
        **COMMON, channels=Channels.BGR, scale=1.0, mean=(104.0, 117.0, 123.0), std=(1.0,) * 3
    ),
    "grey": Preprocessing(**COMMON, channels=Channels.GRAY, scale=1 / 256, mean=(0.1,), std=(0.5,)),
}


class Network(nn.Module):
    """A first layer as wanted, and little behind it."""

    def __init__(self, channels, **options):
        super().__init__()
        torch.manual_seed(1)
        self.first, self.relu = nn.Conv2d(channels, 8, 3, **options), nn.ReLU()
        self.second, self.third = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 3, 1)
        self.pool, self.flatten = nn.AdaptiveAvgPool2d(1), nn.Flatten()

    def forward(self, x):
        return self.flatten(self.pool(self.third(self.second(self.relu(self.first(x))))))


def graph_of(preprocessing, mean_image=None, **options):
    network = symbolic_trace(Network(preprocessing.channel_count, **options).eval())
    return simplify(write_onnx(network, preprocessing, mean_image, LABELS, metadata={}))


def pictures(count=12, size=(18, 16)):
    return np.random.default_rng(2).integers(0, 256, (count, *size, 3), np.uint8)


def run(model, images, output="probabilities"):
    if isinstance(model, ModelProto):
        model = model.SerializeToString()
    return open_session(model, ("CPUExecutionProvider",)).run([output], {"images": images})[0]


def run_first(model, images):
    """Give what the first layer gives."""
    seen = ModelProto()
    seen.CopyFrom(model)
    name = next(node for node in seen.graph.node if node.op_type == "Conv").output[0]
    seen.graph.output.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    return run(seen, images, name)


def in_8_bits(model, kept=Kept.NONE):
    ranges = measure_ranges(model, list_values(model), pictures())
    return onnx.load_from_string(write_int8(model, ranges[Method.MINMAX], kept))


def first_of(model):
    return find_first(model, list(model.graph.node))


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_that_reads_bytes_computes_the_same(kind, bias, padding):
    model = graph_of(KINDS[kind], stride=2, bias=bias, padding=padding)
    first = first_of(model)
    assert first.pads is (padding > 0)
    made = read_pixels(model, first)
    onnx.checker.check_model(made, full_check=True)
    for images in (pictures(2), pictures(1, (31, 40))):
        expected, found = run_first(model, images), run_first(made, images)
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("kind", KINDS)
def test_no_number_is_rounded_before_the_first_layer_in_8_bits(kind, padding):
    model = graph_of(KINDS[kind], padding=padding)
    made = in_8_bits(model)
    onnx.checker.check_model(made, full_check=True)
    makers = {node.output[0]: node for node in made.graph.node}
    layer = next(node for node in made.graph.node if node.op_type == "Conv")
    raising = makers[layer.input[0]]
    assert (raising.op_type, raising.input[0]) == ("DequantizeLinear", WIDE)
    tensors = {one.name: numpy_helper.to_array(one) for one in made.graph.initializer}
    assert [tensors[name].item() for name in raising.input[1:]] == [1.0, 0]
    left = {node.op_type for node in made.graph.node if node.name.startswith("preprocessing/")}
    assert left <= {"Transpose", "Reshape", "Gather", "Clip", "Concat", "Shape", "DequantizeLinear"}
    expected, found = (run_first(one, pictures(6)) for one in (model, made))
    assert 0 < np.abs(found - expected).max() < 0.02 * np.abs(expected).max()


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("kind", KINDS)
def test_rounded_weights_answer_the_mean_pixel_as_the_others_do(kind, padding):
    model = graph_of(KINDS[kind], padding=padding)
    made = in_8_bits(model)
    middle = np.rint(middle_of(first_of(model))[:3]).astype(np.uint8)
    images = np.broadcast_to(middle, (1, 18, 16, 3))
    expected, found = (run_first(one, images)[0, :, 5:10, 5:10] for one in (model, made))
    tensors = {one.name: numpy_helper.to_array(one) for one in made.graph.initializer}
    (step,) = (tensors[name] for name in tensors if name.startswith(f"{PIXELS}/weight_scale"))
    # Pixels are whole numbers, and the bias is a whole number of steps of a weight.
    assert (np.abs(found - expected) <= 2.5 * step.reshape(-1, 1, 1)).all()


def test_what_cannot_be_laid_into_a_layer_is_left():
    plain = KINDS["mean and deviation"]
    assert first_of(graph_of(plain)) is not None
    mean = np.random.default_rng(0).uniform(0, 255, (3, 18, 16)).astype(np.float32)
    imaged = Preprocessing(**COMMON, scale=1.0, mean=(), std=(1.0,) * 3, mean_tensor="mean")
    assert first_of(graph_of(imaged, mean)) is None
    assert find_first(graph_of(plain), []) is None
    model = graph_of(plain)
    model.graph.output.append(
        helper.make_tensor_value_info("preprocessing/div", onnx.TensorProto.FLOAT, None)
    )
    assert first_of(model) is None
    model = graph_of(plain)
    layer = next(node for node in model.graph.node if node.op_type == "Conv")
    layer.attribute.append(helper.make_attribute("auto_pad", "SAME_UPPER"))
    assert first_of(model) is None


def test_a_first_layer_that_stays_in_32_bits_reads_numbers_as_before():
    made = in_8_bits(graph_of(KINDS["caffe"]), Kept.BOTH_ENDS)
    layer = next(node for node in made.graph.node if node.op_type == "Conv")
    makers = {node.output[0]: node for node in made.graph.node}
    assert makers[layer.input[0]].op_type == "Div"
    assert PIXELS not in {name for node in made.graph.node for name in node.output}
