"""Names of layers are checked before a job is queued, as far as a revision tells."""

import json

import pytest
from onnx import TensorProto, helper

from zoo.domain.config import CONFIG, GRAPH, LAYERS, WEIGHTS, ModelConfig
from zoo.domain.layers import Inventory, LayerRow
from zoo.domain.plan import Strategy
from zoo.domain.preprocessing import Preprocessing
from zoo.domain.recipe import Recipe, Source
from zoo.domain.surgery import Convolutionalize
from zoo.domain.training import Overrides
from zoo.errors import Invalid, LayerNotFound, Unsupported
from zoo.operations import jobs
from zoo.operations.advise import enqueue_advise
from zoo.operations.datasets import add_dataset
from zoo.operations.finetune import check_request, enqueue_finetune
from zoo.operations.layers import check_freeze, check_layers
from zoo.operations.measuring import TransferStudy, enqueue_codes, enqueue_transfer_study

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


WEIGHTED = ("conv", "fc")


def inventory(*names):
    rows = tuple(
        LayerRow(
            name=name,
            kind="Dropout" if name.startswith("drop") else "Conv2d",
            output=(2, 6, 6),
            parameters=0,
            macs=0,
            window=None,
            tensors=(f"{name}.weight",) if name.startswith(WEIGHTED) else (),
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


@pytest.mark.parametrize(
    ("freeze", "said"),
    [
        ("fc", "it is the classifier of net@"),
        ("prob", "it comes after 'fc', the classifier of net@"),
    ],
)
def test_a_classifier_and_what_follows_it_cannot_be_frozen(zoo, publish_net, freeze, said):
    net = publish_net("conv1", "relu1", "drop1", "fc", "prob")
    with pytest.raises(
        Invalid, match=f"Layers up to '{freeze}' cannot be frozen: {said}"
    ) as raised:
        check_freeze(zoo, *net, freeze)
    assert raised.value.hint == "Freeze up to 'relu1' or a layer before it: zoo show net --layers"
    assert raised.value.detail == {"option": "freeze", "layer": freeze}
    for name in ("conv1", "relu1", "drop1", "maps"):
        check_freeze(zoo, *net, name)


def test_what_comes_after_the_codes_cannot_be_frozen(zoo, publish_net):
    net = publish_net("conv1", "relu1", "conv2", "relu2", "fc")
    check_freeze(zoo, *net, "relu1", layer="relu1")
    check_freeze(zoo, *net, "conv2", layer="best")
    with pytest.raises(Invalid, match="'conv2' cannot be frozen: codes are taken at 'maps'"):
        check_freeze(zoo, *net, "conv2", layer="maps")


def test_where_no_weights_are_known_or_the_network_is_dense_the_job_tells_what_freezes(
    zoo, publish_net
):
    check_freeze(zoo, *publish_net(), "fc")
    check_freeze(zoo, *publish_net("relu1", "prob"), "prob")
    dense = Convolutionalize(shape=(3, 8, 8))
    check_freeze(zoo, *publish_net("conv1", "fc", surgeries=(dense,)), "fc")


def test_nothing_is_queued_to_freeze_a_classifier(zoo, publish_net, insects):
    publish_net("conv1", "relu1", "fc")
    add_dataset(zoo, insects(ant=3, bee=3), name="insects")
    wanted = {"strategy": Strategy.LP_FT, "overrides": Overrides(freeze="fc")}
    for ask in (enqueue_finetune, check_request):
        with pytest.raises(Invalid, match="it is the classifier"):
            ask(zoo, "net", "insects", **wanted)
    assert jobs.list_jobs(zoo) == []


def test_a_check_settles_a_request_and_queues_nothing(zoo, publish_net, insects):
    revision, _ = publish_net("conv1", "relu1", "fc")
    pictures = add_dataset(zoo, insects(ant=3, bee=3), name="insects")
    settled = check_request(zoo, "net", "insects")
    assert settled == {
        "model": revision.address,
        "dataset": pictures.address,
        "name": "net-insects",
    }
    assert jobs.list_jobs(zoo) == []


@pytest.fixture
def publish_ends(published):
    """Publish a network whose graph has these inputs and outputs."""

    def publish(inputs, outputs):
        config = ModelConfig(
            architecture="net",
            label_names=(),
            pictures=Preprocessing(),
            recipe=Recipe(source=CAFFE),
            lineage={},
        )
        sides = [1, 3, 8, 8]
        graph = helper.make_graph(
            [helper.make_node("Relu", [inputs[0]], [name]) for name in outputs],
            "net",
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, sides) for name in inputs],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, sides) for name in outputs],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        files = {
            CONFIG: json.dumps(config.as_json()),
            WEIGHTS: "weights",
            GRAPH: model.SerializeToString(),
            "deploy.prototxt": PROTOTXT,
        }
        return published("net", files=files, summary={"runs": "network"})

    return publish


def test_a_network_of_two_outputs_is_refused_before_anything_is_queued(zoo, publish_ends, insects):
    revision = publish_ends(["images"], ["boxes", "prob"])
    add_dataset(zoo, insects(ant=3, bee=3), name="insects")
    asked = [
        lambda: enqueue_finetune(zoo, "net", "insects"),
        lambda: enqueue_advise(zoo, "net", "insects"),
        lambda: enqueue_codes(zoo, "net", "insects"),
        lambda: enqueue_codes(zoo, "net", "insects", is_all=True),
        lambda: enqueue_transfer_study(zoo, "net", ("insects", "insects"), TransferStudy()),
    ]
    for ask in asked:
        with pytest.raises(Unsupported, match=r"has 2 outputs \(boxes, prob\)") as raised:
            ask()
        assert raised.value.detail["revision"] == revision.address
        assert f"zoo surgery cut {revision.address} --layer prob" in raised.value.hint
    assert jobs.list_jobs(zoo) == []
    # A layer by its name needs no classifier.
    enqueue_codes(zoo, "net", "insects", layers=["conv1"])


def test_a_network_of_two_inputs_is_refused_and_one_of_each_is_not(zoo, publish_ends, insects):
    add_dataset(zoo, insects(ant=3, bee=3), name="insects")
    publish_ends(["left", "right"], ["prob"])
    with pytest.raises(Unsupported, match=r"has 2 inputs \(left, right\)"):
        enqueue_finetune(zoo, "net", "insects")
    publish_ends(["images"], ["map"])
    enqueue_finetune(zoo, "net", "insects")
