"""A graph with tensors outside itself is found wherever in it they are."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from zoo.errors import NotRunnable
from zoo.serving.external import (
    DATA_LOCATION,
    EXTERNAL_DATA,
    INSIDE,
    TENSOR,
    refuse_external_data,
)
from zoo.serving.predictor import open_predictor


def make_tensor(location="weights.bin"):
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return tensor


def make_constant():
    return helper.make_node("Constant", [], ["w"], value=make_tensor())


def make_branch():
    """Make a node whose branch holds the tensor, as control flow does."""
    branch = helper.make_graph([make_constant()], "branch", [], [])
    return helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)


def make_model(*nodes, initializer=(), functions=()):
    return helper.make_model(
        helper.make_graph(nodes, "net", [], [], initializer), functions=list(functions)
    )


def make_function():
    return helper.make_function(
        "own", "Own", [], ["w"], [make_constant()], [helper.make_opsetid("", 18)]
    )


def make_sparse():
    model = make_model()
    model.graph.sparse_initializer.add().values.CopyFrom(make_tensor())
    return model


def make_training():
    model = make_model()
    model.training_info.add().algorithm.CopyFrom(make_model(make_branch()).graph)
    return model


MODELS = {
    "initializer": make_model(initializer=[make_tensor()]),
    "constant": make_model(make_constant()),
    "branch": make_model(make_branch()),
    "function": make_model(functions=[make_function()]),
    "sparse": make_sparse(),
    "training": make_training(),
}


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_a_tensor_outside_is_refused_wherever_it_is(model):
    with pytest.raises(NotRunnable, match="in other files"):
        refuse_external_data(model.SerializeToString())


@pytest.mark.parametrize("field", ["data_location", "external_data"])
def test_either_mark_of_a_tensor_outside_is_enough(field):
    model = make_model(initializer=[make_tensor()])
    model.graph.initializer[0].ClearField(field)
    with pytest.raises(NotRunnable, match="in other files"):
        refuse_external_data(model.SerializeToString())


def test_a_graph_in_one_file_passes(graph):
    refuse_external_data(graph())


def test_a_file_beside_the_graph_is_not_read(graph, tmp_path):
    model = onnx.load_model_from_string(graph())
    model.graph.initializer.append(make_tensor())
    (tmp_path / "weights.bin").write_bytes(np.zeros(3, np.float32).tobytes())
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(NotRunnable, match="in other files"):
        open_predictor(tmp_path / "model.onnx")


def leads(message, *, seen):
    """Tell whether a message can hold a tensor, however deep."""
    if message.name == TENSOR:
        return True
    fresh = message.name not in seen
    return fresh and any(
        leads(field.message_type, seen=seen | {message.name})
        for field in message.fields
        if field.message_type
    )


@pytest.mark.parametrize("kind", INSIDE)
def test_every_field_that_leads_to_a_tensor_is_followed(kind):
    fields = getattr(onnx, kind).DESCRIPTOR.fields
    found = {
        field.number: field.message_type.name
        for field in fields
        if field.message_type and leads(field.message_type, seen=frozenset({"TypeProto"}))
    }
    assert INSIDE[kind] == found


def test_the_marks_of_a_tensor_are_those_of_the_format():
    fields = TensorProto.DESCRIPTOR.fields_by_name
    assert fields["external_data"].number == EXTERNAL_DATA
    assert fields["data_location"].number == DATA_LOCATION
