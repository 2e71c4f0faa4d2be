"""What every graph is put through: pictures, a session of ONNX Runtime, a look at its ends."""

import numpy as np
import onnx
import onnxruntime
import pytest


@pytest.fixture(scope="session")
def draw_images():
    """Draw pictures as bytes: ``count`` of ``height`` x ``width``, of three channels."""

    def draw(count, height, width):
        return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8)

    return draw


@pytest.fixture(scope="session")
def run_graph():
    """Give the first output of a graph's bytes for inputs by name, on CPU."""

    def run(graph, given):
        session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        return session.run(None, given)[0]

    return run


@pytest.fixture(scope="session")
def sides_of():
    """Tell the sides of a graph's inputs and outputs by name: numbers, or names where free."""

    def read(graph):
        ends = onnx.load_from_string(graph).graph
        return {
            end.name: [side.dim_param or side.dim_value for side in end.type.tensor_type.shape.dim]
            for end in (*ends.input, *ends.output)
        }

    return read


@pytest.fixture(scope="session")
def properties_of():
    """Read the texts that travel with a graph, by key."""

    def read(graph):
        return {entry.key: entry.value for entry in onnx.load_from_string(graph).metadata_props}

    return read
