"""A graph of fewer bits is near the one it was made of, always the same, and says what it is."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.fx import symbolic_trace

from zoo.domain.preprocessing import Preprocessing
from zoo.domain.quantization import SETTINGS, Kept, Method, Precision
from zoo.errors import NotRunnable, Unsupported
from zoo.export.cost import compare_costs
from zoo.export.fp16 import write_fp16
from zoo.export.int8 import PRECISION, list_values, simplify, write_int8
from zoo.export.onnx import write_onnx
from zoo.export.ranges import measure_ranges
from zoo.serving.predictor import open_predictor

PICTURES = Preprocessing(resize_px=16, crop_px=(16, 16))
LABELS = ("a", "b", "c")
SEVEN_BITS = 64


@pytest.fixture(scope="module")
def graph():
    """A classifier with a batch normalisation, a skip and a pooling."""

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.norm = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
            self.second, self.last = nn.Conv2d(8, 8, 3, padding=1), nn.Linear(8, 3)
            self.pool, self.flatten = nn.AdaptiveAvgPool2d(1), nn.Flatten()
            self.relu = nn.ReLU()

        def forward(self, x):
            x = self.relu(self.norm(self.first(x)))
            x = self.relu(self.second(x)) + x
            return self.last(self.flatten(self.pool(x)))

    torch.manual_seed(0)
    network = symbolic_trace(Network().eval())
    network.norm.running_var.fill_(0.3)
    network.norm.running_mean.uniform_(-1, 1)
    return write_onnx(network, PICTURES, None, LABELS, metadata={"zoo.weights": "those"})


@pytest.fixture(scope="module")
def images():
    """Pictures that differ from each other: waves of several lengths."""
    places = np.arange(16 * 16 * 3).reshape(16, 16, 3)
    return np.stack([127 + 127 * np.sin(places / (3 + 7 * number)) for number in range(12)]).astype(
        np.uint8
    )


@pytest.fixture(scope="module")
def ranges(graph, images):
    model = simplify(graph)
    return measure_ranges(model, list_values(model), images)


def operations(graph):
    return [node.op_type for node in onnx.load_from_string(graph).graph.node]


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_8_bits_give_nearly_the_same_probabilities(graph, images, ranges, setting):
    made = write_int8(simplify(graph), ranges[setting.method], setting.kept)
    before, after = (open_predictor(one, device="cpu") for one in (graph, made))
    expected, found = before.predict(images), after.predict(images)
    assert np.ptp(expected, axis=0).max() > 0.02  # the pictures do differ
    # Percentiles cut peaks off, of which these few waves have many.
    most = 0.02 if setting.method is Method.MINMAX else 0.06
    assert 0 < np.abs(found - expected).max() < most
    assert after.labels == before.labels
    assert after.preprocessing == before.preprocessing


def test_16_bits_are_nearer_and_keep_both_ends(graph, images):
    made = write_fp16(simplify(graph))
    before, after = (open_predictor(one, device="cpu") for one in (graph, made))
    assert 0 < np.abs(after.predict(images) - before.predict(images)).max() < 1e-3
    onnx.checker.check_model(onnx.load_from_string(made), full_check=True)
    nodes = onnx.load_from_string(made).graph.node
    kinds = [node.op_type for node in nodes if "preprocessing" in node.name]
    assert kinds == ["Transpose", "Cast", "Mul", "Sub", "Div", "Cast"]  # no cast in between
    weights = onnx.load_from_string(made).graph.initializer
    large = [tensor for tensor in weights if np.prod(tensor.dims) > 8]
    assert {tensor.data_type for tensor in large} == {TensorProto.FLOAT16}


def test_the_same_graph_and_ranges_give_the_same_bytes(graph, images, ranges):
    again = measure_ranges(simplify(graph), list_values(simplify(graph)), images)
    assert again == ranges
    first, second = (
        write_int8(simplify(graph), each[Method.MINMAX], Kept.NONE) for each in (ranges, again)
    )
    assert first == second
    assert write_fp16(simplify(graph)) == write_fp16(simplify(graph))


def test_weights_have_a_scale_per_channel_and_never_overflow_16_bits(graph, ranges):
    made = onnx.load_from_string(
        write_int8(simplify(graph), ranges[Method.MINMAX], Kept.NONE)
    ).graph
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in made.initializer}
    weights = {
        node.input[0]: node.input[1]
        for node in made.node
        if node.op_type == "DequantizeLinear"
        and node.input[0] in tensors
        and tensors[node.input[0]].dtype == np.int8
    }
    assert len(weights) == 3
    for name, scale in weights.items():
        assert np.abs(tensors[name]).max() <= SEVEN_BITS
        assert 255 * 2 * int(np.abs(tensors[name].astype(int)).max()) < 2**15
        assert tensors[scale].shape == (
            3 if 3 in tensors[name].shape[:2] and tensors[name].ndim == 2 else 8,
        )


def test_batch_normalisation_is_folded(graph, ranges):
    made = onnx.load_from_string(write_int8(simplify(graph), ranges[Method.MINMAX], Kept.NONE))
    onnx.checker.check_model(made, full_check=True)
    assert "BatchNormalization" in operations(graph)
    assert "BatchNormalization" not in {node.op_type for node in made.graph.node}


@pytest.mark.parametrize(("kept", "count"), [(Kept.NONE, 3), (Kept.LAST, 2), (Kept.BOTH_ENDS, 1)])
def test_layers_that_are_kept_have_weights_of_32_bits(graph, ranges, kept, count):
    made = onnx.load_from_string(write_int8(simplify(graph), ranges[Method.MINMAX], kept)).graph
    weights = [one for one in made.initializer if len(one.dims) >= 2 and one.dims[0] > 1]
    kinds = [tensor.data_type for tensor in weights if list(tensor.dims)[1:] != [1, 1]]
    assert kinds.count(TensorProto.INT8) == count
    assert kinds.count(TensorProto.FLOAT) == 3 - count


def test_metadata_stay_and_say_the_precision(graph, ranges):
    made = write_int8(simplify(graph), ranges[Method.MINMAX], Kept.NONE)
    before, after = (
        {entry.key: entry.value for entry in onnx.load_from_string(one).metadata_props}
        for one in (graph, made)
    )
    assert after == before | {PRECISION: Precision.INT8.value}
    assert before["zoo.weights"] == "those"


def test_a_percentile_leaves_out_what_is_rare(graph):
    flat = np.full((16, 16, 3), 100, np.uint8)
    spot = flat.copy()
    spot[0, 0] = 255
    model = simplify(graph)
    found = measure_ranges(model, list_values(model), [flat, spot])
    value = "preprocessing/div"
    assert found[Method.MINMAX][value][1] > found[Method.PERCENTILE][value][1]


def test_a_graph_without_layers_is_refused():
    nodes = [
        helper.make_node("Cast", ["images"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float", "axes"], ["probabilities"], keepdims=0),
    ]
    axes = numpy_helper.from_array(np.array([1, 2]), "axes")
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "plain",
            [helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", 4, 4, 3])],
            [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 3])],
            [axes],
        ),
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=10,
    )
    with pytest.raises(Unsupported, match="no convolution or fully connected layer"):
        list_values(simplify(model.SerializeToString()))
    with pytest.raises(NotRunnable):
        simplify(b"no graph")


def test_values_that_are_no_numbers_are_named(graph):
    broken = onnx.load_from_string(graph)
    scale = next(one for one in broken.graph.initializer if one.name == "preprocessing.scale")
    scale.CopyFrom(numpy_helper.from_array(np.array(np.nan, np.float32), scale.name))
    model = simplify(broken.SerializeToString())
    with pytest.raises(NotRunnable, match="infinite or no number"):
        measure_ranges(model, list_values(model), [np.zeros((16, 16, 3), np.uint8)])


def test_costs_are_of_one_thread_and_of_every_core(graph, images):
    costs = compare_costs(graph, graph, images[:2])
    assert costs[0].threads == 1
    for cost in costs:
        assert cost.before_cpu_ms > 0
        assert cost.as_json()["ratio"] == pytest.approx(
            cost.before_cpu_ms / cost.after_cpu_ms, abs=1e-3
        )


def test_what_is_put_together_is_laid_over_one_range_unless_it_is_read_elsewhere(images):
    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Conv2d(3, 4, 3)
            self.wide, self.narrow = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)
            self.again, self.last = nn.Conv2d(8, 4, 1), nn.Conv2d(12, 3, 1)
            self.pool, self.flatten = nn.AdaptiveAvgPool2d(1), nn.Flatten()

        def forward(self, x):
            x = self.first(x)
            both = torch.cat([self.wide(x), self.narrow(x)], 1)
            return self.flatten(self.pool(self.last(torch.cat([self.again(both), both], 1))))

    torch.manual_seed(0)
    network = symbolic_trace(Network().eval())
    network.wide.weight.data *= 10
    graph = write_onnx(network, PICTURES, None, LABELS, metadata={})
    model = simplify(graph)
    ranges = measure_ranges(model, list_values(model), images)[Method.MINMAX]
    written = write_int8(model, ranges, Kept.NONE)
    made = onnx.load_from_string(written).graph
    tensors = {one.name: numpy_helper.to_array(one) for one in made.initializer}
    steps = {
        node.input[0]: tensors[node.input[1]].item()
        for node in made.node
        if node.op_type == "QuantizeLinear"
    }
    wide, narrow, again = (steps[f"network/{name}"] for name in ("wide", "narrow", "again"))
    inner, outer = (steps[f"network/{name}"] for name in ("cat", "cat_1"))
    assert wide == narrow == inner  # read alone by what puts them together
    assert again == outer
    assert inner < outer or inner == pytest.approx(outer)  # it is read by a layer too
    own = (ranges["network/narrow"][1] - ranges["network/narrow"][0]) / 255
    assert own < narrow / 2
    before, after = (open_predictor(one, device="cpu") for one in (graph, written))
    assert np.abs(after.predict(images) - before.predict(images)).max() < 0.02
