import numpy as np
import pytest

from zoo.errors import WeightsMismatch
from zoo.formats.caffe import net as caffe
from zoo.formats.caffe.matching import Matching, expected_slots, parameter_prefix, to_blobs
from zoo.formats.caffe.matching import to_weights as match
from zoo.formats.caffe.net import BatchNorm, InnerProduct, Input, Layer, Net
from zoo.formats.caffe.reading import read_net


@pytest.fixture
def net(tiny_prototxt):
    return read_net(tiny_prototxt, name="deploy.prototxt")


def make_blobs(net, dtype=np.float32):
    rng = np.random.default_rng(0)
    return {
        name: tuple(rng.normal(size=slot.shape).astype(dtype) for slot in slots)
        for name, slots in expected_slots(net).items()
    }


def test_weights_are_named_after_their_layers(net):
    weights, matching = match(net, make_blobs(net))
    assert {name: array.shape for name, array in weights.items()} == {
        "conv.weight": (4, 1, 3, 3),
        "conv.bias": (4,),
        "bn.running_mean": (4,),
        "bn.running_var": (4,),
        "scale.weight": (4,),
        "scale.bias": (4,),
        "ip.weight": (3, 16),
        "ip.bias": (3,),
    }
    assert matching == Matching(loaded=("conv", "bn", "scale", "ip"), ignored=())


@pytest.mark.parametrize("dtype", ["<f2", "<f8", ">f4"])
def test_weights_in_other_forms_are_copied_to_contiguous_float32(net, dtype):
    blobs = make_blobs(net, dtype)
    weights, _ = match(net, blobs)
    for array in weights.values():
        assert array.dtype == np.float32
        assert array.flags.c_contiguous
        assert array.flags.owndata or array.base.flags.owndata
        assert not any(np.shares_memory(array, blob) for blob in blobs["conv"])


def as_view(array):
    """The array as a file holds it: read-only, and not aligned."""
    octets = b"." + array.tobytes()
    return np.ndarray(array.shape, "<f4", octets, offset=1)


def test_what_needs_no_change_is_a_view_of_the_file(net):
    blobs = {name: tuple(map(as_view, each)) for name, each in make_blobs(net).items()}
    weights, _ = match(net, blobs)
    for name, blob in (
        ("conv.weight", blobs["conv"][0]),
        ("scale.bias", blobs["scale"][1]),
        ("ip.bias", blobs["ip"][1]),
    ):
        assert np.shares_memory(weights[name], blob)
        assert np.array_equal(weights[name], blob)
    assert not any(np.shares_memory(weights["ip.weight"], blob) for blob in blobs["ip"])


def test_numbers_that_do_not_lie_side_by_side_are_copied(net):
    blobs = make_blobs(net)
    spread = np.repeat(blobs["conv"][1], 2)[::2]
    weights, _ = match(net, blobs | {"conv": (blobs["conv"][0], spread)})
    assert weights["conv.bias"].flags.c_contiguous
    assert np.array_equal(weights["conv.bias"], spread)


def test_a_transposed_inner_product_is_turned(net):
    blobs = make_blobs(net)
    weights, _ = match(net, blobs)
    assert blobs["ip"][0].shape == (16, 3)
    assert np.array_equal(weights["ip.weight"], blobs["ip"][0].T)


@pytest.mark.parametrize(("factor", "scale"), [(2.0, 0.5), (0.0, 0.0), (999.98, 1 / 999.98)])
def test_statistics_are_divided_by_their_factor(net, factor, scale):
    mean, variance, _ = (blobs := make_blobs(net))["bn"]
    weights, _ = match(net, blobs | {"bn": (mean, variance, np.float32([factor]))})
    assert np.allclose(weights["bn.running_mean"], mean * scale, rtol=1e-6)
    assert np.allclose(weights["bn.running_var"], variance * scale, rtol=1e-6)


