import numpy as np
import pytest

from zoo.errors import MalformedPrototxt, UnsupportedLayers, WeightsMismatch
from zoo.formats.caffe.matching import expected_slots, shared_weights, to_blobs, to_weights
from zoo.formats.caffe.net import Shared
from zoo.formats.caffe.reading import read_net

HEAD = "input: 'data' input_dim: [1, 4]\n"


def ip(name, *params, bottom="data", more="", outputs=4):
    specs = " ".join(f"param {{ {spec} }}" for spec in params)
    return (
        f"layer {{ name: '{name}' type: 'InnerProduct' bottom: '{bottom}' top: '{name}' {specs}"
        f" inner_product_param {{ num_output: {outputs} {more} }} }}\n"
    )


def read(*layers, head=HEAD):
    return read_net(head + "".join(layers), name="net.prototxt")


@pytest.fixture
def net():
    return read(
        ip("a.x", "name: 'w'", "name: 'b' lr_mult: 2"),
        ip("b", "name: 'w'", "name: 'b'", bottom="a.x"),
        ip("c", "name: 'w'", bottom="b"),
    )


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_the_first_layer_that_names_a_blob_owns_it(net):
    both = [Shared(index=index, owner="a.x", owner_index=index) for index in range(2)]
    assert [layer.shares for layer in net.layers] == [(), tuple(both), (both[0],)]
    assert net.unknown == ()


def test_shared_weights_are_told_by_their_names(net):
    assert shared_weights(net) == {
        "b.weight": "a_x.weight",
        "b.bias": "a_x.bias",
        "c.weight": "a_x.weight",
    }


@pytest.mark.parametrize("has_all", [True, False])
def test_shared_weights_are_read_once_from_files_that_repeat_them_or_not(net, has_all):
    weight, bias, own = numbers(4, 4), numbers(4), numbers(4, seed=1)
    blobs = {"a.x": (weight, bias), "c": (own,)}
    if has_all:
        blobs = {"a.x": (weight, bias), "b": (weight, bias), "c": (weight, own)}
    weights, matching = to_weights(net, blobs)
    assert list(weights) == ["a_x.weight", "a_x.bias", "c.bias"]
    assert np.array_equal(weights["c.bias"], own)
    assert matching.ignored == ()


def test_shared_weights_are_written_with_every_layer(net):
    blobs = {"a.x": (numbers(4, 4), numbers(4)), "c": (numbers(4, seed=1),)}
    written = to_blobs(net, to_weights(net, blobs)[0])
    assert [len(each) for each in written.values()] == [2, 2, 2]
    assert np.array_equal(written["b"][0], blobs["a.x"][0])
    assert np.array_equal(written["c"][1], blobs["c"][0])


def test_owners_without_weights_are_missed(net):
    with pytest.raises(WeightsMismatch) as caught:
        to_weights(net, {"c": (numbers(4),)})
    assert caught.value.detail["missing"] == ["a.x"]
    with pytest.raises(WeightsMismatch):
        to_blobs(net, {"c.bias": numbers(4)})


def test_strict_sharing_needs_equal_shapes_and_permissive_equal_counts():
    text = (ip("a", "name: 'w'", outputs=2), ip("b", "name: 'w' %s", bottom="a", outputs=4))
    strict = read(*(each % () if "%" not in each else each % "" for each in text))
    with pytest.raises(MalformedPrototxt, match=r"'b'.*\(4, 2\) cannot be blob 0 of 'a'.*\(2, 4\)"):
        expected_slots(strict)
    loose = read(text[0], text[1] % "share_mode: PERMISSIVE")
    weights, _ = to_weights(loose, {"a": (numbers(2, 4), numbers(2)), "b": (numbers(4),)})
    blobs = to_blobs(loose, weights)
    assert np.array_equal(blobs["b"][0], weights["a.weight"].reshape(4, 2))


def test_permissive_sharing_of_other_counts_is_refused():
    net = read(ip("a", "name: 'w'"), ip("b", "name: 'w' share_mode: 1", bottom="a", outputs=2))
    with pytest.raises(MalformedPrototxt, match="cannot be"):
        expected_slots(net)


def test_more_names_than_blobs_are_refused():
    with pytest.raises(MalformedPrototxt, match="'a' has 2 blobs; its param 'x' is none of them"):
        read(ip("a", "", "", "name: 'x'"))


def test_a_turned_weight_is_shared_with_turned_ones_alone():
    net = read(
        ip("a", "name: 'w'", more="transpose: true"),
        ip("b", "name: 'w'", bottom="a", more="transpose: true"),
    )
    assert shared_weights(net) == {"b.weight": "a.weight"}
    with pytest.raises(UnsupportedLayers, match="shares a transposed weight with 'a'"):
        read(ip("a", "name: 'w'"), ip("b", "name: 'w'", bottom="a", more="transpose: true"))


def norm(name, *params, kind="BatchNorm", bottom="data"):
    specs = " ".join(f"param {{ {spec} }}" for spec in params)
    return f"layer {{ name: '{name}' type: '{kind}' bottom: '{bottom}' top: '{name}' {specs} }}\n"


def test_statistics_are_shared_whole_or_not_at_all():
    names = [f"name: '{name}'" for name in ("m", "v", "f")]
    net = read(norm("a", *names), norm("b", *names, bottom="a"))
    assert shared_weights(net) == {
        "b.running_mean": "a.running_mean",
        "b.running_var": "a.running_var",
    }
    blobs = {"a": (numbers(4), numbers(4), np.float32([2]))}
    weights, _ = to_weights(net, blobs)
    assert list(weights) == ["a.running_mean", "a.running_var"]
    assert len(to_blobs(net, weights)["b"]) == 3
    with pytest.raises(UnsupportedLayers, match="only a part of its statistics"):
        read(norm("a", *names), norm("b", *names[:2], bottom="a"))
    with pytest.raises(UnsupportedLayers, match="in another form"):
        read(norm("a", *names), norm("b", *names[:1], kind="PReLU", bottom="a"))


def test_a_repeated_name_that_shares_all_its_weights_is_numbered():
    again = ip("a", "name: 'w'", "name: 'b'", bottom="a").replace("top: 'a'", "top: 'z'")
    net = read(ip("a", "name: 'w'", "name: 'b'"), again)
    assert [layer.name for layer in net.layers] == ["a", "a_2"]
    assert net.layers[1].shares[0].owner == "a"


def test_a_convolution_of_several_blobs_is_one_each_with_the_same_weights():
    text = (
        "input: 'x' input: 'y' input_dim: [1, 2, 5, 5, 1, 2, 7, 7] layer { name: 'c'"
        " type: 'Convolution' bottom: 'x' bottom: 'y' top: 'cx' top: 'cy'"
        " convolution_param { num_output: 3 kernel_size: 3 } }"
    )
    net = read(text, head="")
    assert [(each.name, each.bottoms, each.tops) for each in net.layers] == [
        ("c", ("x",), ("cx",)),
        ("c_2", ("y",), ("cy",)),
    ]
    assert shared_weights(net) == {"c_2.weight": "c.weight", "c_2.bias": "c.bias"}
    weights, _ = to_weights(net, {"c": (numbers(3, 2, 3, 3), numbers(3))})
    assert list(weights) == ["c.weight", "c.bias"]
