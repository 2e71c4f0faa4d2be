"""Networks of ONNX graphs: whole ones, the zoo's own, and what becomes of them."""

import io
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper, numpy_helper
from torch import nn

from zoo.domain.preprocessing import Channels, Preprocessing
from zoo.domain.recipe import Recipe, Source
from zoo.domain.surgery import ReplaceHead
from zoo.errors import UnsupportedLayers
from zoo.export.onnx import write_onnx
from zoo.export.parity import check_parity
from zoo.formats.module_names import RESERVED
from zoo.formats.onnx.own import find_own
from zoo.formats.onnx.plan import onnx_weights
from zoo.formats.onnx.reading import read_onnx
from zoo.networks.build import build_network, load_weights, weights_of
from zoo.networks.classifier import Classifier
from zoo.networks.surgery import cut_at_codes, find_head, replace_head

SOURCE = Source(kind="onnx", path="net.onnx")
PLAIN = Preprocessing(crop_px=(9, 9))
MEAN = Preprocessing(crop_px=(9, 9), scale=1.0, mean_tensor="preprocessing.mean")
GRAY = Preprocessing(crop_px=(9, 9), channels=Channels.GRAY, mean=(0.5,), std=(0.25,))
BGR = Preprocessing(crop_px=(9, 9), channels=Channels.BGR)
NET = """
name: "all" input: "data" input_shape { dim: 1 dim: %d dim: 9 dim: 9 }
layer { name: "a/1" type: "Convolution" bottom: "data" top: "a"
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 } }
layer { name: "bn" type: "BatchNorm" bottom: "a" top: "a" }
layer { name: "scale" type: "Scale" bottom: "a" top: "a" scale_param { bias_term: true } }
layer { name: "relu" type: "ReLU" bottom: "a" top: "a" relu_param { negative_slope: 0.1 } }
layer { name: "across" type: "LRN" bottom: "a" top: "b" lrn_param { local_size: 3 alpha: 0.5 } }
layer { name: "within" type: "LRN" bottom: "a" top: "c"
  lrn_param { local_size: 3 alpha: 0.5 norm_region: WITHIN_CHANNEL } }
layer { name: "join" type: "Concat" bottom: "b" bottom: "c" top: "join" }
layer { name: "pool" type: "Pooling" bottom: "join" top: "pool"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "average" type: "Pooling" bottom: "pool" top: "average"
  pooling_param { pool: AVE kernel_size: 3 stride: 2 } }
layer { name: "train" type: "InnerProduct" bottom: "average" top: "fc"
  inner_product_param { num_output: 5 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""
WITHOUT_RESERVED = NET.replace('"train"', '"fc"')


@pytest.fixture
def put(tmp_path):
    """Write a graph, and give the files of its revision."""

    def write(graph):
        octets = graph if isinstance(graph, bytes) else graph.SerializeToString()
        (tmp_path / "net.onnx").write_bytes(octets)
        return {"net.onnx": tmp_path / "net.onnx"}

    return write


def load(files):
    """Build the network of the files with its weights."""
    network = build_network(Recipe(source=SOURCE), files)
    weights = onnx_weights(read_onnx(files["net.onnx"]))
    load_weights(network, weights)
    return network, weights


def noise(count, *sides, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *sides, 3), np.uint8)


def labels(count):
    return tuple(f"class {number}" for number in range(count))


@pytest.mark.parametrize("chosen", [PLAIN, BGR, GRAY, MEAN])
def test_a_graph_of_the_zoo_becomes_the_network_it_was_written_from(build, put, chosen):
    network = build(WITHOUT_RESERVED % chosen.channel_count)
    mean = noise(1, 9, 9)[0].transpose(2, 0, 1).astype(np.float32) if chosen is MEAN else None
    graph = write_onnx(network, chosen, mean, labels(5))
    files = put(graph)
    own = find_own(read_onnx(files["net.onnx"]))
    assert (own.preprocessing, own.labels) == (chosen, labels(5))
    again, weights = load(files)
    images = noise(6, 9, 9)
    first = Classifier(network, chosen, mean).probabilities(images)
    second = Classifier(again, chosen, own.mean_image).probabilities(images)
    np.testing.assert_allclose(second, first, rtol=0, atol=1e-6)
    kept = {name for name in weights_of(network) if not name.startswith("bn.")}
    assert kept <= set(weights)
    assert {name: value.shape for name, value in weights.items()} == {
        name: value.shape for name, value in weights_of(again).items()
    }


def test_what_came_from_a_graph_of_the_zoo_is_written_and_read_again(build, put):
    network, _ = load(put(write_onnx(build(WITHOUT_RESERVED % 3), PLAIN, None, labels(5))))
    graph = write_onnx(network, PLAIN, None, labels(5))
    onnx.checker.check_model(graph, full_check=True)
    check_parity(Classifier(network, PLAIN).probabilities, graph, [noise(4, 9, 9)])
    again, _ = load(put(graph))
    assert list(weights_of(again)) == list(weights_of(network))
    nodes = [len(onnx.load_from_string(one).graph.node) for one in (graph, _write(again))]
    assert nodes[0] == nodes[1]


def _write(network):
    return write_onnx(network, PLAIN, None, labels(5))


def test_a_new_head_can_be_put_on_it(build, put):
    files = put(write_onnx(build(WITHOUT_RESERVED % 3), PLAIN, None, labels(5)))
    network, weights = load(files)
    head = find_head(network)
    assert (head.layer, head.kind, head.classes) == ("fc", "linear", 5)
    operated = replace_head(network, at="fc", classes=2)
    recipe = Recipe(source=SOURCE).then(ReplaceHead(at="fc", classes=2))
    rebuilt = build_network(recipe, files)
    load_weights(rebuilt, weights_of(operated))
    x = torch.rand(2, 3, 9, 9)
    assert torch.equal(rebuilt(x), operated(x))
    assert cut_at_codes(network)(x).shape == (2, head.in_features)
    assert set(weights_of(operated)) & set(weights)


class Residual(nn.Module):
    """Convolutions with a sum around them, as in ResNet; SE's product, as in MobileNetV3."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.Hardswish())
        self.block = nn.Sequential(nn.Conv2d(8, 8, 3, 1, 1, bias=False), nn.BatchNorm2d(8))
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 8, 1), nn.Hardsigmoid())
        self.norm = nn.GroupNorm(2, 8)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(8, 6))

    def forward(self, x):
        x = self.stem(x)
        x = torch.nn.functional.relu(self.block(x) + x)
        return self.classifier(self.flatten(self.pool(self.norm(x * self.gate(x)))))


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_a_graph_that_torch_writes_becomes_a_network_with_torchs_names(put):
    pytest.importorskip("onnxscript")
    torch.manual_seed(0)
    theirs = Residual().eval()
    octets = io.BytesIO()
    program = torch.onnx.export(
        theirs,
        (torch.zeros(2, 3, 16, 16),),
        dynamo=True,
        verbose=False,
        dynamic_shapes=({0: "batch"},),
        input_names=["input"],
        output_names=["scores"],
    )
    program.save(octets)
    network, weights = load(put(octets.getvalue()))
    x = torch.rand(3, 3, 16, 16)
    with torch.inference_mode():
        torch.testing.assert_close(network(x), theirs(x), rtol=1e-4, atol=1e-5)
    assert {"stem.0.weight", "block.0.weight", "classifier.1.weight"} <= set(weights)
    assert find_head(network).classes == 6
    graph = write_onnx(network, Preprocessing(crop_px=(16, 16)), None, labels(6))
    classify = Classifier(network, Preprocessing(crop_px=(16, 16))).probabilities
    check_parity(classify, graph, [noise(3, 16, 16)])