def test_a_factor_that_is_no_count_raises_nothing(net):
    mean, variance, _ = (blobs := make_blobs(net))["bn"]
    weights, _ = match(net, blobs | {"bn": (mean, variance, np.float32([1e-44]))})
    assert np.isinf(weights["bn.running_mean"]).all()


def test_old_files_pad_shapes_with_ones_on_the_left(net):
    blobs = make_blobs(net)
    old = {
        name: tuple(blob.reshape((1,) * (4 - blob.ndim) + blob.shape) for blob in each)
        for name, each in blobs.items()
    }
    weights, _ = match(net, old)
    for name, array in match(net, blobs)[0].items():
        assert np.array_equal(weights[name], array)


def test_a_single_number_may_have_no_shape(net):
    blobs = make_blobs(net)
    factor = blobs["bn"][2].reshape(())
    assert match(net, blobs | {"bn": (*blobs["bn"][:2], factor)})


def test_layers_of_the_file_that_the_network_lacks_are_ignored_and_told(net):
    extra = {"fc9": (np.zeros(1),)}
    _, matching = match(net, extra | make_blobs(net))
    assert matching.ignored == ("fc9",)


def test_every_misfit_is_told_in_one_error(net):
    blobs = make_blobs(net)
    blobs["conv"] = (np.zeros((4, 2, 3, 3)), np.zeros(3))
    blobs["scale"] = (np.zeros(4),)
    blobs["ip"] = (np.zeros((3, 16)), np.zeros((2, 3)))
    del blobs["bn"]
    with pytest.raises(WeightsMismatch) as caught:
        match(net, blobs)
    assert caught.value.detail["missing"] == ["bn"]
    assert caught.value.detail["misfits"] == [
        "layer 'conv', blob 0 (weight): expected (4, 1, 3, 3), found (4, 2, 3, 3)",
        "layer 'conv', blob 1 (bias): expected (4,), found (3,)",
        "layer 'scale' expects 2 blobs (weight, bias), the file has 1",
        "layer 'ip', blob 0 (weight): expected (16, 3), found (3, 16)",
        "layer 'ip', blob 1 (bias): expected (3,), found (2, 3)",
    ]
    for reason in ("no weights for the layers 'bn'", *caught.value.detail["misfits"]):
        assert reason in str(caught.value)


def test_blobs_come_back_as_they_were(net):
    blobs = make_blobs(net)
    blobs["bn"] = (*blobs["bn"][:2], np.ones(1, np.float32))
    again = to_blobs(net, match(net, blobs)[0])
    assert list(again) == list(blobs)
    for name, arrays in blobs.items():
        for old, new in zip(arrays, again[name], strict=True):
            assert np.array_equal(old, new)


@pytest.mark.parametrize("lost", ["conv.weight", "bn.running_var", "ip.weight"])
def test_weights_that_are_missing_cannot_be_given_back(net, lost):
    weights = dict(match(net, make_blobs(net))[0])
    del weights[lost]
    with pytest.raises(WeightsMismatch, match=lost.partition(".")[0]):
        to_blobs(net, weights)


@pytest.mark.parametrize("layer", ["conv", "bn", "ip"])
def test_layers_without_any_weights_cannot_be_given_back(net, layer):
    weights = match(net, make_blobs(net))[0]
    left = {name: array for name, array in weights.items() if not name.startswith(layer)}
    with pytest.raises(WeightsMismatch, match=f"no weights for the layers '{layer}'"):
        to_blobs(net, left)


def test_dots_do_not_nest_names():
    parameters = InnerProduct(num_output=1, has_bias=False)
    layer = Layer(name="a.b", bottoms=("x",), tops=("y",), parameters=parameters)
    net = Net(name="", inputs=(Input(blob="x", shape=(1, 2)),), layers=(layer,))
    weights, _ = match(net, {"a.b": (np.ones((1, 2)),)})
    assert list(weights) == ["a_b.weight"]
    assert parameter_prefix("fire2/squeeze1x1") == "fire2/squeeze1x1"
    assert list(to_blobs(net, weights)) == ["a.b"]


