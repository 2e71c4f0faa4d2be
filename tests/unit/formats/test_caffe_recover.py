"""Networks out of weights files, built byte by byte with the numbers of caffe.proto."""

import contextlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zoo.errors import IncompletePackage, MalformedCheckpoint, UnsupportedLayers, ZooError
from zoo.formats.caffe import recover
from zoo.formats.caffe.caffemodel import read_blobs
from zoo.formats.caffe.matching import to_weights
from zoo.formats.caffe.net import (
    BatchNorm,
    Convolution,
    Dropout,
    InnerProduct,
    Input,
    Pooling,
    ReLU,
    Softmax,
)
from zoo.formats.caffe.reading import read_net
from zoo.formats.caffe.recover import recover_net
from zoo.formats.caffe.writing import write_prototxt


@pytest.fixture
def write(proto):
    """Functions that write layers of each generation."""
    return Writer(proto)


class Writer:
    def __init__(self, proto):
        self.proto = proto

    def real(self, number, value):
        return self.proto.varint(number << 3 | 5) + self.proto.floats(value)

    def v2(self, name, kind, bottoms, tops, *more):
        f = self.proto.field
        wired = [f(3, blob) for blob in bottoms] + [f(4, blob) for blob in tops]
        return f(100, f(1, name) + f(2, kind) + b"".join([*wired, *more, f(10, 0)]))

    def v1(self, name, kind, bottoms, tops, *more):
        f = self.proto.field
        wired = [f(2, blob) for blob in bottoms] + [f(3, blob) for blob in tops]
        return f(2, f(4, name) + f(5, kind) + b"".join([*wired, *more]))

    def v0(self, name, kind, bottoms, tops, *more):
        f = self.proto.field
        wired = [f(2, blob) for blob in bottoms] + [f(3, blob) for blob in tops]
        return f(2, f(1, f(1, name) + f(2, kind) + b"".join(more)) + b"".join(wired))

    def blob(self, number, *shape):
        count = int(np.prod(shape))
        return self.proto.field(number, self.proto.blob(shape, [1.0] * count))


