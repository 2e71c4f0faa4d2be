"""Networks that are no classifiers: every type of layer, blobs by name, free sizes, pictures."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from zoo.domain.preprocessing import Preprocessing
from zoo.errors import MalformedPrototxt, ParityBroken, Unsupported
from zoo.export.caffe import describe_net
from zoo.export.parity import check_blobs
from zoo.export.plain import draw_noise, output_names, run_outputs, write_graph
from zoo.formats.caffe.matching import to_blobs, to_weights
from zoo.formats.caffe.net import Input, Layer, Net, Pooling, ReLU
from zoo.networks.build import load_weights, weights_of
from zoo.networks.caffe import build_caffe

PICTURES = Preprocessing(crop_px=(9, 9), scale=1.0, mean=(1.0, 2.0, 3.0), std=(2.0, 3.0, 4.0))
# Two heads on one map; the second is in place, and written last.
HEADS = """
name: "heads" input: "data" input_shape { dim: 1 dim: 3 dim: 9 dim: 9 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "prelu" type: "PReLU" bottom: "conv" top: "conv" }
layer { name: "where" type: "Convolution" bottom: "conv" top: "where"
  convolution_param { num_output: 4 kernel_size: 1 } }
layer { name: "score" type: "Convolution" bottom: "conv" top: "score"
  convolution_param { num_output: 2 kernel_size: 1 } }
