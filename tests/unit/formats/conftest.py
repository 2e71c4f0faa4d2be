"""Tiny Caffe files, built byte by byte."""

import struct
from types import SimpleNamespace

import pytest
from fuzz_wire import floats, put, varint


def doubles(*values):
    return struct.pack(f"<{len(values)}d", *values)


def shape(*dims):
    return put(7, put(1, b"".join(map(varint, dims))))


def blob(dims, values):
    return put(5, floats(*values)) + shape(*dims)


def v2_layer(name, *blobs, kind="Convolution"):
    content = put(1, name) + put(2, kind) + b"".join(put(7, each) for each in blobs)
    return put(100, content)


def v1_layer(name, *blobs, kind=4):
    content = put(4, name) + put(5, kind) + b"".join(put(6, each) for each in blobs)
    return put(2, content)


@pytest.fixture(scope="session")
def proto():
    """Functions that write protobuf's wire format."""
    return SimpleNamespace(
        varint=varint,
        field=put,
        floats=floats,
        doubles=doubles,
        shape=shape,
        blob=blob,
        v1_layer=v1_layer,
        v2_layer=v2_layer,
    )


TINY_PROTOTXT = """
name: "Tiny"
input: "data"
input_shape { dim: 1 dim: 2 dim: 6 dim: 6 }
layer {
  name: "conv"
  type: "Convolution"
  bottom: "data"
  top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 group: 2 }
}
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" }
layer { name: "scale" type: "Scale" bottom: "conv" top: "conv" scale_param { bias_term: true } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer {
  name: "pool"
  type: "Pooling"
  bottom: "conv"
  top: "pool"
  pooling_param { pool: MAX kernel_size: 3 stride: 2 }
}
layer {
  name: "ip"
  type: "InnerProduct"
  bottom: "pool"
  top: "ip"
  inner_product_param { num_output: 3 transpose: true }
}
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }
"""


@pytest.fixture(scope="session")
def tiny_prototxt():
    """A network with every kind of weights."""
    return TINY_PROTOTXT