@pytest.fixture
def snapshot(proto, write):
    """What a training net in the current generation leaves behind, copies and losses in it."""
    f, real = proto.field, write.real
    packed = proto.varint(3)
    data = f(100, f(3, 6) + real(1, 0.5))
    return b"".join(
        [
            f(1, "Net"),
            write.v2("d", "Data", [], ["data", "label"], data, f(8, f(1, 0)), f(107, f(4, 8))),
            write.v2(
                "conv",
                "Convolution",
                ["data"],
                ["conv"],
                f(106, f(1, 4) + f(4, packed) + f(7, f(1, "xavier")) + f(5, 2)),
                f(6, f(1, "w") + real(3, 1.0)),
                write.blob(7, 4, 1, 3, 3),
                write.blob(7, 4),
            ),
            write.v2("relu", "ReLU", ["conv"], ["conv"], f(123, real(1, 0.25))),
            write.v2("s", "Split", ["conv"], ["conv_s_0", "conv_s_1"]),
            write.v2(
                "bn",
                "BatchNorm",
                ["conv_s_0"],
                ["bn"],
                f(139, f(1, 0) + real(3, 1e-3)),
                write.blob(7, 4),
                write.blob(7, 4),
                write.blob(7, 1),
            ),
            write.v2("pool", "Pooling", ["bn"], ["pool"], f(121, f(1, 1) + f(12, 1))),
            write.v2("drop", "Dropout", ["pool"], ["pool"], f(108, real(1, 0.25))),
            write.v2(
                "ip",
                "InnerProduct",
                ["pool"],
                ["ip"],
                f(117, f(1, 2) + f(2, 0)),
                write.blob(7, 2, 4),
            ),
            write.v2("loss", "SoftmaxWithLoss", ["ip", "label"], ["loss"], f(101, f(2, 1))),
            write.v2("acc", "Accuracy", ["conv_s_1", "label"], ["acc"], f(102, f(1, 5))),
        ]
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.caffemodel"


def test_a_snapshot_gives_its_network(snapshot, path):
    path.write_bytes(snapshot)
    net = recover_net(path)
    assert net.name == "Net"
    assert net.inputs == (Input(blob="data", shape=(1, 2, 6, 6)),)
    assert [layer.parameters for layer in net.layers] == [
        Convolution(num_output=4, kernel=(3, 3), group=2),
        ReLU(negative_slope=0.25),
        BatchNorm(eps=1e-3),
        Pooling(method="AVE", is_global=True),
        Dropout(ratio=0.25),
        InnerProduct(num_output=2, has_bias=False),
        Softmax(),
    ]
    assert net.layers[2].bottoms == ("conv",)
    assert net.unknown == ()
    weights, matching = to_weights(net, read_blobs(path))
    assert weights["ip.weight"].shape == (2, 4)
    assert matching.ignored == ()


def test_a_recovered_network_written_out_is_the_same(snapshot, path):
    path.write_bytes(snapshot)
    net = recover_net(path)
    again = read_net(write_prototxt(net), name="recovered.prototxt")
    assert again == replace(net, dropped=(), unknown=())


def test_the_second_generation_gives_its_network(proto, write, path):
    f = proto.field
    path.write_bytes(
        write.v1("d", 5, [], ["data", "label"], f(11, f(5, 6)))
        + write.v1("c", 4, ["data"], ["c"], f(10, f(1, 2) + f(4, 3)), write.blob(6, 2, 1, 3, 3))
        + write.v1("l", 21, ["c", "label"], ["l"])
    )
    net = recover_net(path)
    assert net.inputs[0].shape == (1, 1, 6, 6)
    assert [layer.type for layer in net.layers] == ["Convolution", "Softmax"]


def test_the_first_generation_gives_its_network(proto, write, path):
    f = proto.field
    path.write_bytes(
        write.v0("d", "data", [], ["data", "label"], f(20, 6))
        + write.v0("p", "padding", ["data"], ["p"], f(7, 1))
        + write.v0("c", "conv", ["p"], ["c"], f(3, 2) + f(8, 3), write.blob(50, 2, 1, 3, 3))
        + write.v0("l", "softmax_loss", ["c", "label"], ["l"])
    )
    net = recover_net(path, blobs={})
    assert net.inputs[0].shape == (1, 3, 6, 6)
    assert net.layers[0].parameters == Convolution(num_output=2, kernel=(3, 3), pad=(1, 1))
    assert net.layers[0].bottoms == ("data",)


def test_old_inputs_are_read(proto, write, path):
    f = proto.field
    dims = b"".join(f(4, size) for size in (1, 2, 3, 4))
    path.write_bytes(write.v2("r", "ReLU", ["data"], ["r"]) + f(3, "data") + dims)
    assert recover_net(path).inputs == (Input(blob="data", shape=(1, 2, 3, 4)),)


def test_fields_of_forks_are_told_by_their_numbers(proto, write, path):
    f = proto.field
    layer = write.v2("r", "ReLU", ["x"], ["r"], f(123, f(9, 1)), f(199, 1), f(144, f(1, 0)))
    given = write.v2("i", "Input", [], ["x"], f(143, f(1, f(1, 1) + f(1, 2))))
    path.write_bytes(given + layer)
    net = recover_net(path)
    assert net.unknown == ("r.relu_param.field_9", "r.field_199", "r.crop_param?")


def test_layers_whose_parameters_cannot_be_told_are_refused_at_once(proto, write, path):
    f = proto.field
    path.write_bytes(
        write.v2("i", "Interp", ["x"], ["i"], f(143, f(3, 2)))
        + write.v2("p", "Pooling", ["i"], ["p"], f(121, f(2, 2) + f(13, 0)))
        + write.v2("y", "Fork", ["p"], ["y"])
        + write.v2("l", "MultiBoxLoss", ["y"], ["l"])
    )
    with pytest.raises(UnsupportedLayers, match="Interp") as caught:
        recover_net(path)
    assert [layer.partition(":")[0] for layer in caught.value.detail["layers"]] == [
        "i (Interp)",
        "p (Pooling",
        "y (Fork)",
    ]
    assert "deploy.prototxt" in caught.value.hint


def test_a_file_that_does_not_tell_the_size_of_pictures_is_not_enough(proto, write, path):
    f = proto.field
    path.write_bytes(
        write.v2("d", "Data", [], ["data"]) + write.v2("r", "ReLU", ["data"], ["r"]) + f(1, "n")
    )
    with pytest.raises(IncompletePackage, match="does not tell the size of its pictures") as caught:
        recover_net(path, name="published.caffemodel")
    assert "published.caffemodel" in str(caught.value)
    assert "deploy.prototxt" in caught.value.hint


def test_numbers_alone_are_not_enough(path):
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + b"\0" * 99)
    with pytest.raises(IncompletePackage, match="holds numbers alone"):
        recover_net(path)


def test_more_values_than_any_network_has_are_refused(proto, write, path, monkeypatch):
    monkeypatch.setattr(recover, "MOST_VALUES", 50)
    dims = proto.varint(1) * 99
    path.write_bytes(write.v2("i", "Input", [], ["x"], proto.field(143, proto.field(1, dims))))
    path.write_bytes(
        write.v2("i", "Input", [], ["x"], proto.field(143, proto.field(1, proto.field(1, dims))))
    )
    with pytest.raises(MalformedCheckpoint, match="more than 50 values"):
        recover_net(path, blobs={})


def test_a_name_longer_than_any_is_refused(write, path):
    path.write_bytes(write.v2("x", "ReLU", ["b" * 5000], ["r"]))
    with pytest.raises(MalformedCheckpoint, match="more than 4096 bytes"):
        recover_net(path, blobs={})


CHANGES = st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=4)), max_size=3)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(changes=CHANGES)
def test_a_damaged_snapshot_gives_a_network_or_an_error_of_ours(snapshot, path, changes):
    octets = bytearray(snapshot)
    for place, content in changes:
        at = int(place * len(octets))
        octets[at : at + len(content)] = content
    path.write_bytes(octets)
    with contextlib.suppress(ZooError):
        assert recover_net(path).layers
