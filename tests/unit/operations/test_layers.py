"""Names of layers are checked before a job is queued, as far as a revision tells."""

import json

import pytest
from onnx import TensorProto, helper

from zoo.domain.config import CONFIG, LAYERS, WEIGHTS, ModelConfig
from zoo.domain.layers import Inventory, LayerRow
from zoo.domain.plan import Strategy
from zoo.domain.preprocessing import Preprocessing
from zoo.domain.recipe import Recipe, Source
from zoo.domain.surgery import Convolutionalize
from zoo.domain.training import Overrides
from zoo.errors import LayerNotFound
from zoo.operations import jobs
from zoo.operations.datasets import add_dataset
from zoo.operations.finetune import enqueue_finetune
from zoo.operations.layers import check_layers
from zoo.operations.measuring import enqueue_codes

PROTOTXT = """
name: "net"
input: "data" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "maps"
        convolution_param { num_output: 2 kernel_size: 3 } }
layer { name: "relu1" type: "ReLU" bottom: "maps" top: "maps" }
layer { name: "fc" type: "InnerProduct" bottom: "maps" top: "fc"
        inner_product_param { num_output: 2 } }
"""
CAFFE = Source(kind="caffe", path="deploy.prototxt")


def inventory(*names):
    rows = tuple(
        LayerRow(
            name=name,
            kind="Conv2d",
            output=(2, 6, 6),
            parameters=0,
            macs=0,
            window=None,
            tensors=(),
        )
        for name in names
    )
    return Inventory(inputs=((3, 8, 8),), rows=rows)


@pytest.fixture
def publish_net(published):
    """Publish a network of these layers; give its revision and what it says of itself."""

    def publish(*names, source=CAFFE, surgeries=(), files=None):
        config = ModelConfig(
            architecture="net",
            label_names=("cat", "dog"),
            pictures=Preprocessing(),
            recipe=Recipe(source=source, surgeries=surgeries),
            lineage={},
        )
        told = {LAYERS: json.dumps(inventory(*names).as_json())} if names else {}
        own = {
            CONFIG: json.dumps(config.as_json()),
            WEIGHTS: "weights",
            "deploy.prototxt": PROTOTXT,
        }
        return published("net", files={**own, **told, **(files or {})}), config

    return publish


def test_what_a_revision_lists_is_a_layer_and_so_is_what_gives_several_values(zoo, publish_net):
    check_layers(zoo, *publish_net("conv1", "relu:1", "relu:2", "fc"), ["relu", "relu:2", "fc"])


def test_another_name_is_refused_with_those_near_it(zoo, publish_net):
    with pytest.raises(LayerNotFound, match="no layer 'conv2'") as raised:
        check_layers(zoo, *publish_net("conv1", "relu1", "fc"), ["fc", "conv2"])
    assert raised.value.detail == {"layer": "conv2", "near": ["conv1"]}
    assert raised.value.hint == "Did you mean 'conv1'? See: zoo show MODEL --layers"


def test_a_blob_of_caffe_is_known_by_its_own_name_and_suggested(zoo, publish_net):
    net = publish_net("conv1", "relu1", "fc")
    check_layers(zoo, *net, ["maps"])
    with pytest.raises(LayerNotFound) as raised:
        check_layers(zoo, *net, ["map"])
    assert raised.value.detail["near"] == ["maps"]


def test_a_value_of_an_onnx_graph_is_known_by_its_own_name(zoo, publish_net):
    graph = helper.make_graph(
        [helper.make_node("Relu", ["images"], ["/act/Relu_output_0"], name="/act/Relu")],
        "net",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("/act/Relu_output_0", TensorProto.FLOAT, [1, 3, 8, 8])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    source = Source(kind="onnx", path="net.onnx")
    files = {"net.onnx": model.SerializeToString()}
    net = publish_net("act", source=source, files=files)
    check_layers(zoo, *net, ["/act/Relu_output_0"])
    with pytest.raises(LayerNotFound, match="no layer 'acts'"):
        check_layers(zoo, *net, ["acts"])


def test_where_only_the_network_can_tell_the_job_does(zoo, publish_net):
    check_layers(zoo, *publish_net(), ["conv9"])
    dense = Convolutionalize(shape=(3, 8, 8))
    check_layers(zoo, *publish_net("conv1", surgeries=(dense,)), ["flatten"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"layer": "fcc"},
        {"strategy": Strategy.PARTIAL, "overrides": Overrides(freeze="fcc")},
    ],
)
def test_nothing_is_queued_for_a_layer_that_is_not_there(zoo, publish_net, insects, wrong):
    publish_net("conv1", "relu1", "fc")
    add_dataset(zoo, insects(ant=3, bee=3), name="insects")
    with pytest.raises(LayerNotFound, match="no layer 'fcc'"):
        enqueue_finetune(zoo, "net", "insects", **wrong)
    with pytest.raises(LayerNotFound, match="no layer 'fcc'"):
        enqueue_codes(zoo, "net", "insects", layers=["codes", "fcc"])
    assert jobs.list_jobs(zoo) == []