layer { name: "prob" type: "Softmax" bottom: "score" top: "score" }
"""
IN_PLACE = """
name: "in place" input: "data" input_shape { dim: 2 dim: 3 }
layer { name: "relu" type: "ReLU" bottom: "data" top: "data" }
"""
FORKS = {"Axpy", "Interp", "Normalize", "Permute", "ShuffleChannel", "Upsample"}
IN_FORKS = {"Dropout scaled"}


def shapes_of(net):
    return {given.blob: given.shape for given in net.inputs}


def grow(array, axes):
    """Make an input larger by repeating its end."""
    for axis in axes:
        end = array.take(range(array.shape[axis] - 1, array.shape[axis]), axis)
        array = np.concatenate([array, end], axis)
    return array


def test_every_type_of_layer_is_the_same_in_onnx_runtime(one_layer, sides_of):
    network = one_layer.network
    graph = write_graph(network, inputs=shapes_of(one_layer.net))
    onnx.checker.check_model(graph, full_check=True)
    read = sides_of(graph)
    free = [
        [axis for axis, side in enumerate(read[name]) if isinstance(side, str)]
        for name in one_layer.given
    ]
    assert all(axes[:1] == [0] for axes in free)
    larger = {
        name: grow(value, axes)
        for (name, value), axes in zip(one_layer.given.items(), free, strict=True)
    }
    given = [one_layer.given, larger]
    parity = check_blobs(lambda inputs: run_outputs(network, inputs), graph, given)
    assert parity.blobs == one_layer.net.layers[-1].tops
    assert parity.max_rel_difference < 1e-5


def test_every_type_of_layer_of_caffe_is_described_as_it_was_read(one_layer_of_a_picture):
    one_layer = one_layer_of_a_picture
    net, network = one_layer.net, one_layer.network
    if net.layers[-1].type in FORKS or one_layer.name in IN_FORKS:
        with pytest.raises(Unsupported, match="Caffe has no equal for layer 'out0'"):
            describe_net(network, name="again", shape=net.inputs[0].shape[1:])
        return
    described = describe_net(network, name="again", shape=net.inputs[0].shape[1:])
    again = build_caffe(described)
    blobs = to_blobs(described, weights_of(network))
    load_weights(again, to_weights(described, blobs)[0])
    given = {"data": next(iter(one_layer.given.values()))}
    expected = run_outputs(network, one_layer.given).values()
    found = run_outputs(again, given).values()
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_blobs_go_in_and_out_by_their_names(build, sides_of, properties_of):
    network = build(HEADS)
    graph = write_graph(network, inputs={"data": (1, 3, 9, 9)}, metadata={"zoo.model": "m@1"})
    sides = sides_of(graph)
    assert list(sides) == ["data", "where", "score"]
    assert sides["data"] == ["batch", 3, "height", "width"]
    assert properties_of(graph) == {"zoo.model": "m@1"}
    noise = draw_noise({"data": (3, 3, 12, 17)})
    parity = check_blobs(lambda given: run_outputs(network, given), graph, noise)
    assert (parity.passes, parity.blobs) == (2, ("where", "score"))
    assert parity.as_json()["blobs"] == ["where", "score"]


def test_a_network_of_pictures_reads_bytes(build, sides_of, properties_of):
    network = build(HEADS)
    graph = write_graph(network, inputs={"data": (1, 3, 9, 9)}, pictures=PICTURES)
    assert sides_of(graph)["images"] == ["batch", "height", "width", 3]
    assert set(properties_of(graph)) == {"zoo.preprocessing"}
    noise = draw_noise({"data": (3, 3, 9, 9)}, pictures=PICTURES)
    assert noise[0]["images"].shape == (3, 9, 9, 3)
    assert noise[0]["images"].dtype == np.uint8
    check_blobs(lambda given: run_outputs(network, given, pictures=PICTURES), graph, noise)


def test_a_mean_image_fixes_the_size_but_not_the_batch(build, sides_of):
    network, chosen = build(HEADS), replace(PICTURES, mean_tensor="preprocessing.mean")
    image = np.random.default_rng(0).random((3, 9, 9)).astype(np.float32)
    inputs = {"data": (1, 3, 9, 9)}
    graph = write_graph(network, inputs=inputs, pictures=chosen, mean_image=image)
    assert sides_of(graph)["images"] == ["batch", 9, 9, 3]

    def run(given):
        return run_outputs(network, given, pictures=chosen, mean_image=image)

    check_blobs(run, graph, draw_noise({}, pictures=chosen))


def test_an_output_of_the_name_of_an_input_is_marked(build):
    network = build(IN_PLACE)
    assert output_names(network) == ("data'",)
    graph = write_graph(network, inputs={"data": (2, 3)})
    parity = check_blobs(
        lambda given: run_outputs(network, given), graph, draw_noise({"data": (2, 3)})
    )
    assert parity.max_rel_difference == 0


def test_a_network_that_counts_on_its_batch_keeps_it(build, sides_of):
    layer = 'layer { name: "s" type: "Reshape" bottom: "data" top: "s" %s }'
    network = build(IN_PLACE + layer % "reshape_param { shape { dim: 1 dim: 3 dim: 1 } }")
    graph = write_graph(network, inputs={"data": (1, 3)})
    assert sides_of(graph)["data"] == [1, 3]


@st.composite
def poolings(draw):
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    return Pooling(
        method=draw(st.sampled_from(["MAX", "AVE"])),
        kernel=kernel,
        stride=draw(st.tuples(st.integers(1, 5), st.integers(1, 5))),
        pad=draw(st.tuples(st.integers(0, kernel[0] - 1), st.integers(0, kernel[1] - 1))),
        has_ceil=draw(st.booleans()),
    )


@settings(deadline=None, max_examples=100)
@given(poolings(), st.tuples(st.integers(1, 9), st.integers(1, 9)), st.booleans())
def test_every_pooling_is_the_same_in_onnx_runtime(pooling, size, is_masked):
    tops = ("y", "mask") if is_masked and pooling.method == "MAX" else ("y",)
    layer = Layer(name="pool", bottoms=("x",), tops=tops, parameters=pooling)
    shape = (2, 3, *size)
    try:
        network = build_caffe(
            Net(name="one", inputs=(Input(blob="x", shape=shape),), layers=(layer,))
        )
    except MalformedPrototxt:
        assume(condition=False)
    graph = write_graph(network, inputs={"x": shape})
    noise = draw_noise({"x": shape}, passes=1)
    parity = check_blobs(lambda given: run_outputs(network, given), graph, noise)
    assert parity.max_rel_difference < 1e-6


def test_an_input_whose_shape_is_not_told_is_refused(build):
    with pytest.raises(Unsupported, match="reads data, whose shapes are not told"):
        write_graph(build(IN_PLACE), inputs={"image": (2, 3)})


def test_a_shared_tensor_is_written_once_and_described_as_shared(build):
    text = """
    name: "twins" input: "data" input_shape { dim: 1 dim: 3 dim: 4 dim: 4 }
    layer { name: "a" type: "Convolution" bottom: "data" top: "a" param { name: "w" }
      param { name: "b" } convolution_param { num_output: 3 kernel_size: 1 } }
    layer { name: "b" type: "Convolution" bottom: "a" top: "b" param { name: "w" }
      param { name: "b" } convolution_param { num_output: 3 kernel_size: 1 } }
    """
    network = build(text)
    graph = write_graph(network, inputs={"data": (1, 3, 4, 4)})
    names = {each.name for each in onnx.load_from_string(graph).graph.initializer}
    assert names == {"a.weight", "a.bias"}
    check_blobs(
        lambda given: run_outputs(network, given), graph, draw_noise({"data": (2, 3, 4, 4)})
    )
    described = describe_net(network, name="twins", shape=(3, 4, 4))
    assert [(each.index, each.owner) for each in described.layers[1].shares] == [(0, "a"), (1, "a")]
    weights = weights_of(network)
    assert set(weights) == {"a.weight", "a.bias"}
    blobs = to_blobs(described, weights)
    np.testing.assert_array_equal(blobs["b"][0], blobs["a"][0])


def test_a_layer_called_data_and_several_tops_keep_their_blobs_apart(build):
    text = """
    name: "n" input: "x" input_shape { dim: 1 dim: 4 dim: 4 dim: 4 }
    layer { name: "data" type: "Slice" bottom: "x" top: "p" top: "q" }
    layer { name: "sum" type: "Eltwise" bottom: "q" bottom: "p" top: "sum"
      eltwise_param { coeff: 1 coeff: -1 } }
    """
    described = describe_net(build(text), name="n", shape=(4, 4, 4))
    assert described.inputs[0].blob == "data_"
    assert described.layers[0] == Layer(
        name="data",
        bottoms=("data_",),
        tops=("data/0", "data/1"),
        parameters=described.layers[0].parameters,
    )
    assert described.layers[1].bottoms == ("data/1", "data/0")
    assert not any(isinstance(layer.parameters, ReLU) for layer in described.layers)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda value: value * 1.001, "differs by"),
        (lambda value: value[:, :1], "has the shape"),
        (lambda value: value * np.nan, "holds no number that is finite"),
        (lambda value: np.where(value == value.max(), np.nan, value), "not finite at other places"),
    ],
)
def test_other_blobs_break_parity(build, change, reason):
    network = build(HEADS)
    graph = write_graph(network, inputs={"data": (1, 3, 9, 9)})

    def run(given):
        return {name: change(value) for name, value in run_outputs(network, given).items()}

    with pytest.raises(ParityBroken, match=reason):
        check_blobs(run, graph, draw_noise({"data": (1, 3, 9, 9)}))


def test_nothing_to_compare_on_proves_nothing(build):
    network = build(HEADS)
    graph = write_graph(network, inputs={"data": (1, 3, 9, 9)})
    with pytest.raises(ParityBroken, match="nothing to compare"):
        check_blobs(lambda given: run_outputs(network, given), graph, [])
    with pytest.raises(ParityBroken, match="cannot run the graph"):
        check_blobs(lambda given: run_outputs(network, given), b"no graph", [])
