"""Tiny graphs of the form that the zoo exports."""

import json

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

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
