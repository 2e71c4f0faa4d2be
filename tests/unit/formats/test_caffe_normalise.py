import numpy as np
import pytest

from zoo.errors import WeightsMismatch
from zoo.formats.caffe.matching import to_weights
from zoo.formats.caffe.net import BatchNorm, Layer, Scale
from zoo.formats.caffe.normalise import normalise
from zoo.formats.caffe.reading import read_net
from zoo.formats.caffe.writing import write_prototxt

MEAN, VARIANCE, SCALE, BIAS = np.arange(1, 9, dtype=np.float32).reshape(4, 2)
ONE, COUNT = np.float32([1]), np.float32([1000])


def read(kind, more="", bottom="data", top="y"):
    layer = f"layer {{ name: 'n' type: '{kind}' bottom: '{bottom}' top: '{top}' {more} }}"
    return read_net(f"input: 'data' input_dim: [1, 2, 3, 3] {layer}", name="net.prototxt")


def test_a_standard_network_stays_the_same_object():
    net, blobs = read("BatchNorm"), {"n": (MEAN, VARIANCE, COUNT)}
    same, numbers = normalise(net, blobs)
    assert same is net
    assert numbers == blobs


def test_statistics_without_a_factor_get_one():
    net = read("BatchNorm")
    same, blobs = normalise(net, {"n": (MEAN, VARIANCE)})
    assert same is net
    weights, _ = to_weights(same, blobs)
    assert np.array_equal(weights["n.running_mean"], MEAN)


AFFINE = Layer(name="n/scale", bottoms=("y",), tops=("y",), parameters=Scale(has_bias=True))


@pytest.mark.parametrize("more", ["", "batch_norm_param { scale_bias: true }"])
@pytest.mark.parametrize(
    "five", [(MEAN, VARIANCE, ONE, SCALE, BIAS), (SCALE, BIAS, MEAN, VARIANCE, COUNT)]
)
def test_both_orders_of_five_blobs_become_two_layers(five, more):
    shaped = tuple(blob.reshape(1, -1, 1, 1) for blob in five)
    net, blobs = normalise(read("BatchNorm", more), {"n": shaped})
    first = Layer(name="n", bottoms=("data",), tops=("y",), parameters=BatchNorm())
    assert net.layers == (first, AFFINE)
    weights, _ = to_weights(net, blobs)
    assert {key: list(value) for key, value in weights.items()} == {
        "n.running_mean": list(MEAN),
        "n.running_var": list(VARIANCE),
        "n/scale.weight": list(SCALE),
        "n/scale.bias": list(BIAS),
    }
    assert read_net(write_prototxt(net), name="written") == net


def test_five_blobs_have_at_least_the_library_s_eps():
    five = {"n": (MEAN, VARIANCE, ONE, SCALE, BIAS)}
    net, _ = normalise(read("BatchNorm", "batch_norm_param { eps: 1e-9 }"), five)
    assert net.layers[0].parameters == BatchNorm(eps=1e-5)


def test_scale_shift_and_statistics_become_two_layers():
    four = tuple(blob.reshape(1, 2, 1, 1) for blob in (SCALE, BIAS, MEAN, VARIANCE))
    net, blobs = normalise(read("BN", "bn_param { eps: 0.1 }", top="data"), {"n": four})
    assert [layer.parameters for layer in net.layers] == [BatchNorm(eps=0.1), AFFINE.parameters]
    assert net.layers[1].bottoms == net.layers[1].tops == ("data",)
    weights, _ = to_weights(net, blobs)
    assert np.array_equal(weights["n.running_var"], VARIANCE)
    assert np.array_equal(weights["n/scale.bias"], BIAS)


def test_scale_and_shift_with_statistics_folded_in_become_a_scale():
    net, blobs = normalise(read("BN", "bn_param { bn_mode: INFERENCE }"), {"n": (SCALE, BIAS)})
    expected = Layer(name="n", bottoms=("data",), tops=("y",), parameters=Scale(has_bias=True))
    assert net.layers == (expected,)
    weights, _ = to_weights(net, blobs)
    assert list(weights) == ["n.weight", "n.bias"]


def test_scale_and_shift_alone_use_the_statistics_of_the_batch():
    net, blobs = normalise(read("BN"), {"n": (SCALE, BIAS)})
    assert net.layers[0].parameters == BatchNorm(has_statistics=False)
    assert len(to_weights(net, blobs)[0]) == 4


def test_other_counts_of_blobs_are_refused():
    with pytest.raises(WeightsMismatch, match=r"'n' \(BN\) has 3 blobs"):
        normalise(read("BN"), {"n": (SCALE, BIAS, MEAN)})
    net, blobs = normalise(read("BatchNorm"), {"n": (MEAN,)})
    with pytest.raises(WeightsMismatch, match="expects 3 blobs"):
        to_weights(net, blobs)
    with pytest.raises(WeightsMismatch, match="no weights for the layers 'n'"):
        to_weights(*normalise(read("BN"), {}))


def test_a_taken_name_is_numbered():
    text = "input: 'data' input_dim: [1, 2, 3, 3]" + "".join(
        f"layer {{ name: '{name}' type: '{kind}' bottom: 'data' top: 'data' }}"
        for name, kind in (("n.x", "BN"), ("n_x/scale", "ReLU"))
    )
    net, _ = normalise(read_net(text, name="net.prototxt"), {"n.x": (SCALE, BIAS, MEAN, VARIANCE)})
    assert [layer.name for layer in net.layers] == ["n.x", "n.x/scale_2", "n_x/scale"]
