"""Tiny graphs of the form that the zoo exports."""

import json
import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from zoo.domain.geometry import Geometry, Side
from zoo.domain.preprocessing import Preprocessing, Resize

PREPROCESSING = Preprocessing(resize=Resize.SQUASH, resize_px=2, crop_px=(2, 2))
OURS = {
    "zoo.labels": json.dumps(["red", "green", "blue"]),
    "zoo.preprocessing": json.dumps(PREPROCESSING.as_json()),
}


def make_graph(*, metadata=OURS, nodes=None, shape=("n", 3)):
    """Make the bytes of a graph that says which colour a picture has most of.

    The scores are the mean of each channel; their softmax is the answer.
    """
    axes = numpy_helper.from_array(np.array([1, 2]), "axes")
    chain = nodes or [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats", "axes"], ["scores"], keepdims=0),
        helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        chain,
        "colours",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", 2, 2, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, list(shape))],
        [axes],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, metadata)
    return model.SerializeToString()


@pytest.fixture
def graph():
    return make_graph


def make_ends(**ends):
    """Make the bytes of a graph with inputs and an output of other names, types or shapes."""
    given = {
        "images": ("images", TensorProto.UINT8, ["n", 2, 2, 3]),
        "probabilities": ("probabilities", TensorProto.FLOAT, ["n", 3]),
    } | ends
    name, kind, shape = given.pop("probabilities")
    fill = numpy_helper.from_array(np.zeros(1, helper.tensor_dtype_to_np_dtype(kind)))
    sides = numpy_helper.from_array(
        np.array([side if isinstance(side, int) else 1 for side in shape]), "sides"
    )
    graph = helper.make_graph(
        [helper.make_node("ConstantOfShape", ["sides"], [name], value=fill)],
        "ends",
        [helper.make_tensor_value_info(*value) for value in given.values()],
        [helper.make_tensor_value_info(name, kind, shape)],
        [sides],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, OURS)
    return model.SerializeToString()


@pytest.fixture
def ends():
    return make_ends


@pytest.fixture
def ours():
    return dict(OURS)


@pytest.fixture
def preprocessing():
    return PREPROCESSING


POINT = Side(stride_px=1, window_px=1, start_px=0, shift_px=0, smallest_px=1)


@dataclass(frozen=True)
class Step:
    """A convolution (with channels) or a pooling that rounds up; pairs are of height and width."""

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    pad: tuple[int, int] = (0, 0)
    channels: int = 0
    pooling: str = ""  # MaxPool or AveragePool

    def count(self, axis, size):
        """Count the cells along a side of what is read; none where the kernel does not fit."""
        room = size + 2 * self.pad[axis] - self.kernel[axis]
        if room < 0:
            return 0
        return (math.ceil if self.pooling else math.floor)(room / self.stride[axis]) + 1

    def over(self, axis, side):
        """Give how the cells lie over the picture, from how what is read does."""
        kernel, stride, pad = self.kernel[axis], self.stride[axis], self.pad[axis]
        shift = 2 * pad - kernel + (2 * stride - 1 if self.pooling else stride)
        return replace(
            side,
            stride_px=side.stride_px * stride,
            window_px=side.window_px + (kernel - 1) * side.stride_px,
            start_px=side.start_px - pad * side.stride_px,
            shift_px=side.shift_px + shift * side.stride_px,
        )


def pair(value):
    return value if isinstance(value, tuple) else (value, value)


def conv(kernel, stride=1, pad=0, channels=4):
    return Step(pair(kernel), pair(stride), pair(pad), channels)


def pool(kernel, stride, pad=0, pooling="MaxPool"):
    return Step(pair(kernel), pair(stride), pair(pad), pooling=pooling)


def side_of(steps, axis):
    """Work one side out; the smallest picture is found by trying."""
    side = POINT
    for step in steps:
        side = step.over(axis, side)
    smallest = next(size for size in range(1, 10_000) if count_cells(steps, axis, size))
    return replace(side, smallest_px=smallest)


def count_cells(steps, axis, size):
    for step in steps:
        size = step.count(axis, size) if size else 0
    return size


def geometry_of(steps, whole_picture=()):
    height, width = (side_of(steps, axis) for axis in (0, 1))
    native = height.smallest_px, width.smallest_px
    return Geometry(height=height, width=width, native_px=native, whole_picture=whole_picture)


def write_dense(steps, *, labels=("cat", "dog", "emu"), crop=None, seed=0, **metadata):
    """Write a dense network with drawn weights; ``metadata`` replaces what it says of itself."""
    geometry = geometry_of(steps)
    crop = crop or geometry.native_px
    preprocessing = Preprocessing(resize=Resize.SQUASH, resize_px=min(crop), crop_px=crop)
    told = {
        "labels": json.dumps(labels),
        "preprocessing": json.dumps(preprocessing.as_json()),
        "dense": json.dumps(geometry.as_json()),
    } | metadata
    rng, nodes, constants, channels = np.random.default_rng(seed), [], [], 3
    for index, step in enumerate([*steps, Step((1, 1), channels=len(labels))]):
        given = {"kernel_shape": step.kernel, "strides": step.stride, "pads": step.pad * 2}
        reads, writes = f"x{index}", f"x{index + 1}"
        if step.pooling:
            nodes.append(helper.make_node(step.pooling, [reads], [writes], ceil_mode=1, **given))
            continue
        shape = (step.channels, channels, *step.kernel)
        weights = rng.normal(0, math.sqrt(3 / math.prod(shape[1:])), shape).astype(np.float32)
        bias = rng.normal(0, 0.3, shape[:1]).astype(np.float32)
        named = {f"w{index}": weights, f"b{index}": bias}
        constants += [numpy_helper.from_array(value, name) for name, value in named.items()]
        nodes.append(helper.make_node("Conv", [reads, *named], [f"y{index}"], **given))
        nodes.append(helper.make_node("LeakyRelu", [f"y{index}"], [writes]))
        channels = step.channels
    end = helper.make_node("Softmax", [nodes[-1].output[0]], ["probabilities"], axis=1)
    return _as_bytes([*_read_pictures(), *nodes, end], constants, labels, told)


def _read_pictures():
    return [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["mapped"], perm=[0, 3, 1, 2]),
        helper.make_node("Div", ["mapped", "unit"], ["x0"]),
    ]


def _as_bytes(nodes, constants, labels, told):
    ends = {
        "images": (TensorProto.UINT8, ["n", "height", "width", 3]),
        "probabilities": (TensorProto.FLOAT, ["n", len(labels), "rows", "columns"]),
    }
    images, probabilities = (
        helper.make_tensor_value_info(name, *form) for name, form in ends.items()
    )
    unit = numpy_helper.from_array(np.array(64, np.float32), "unit")
    graph = helper.make_graph(nodes, "dense", [images], [probabilities], [*constants, unit])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(model, {f"zoo.{key}": value for key, value in told.items() if value})
    return model.SerializeToString()


class DenseNets:
    """What a test makes dense networks of, and with."""

    conv, pool = staticmethod(conv), staticmethod(pool)
    write, geometry = staticmethod(write_dense), staticmethod(geometry_of)
    count = staticmethod(count_cells)


@pytest.fixture(scope="session")
def dense_nets():
    return DenseNets