def test_statistics_of_a_flat_blob_are_one_number():
    layer = Layer(name="bn", bottoms=("x",), tops=("x",), parameters=BatchNorm())
    net = Net(name="", inputs=(Input(blob="x", shape=(5,)),), layers=(layer,))
    assert [slot.shape for slot in expected_slots(net)["bn"]] == [(1,)] * 3


def one_layer(parameters, *shapes):
    inputs = tuple(Input(blob=f"in{i}", shape=(1, *shape)) for i, shape in enumerate(shapes))
    bottoms = tuple(each.blob for each in inputs)
    layer = Layer(name="l", bottoms=bottoms, tops=("out",), parameters=parameters)
    return Net(name="", inputs=inputs, layers=(layer,))


@pytest.mark.parametrize(
    ("parameters", "shapes", "slots", "weights"),
    [
        (
            caffe.Deconvolution(num_output=4, kernel=(3, 2), group=2),
            [(6, 5, 5)],
            [(6, 2, 3, 2), (4,)],
            {"weight": (6, 2, 3, 2), "bias": (4,)},
        ),
        (
            caffe.Convolution(num_output=6, kernel=(3, 3), is_depthwise=True, has_bias=False),
            [(3, 5, 5)],
            [(6, 1, 3, 3)],
            {"weight": (6, 1, 3, 3)},
        ),
        (
            caffe.Embed(num_output=4, input_dim=9),
            [(3,)],
            [(9, 4), (4,)],
            {"weight": (9, 4), "bias": (4,)},
        ),
        (caffe.PReLU(), [(3, 2, 2)], [(3,)], {"weight": (3,)}),
        (caffe.PReLU(is_shared=True), [(3, 2, 2)], [()], {"weight": (1,)}),
        (caffe.Normalize(), [(3, 2, 2)], [()], {"weight": (1,)}),
        (caffe.Normalize(is_shared=False), [(3, 2, 2)], [(3,)], {"weight": (3,)}),
        (caffe.Parameter(shape=(2, 3)), [], [(2, 3)], {"weight": (2, 3)}),
        (caffe.Bias(), [(3, 2, 2)], [(3,)], {"bias": (3,)}),
        (caffe.Bias(axis=1, num_axes=-1), [(3, 2, 2)], [(3, 2, 2)], {"bias": (3, 2, 2)}),
        (
            caffe.Scale(num_axes=2, has_bias=True),
            [(3, 2)],
            [(3, 2), (3, 2)],
            {"weight": (3, 2), "bias": (3, 2)},
        ),
        (caffe.Scale(num_axes=0), [(3, 2)], [()], {"weight": ()}),
        (caffe.Scale(axis=0, has_bias=True), [(3, 2), (3,)], [(1, 3)], {"bias": (1, 3)}),
    ],
)
def test_every_kind_of_weights_goes_there_and_back(parameters, shapes, slots, weights):
    net = one_layer(parameters, *shapes)
    assert [slot.shape for slot in expected_slots(net)["l"]] == slots
    blobs = make_blobs(net)
    found, _ = match(net, blobs)
    assert {key: value.shape for key, value in found.items()} == {
        f"l.{key}": shape for key, shape in weights.items()
    }
    for old, new in zip(blobs["l"], to_blobs(net, found)["l"], strict=True):
        assert old.shape == new.shape
        assert np.array_equal(old, new)


@pytest.mark.parametrize("parameters", [caffe.Scale(axis=0), caffe.Bias(axis=0)])
def test_what_is_given_by_a_second_bottom_has_no_weights(parameters):
    net = one_layer(parameters, (3, 2), (3,))
    assert expected_slots(net) == {}
    assert match(net, {}) == ({}, Matching(loaded=(), ignored=()))
