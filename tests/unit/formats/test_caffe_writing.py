import dataclasses
import typing

import cv2
import numpy as np
import pytest

from zoo.formats.caffe import net as caffe
from zoo.formats.caffe.caffemodel import read_blobs, read_mean
from zoo.formats.caffe.matching import expected_slots
from zoo.formats.caffe.net import (
    LRN,
    BatchNorm,
    Concat,
    Convolution,
    Dropout,
    Flatten,
    InnerProduct,
    Input,
    Layer,
    Net,
    Parameters,
    Pooling,
    ReLU,
    Scale,
    Shared,
    Softmax,
)
from zoo.formats.caffe.reading import read_net
from zoo.formats.caffe.table import BOTTOMS, TABLE
from zoo.formats.caffe.writing import write_caffemodel, write_mean, write_prototxt
from zoo.formats.caffe.writing_fields import FIELDS

# Parameters that have no defaults, by kind; all others are made of theirs.
REQUIRED = {
    caffe.Clip: {"least": -1.0, "most": 2.0},
    caffe.Convolution: {"num_output": 4, "kernel": (3, 3)},
    caffe.Deconvolution: {"num_output": 4, "kernel": (3, 3)},
    caffe.Embed: {"num_output": 2, "input_dim": 5},
    caffe.InnerProduct: {"num_output": 2},
    caffe.Parameter: {"shape": (2, 3)},
    caffe.Permute: {"order": (0, 2, 3, 1)},
    caffe.Pooling: {"method": "MAX", "kernel": (3, 3)},
    caffe.Reshape: {"dims": (0, -1, 2)},
    caffe.SPP: {"pyramid_height": 2},
    caffe.Tile: {"tiles": 2},
}
# Values that are not the default, by the type of the default.
OTHERS = {bool: lambda old: not old, float: lambda old: old + 2.5, int: lambda old: old + 1}


def make(kind, *, is_default):
    """Parameters of a kind: with its defaults, or with every number and flag changed."""
    made = kind(**REQUIRED.get(kind, {}))
    if is_default:
        return made
    old = {field.name: getattr(made, field.name) for field in dataclasses.fields(made)}
    new = {key: OTHERS[type(value)](value) for key, value in old.items() if type(value) in OTHERS}
    return dataclasses.replace(made, **new)


KINDS = sorted(typing.get_args(Parameters), key=lambda kind: kind.__name__)
SPECIAL = {Convolution, Pooling, Dropout, LRN, caffe.Interp}  # what they exclude stands in EVERY
EVERY_KIND = [make(kind, is_default=True) for kind in KINDS]
EVERY_KIND += [make(kind, is_default=False) for kind in KINDS if kind not in SPECIAL]


def test_every_kind_of_layer_is_read_and_written():
    kinds = set(typing.get_args(Parameters))
    assert set(FIELDS) == kinds
    assert set(TABLE) == {kind.__name__ for kind in kinds}


EVERY = [
    *EVERY_KIND,
    BatchNorm(eps=1e-3, moving_average_fraction=0.9, has_statistics=False, has_affine=True),
    Concat(axis=2),
    Convolution(
        num_output=4,
        kernel=(3, 1),
        stride=(1, 2),
        pad=(1, 0),
        dilation=(1, 2),
        group=2,
        has_bias=False,
    ),
    Convolution(num_output=4, kernel=(3, 3), is_depthwise=True),
    Dropout(ratio=0.25),
    Flatten(axis=2, end_axis=3),
    InnerProduct(num_output=2, axis=2, is_transposed=True, has_bias=False),
    LRN(is_within_channel=True, local_size=3, alpha=5e-5, beta=0.5, k=2.0),
    Pooling(method="AVE", is_global=True),
    Pooling(method="MAX", kernel=(3, 2), stride=(2, 2), pad=(1, 1), has_ceil=False),
    Pooling(method="STOCHASTIC", kernel=(2, 2)),
    ReLU(negative_slope=0.1),
    Scale(axis=2, num_axes=-1, has_bias=True),
    Softmax(axis=-1),
    caffe.ArgMax(axis=1, top_k=2),
    caffe.Eltwise(operation="PROD"),
    caffe.Interp(size=(3, 4)),
]