def test_names_that_torch_keeps_for_itself_are_kept_apart():
    # In a process of its own: other libraries add to torch's modules when they are imported.
    program = "from torch.fx import Graph, GraphModule; print(*dir(GraphModule({}, Graph())))"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    taken = {name for name in said.stdout.decode().split() if not name.startswith("_")}
    assert taken
    assert taken <= RESERVED


def test_a_layer_may_be_called_like_a_part_of_torch(put):
    nodes = [
        helper.make_node("Gemm", ["x", "train.weight"], ["a"], name="train"),
        helper.make_node("Gemm", ["a", "a.weight"], ["b"]),
        helper.make_node("Gemm", ["b", "a.weight.weight"], ["c"]),
        helper.make_node("Sigmoid", ["c"], ["d"], name="class"),
        helper.make_node("Relu", ["d"], ["y"], name="forward"),
    ]
    value = helper.make_tensor_value_info
    weights = [
        numpy_helper.from_array(np.full((3, 3), number, np.float32), name)
        for number, name in enumerate(("train.weight", "a.weight", "a.weight.weight"))
    ]
    graph = helper.make_graph(
        nodes, "net", [value("x", 1, ["N", 3])], [value("y", 1, ["N", 3])], weights
    )
    network, found = load(put(helper.make_model(graph, ir_version=10)))
    assert set(found) == {"train:.weight", "a.weight", "a/weight.weight"}
    assert network(torch.ones(2, 3)).shape == (2, 3)


def test_operations_without_an_equal_are_named_all_at_once(put):
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s"], ["q"], name="first"),
        helper.make_node("Whatever", ["q"], ["y"], name="second", domain="of.others"),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "net",
        [value("x", 1, ["N", 3])],
        [value("y", 1, ["N", 3])],
        [numpy_helper.from_array(np.float32(1), "s")],
    )
    files = put(helper.make_model(graph, ir_version=10))
    with pytest.raises(UnsupportedLayers, match=r"QuantizeLinear 'first'.*Whatever 'second'"):
        build_network(Recipe(source=SOURCE), files)


def test_several_inputs_and_outputs_stand_in_order(put):
    nodes = [
        helper.make_node("Sub", ["x", "z"], ["d"]),
        helper.make_node("Neg", ["d"], ["e"]),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "net",
        [value("x", 1, ["N", 3]), value("z", 1, ["N", 3])],
        [value("e", 1, ["N", 3]), value("d", 1, ["N", 3])],
    )
    network, weights = load(put(helper.make_model(graph, ir_version=10)))
    first, second = network(torch.full((1, 3), 5.0), torch.full((1, 3), 3.0))
    assert (first.tolist(), second.tolist()) == ([[-2, -2, -2]], [[2, 2, 2]])
    assert weights == {}
    shapes = [node.meta["shape"] for node in network.graph.find_nodes(op="placeholder")]
    assert shapes == [(1, 3), (1, 3)]


@pytest.mark.data
@pytest.mark.parametrize("name", ["squeezenet_v1.0", "simpnet_300k_cifar10", "lenet_mnist_v1"])
def test_a_real_network_goes_out_and_comes_back(load_package, put, name):
    network = load_package(name)
    gray = name.startswith("lenet")
    side = {"squeezenet_v1.0": 227, "simpnet_300k_cifar10": 32, "lenet_mnist_v1": 28}[name]
    chosen = Preprocessing(
        crop_px=(side, side),
        channels=Channels.GRAY if gray else Channels.RGB,
        mean=(0.5,) * (1 if gray else 3),
        std=(0.25,) * (1 if gray else 3),
    )
    graph = write_onnx(network, chosen, None, labels(find_head(network).classes))
    again, _ = load(put(graph))
    images = noise(2, side, side)
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, {"images": images})
    found = Classifier(again, chosen).probabilities(images)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