@pytest.mark.parametrize("parameters", EVERY)
def test_a_written_network_is_read_back_equal(parameters):
    inputs = [f"in{index}" for index in range(BOTTOMS.get(type(parameters), (1, 1))[0])]
    layer = Layer(name='a "b"\\\n', bottoms=tuple(inputs), tops=("out",), parameters=parameters)
    given = tuple(Input(blob=blob, shape=(1, 4, 9, 9)) for blob in inputs or ["in"])
    net = Net(name="n", inputs=given, layers=(layer,))
    assert read_net(write_prototxt(net), name="deploy.prototxt") == net


def test_shared_blobs_are_written_and_read_back_equal():
    owner = Layer(name="a", bottoms=("in",), tops=("a",), parameters=InnerProduct(num_output=4))
    shares = (Shared(index=1, owner="a", owner_index=1, is_permissive=True),)
    other = Layer(name="b", bottoms=("a",), tops=("b",), parameters=owner.parameters, shares=shares)
    net = Net(name="n", inputs=(Input(blob="in", shape=(1, 4)),), layers=(owner, other))
    assert read_net(write_prototxt(net), name="deploy.prototxt") == net


@pytest.fixture
def net(tiny_prototxt):
    return read_net(tiny_prototxt, name="deploy.prototxt")


@pytest.fixture
def blobs(net):
    rng = np.random.default_rng(0)
    return {
        name: tuple(rng.uniform(0.1, 1, slot.shape).astype(np.float32) for slot in slots)
        for name, slots in expected_slots(net).items()
    }


def test_written_blobs_are_read_back_equal(net, blobs, tmp_path):
    path = tmp_path / "net.caffemodel"
    path.write_bytes(b"".join(write_caffemodel(net, blobs)))
    again = read_blobs(path)
    assert list(again) == list(blobs)
    for name, arrays in blobs.items():
        for old, new in zip(arrays, again[name], strict=True):
            assert np.array_equal(old, new)


def test_a_written_mean_image_is_read_back_equal(tmp_path):
    image = np.arange(3 * 4 * 300, dtype=np.float32).reshape(3, 4, 300)
    path = tmp_path / "mean.binaryproto"
    path.write_bytes(write_mean(image))
    assert np.array_equal(read_mean(path), image)


def test_an_independent_reader_computes_the_same_from_both_files(net, blobs, tmp_path):
    # OpenCV knows no transposed InnerProduct; as long as it is square nothing fails but numbers.
    text = write_prototxt(net).replace("transpose: true", "transpose: false")
    flat = dict(blobs, ip=(np.ascontiguousarray(blobs["ip"][0].T), blobs["ip"][1]))
    (tmp_path / "deploy.prototxt").write_text(text)
    (tmp_path / "net.caffemodel").write_bytes(b"".join(write_caffemodel(net, flat)))
    network = cv2.dnn.readNetFromCaffe(
        str(tmp_path / "deploy.prototxt"), str(tmp_path / "net.caffemodel")
    )
    images = np.random.default_rng(1).normal(size=(1, 2, 6, 6)).astype(np.float32)
    network.setInput(images)
    found = network.forward("ip")
    assert np.allclose(found, compute(blobs, images), rtol=1e-4, atol=1e-5)


def compute(blobs, images):
    """The tiny network in plain numpy."""
    weight, bias = blobs["conv"]
    windows = np.lib.stride_tricks.sliding_window_view(images, (3, 3), axis=(2, 3))[0]
    groups = [windows[[group]] for group in (0, 0, 1, 1)]
    x = np.stack([(g * w[0]).sum((0, 3, 4)) for g, w in zip(groups, weight[:, None], strict=True)])
    x += bias[:, None, None]
    mean, variance, (factor,) = blobs["bn"]
    x = (x - (mean / factor)[:, None, None]) / np.sqrt(variance / factor + 1e-5)[:, None, None]
    scale, shift = blobs["scale"]
    x = np.maximum(x * scale[:, None, None] + shift[:, None, None], 0)
    pooled = np.array(
        [[[c[i : i + 3, j : j + 3].max() for j in (0, 2)] for i in (0, 2)] for c in x]
    )
    return pooled.reshape(1, -1) @ blobs["ip"][0] + blobs["ip"][1]
