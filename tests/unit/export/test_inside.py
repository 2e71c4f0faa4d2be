"""Cells cut off because they see padding are cut off in ONNX too, at every size."""

import onnxruntime
import pytest
import torch
from torch.fx import Graph

from zoo.export.file import assemble, describe_blob
from zoo.export.nodes import write_nodes
from zoo.export.sheet import Sheet
from zoo.networks.blobs import run_shapes
from zoo.networks.graph import finish_network, get_output
from zoo.networks.layers import CropInside


@pytest.fixture
def both():
    """Give a crop as a network, and as a session that takes any size."""
    graph = Graph()
    reads = graph.placeholder("input_0"), graph.placeholder("input_1")
    module = CropInside(stride=(4, 3), reach=(13, 9), first=(1, 0))
    network = finish_network(graph, graph.call_module("inside", reads), {"inside": module})
    ends = list(network.graph.find_nodes(op="placeholder"))
    sheet, values = Sheet(), {ends[0]: "map", ends[1]: "picture"}
    write_nodes(sheet, network, values, run_shapes(network, (1, 2, 5, 6), (1, 3, 30, 25)))
    assert not sheet.has_fixed_sizes
    blobs = [
        describe_blob("map", ["n", 2, "h", "w"]),
        describe_blob("picture", ["n", 3, "height", "width"]),
    ]
    cut = describe_blob(str(values[get_output(network)]), ["n", 2, "rows", "columns"])
    return network, onnxruntime.InferenceSession(assemble(sheet, blobs, [cut], {}))


@pytest.mark.parametrize(
    "size", [(30, 25), (17, 9), (16, 8), (16, 9), (13, 12), (9, 6), (5, 1), (3, 40)]
)
def test_the_same_cells_are_left(both, size):
    network, session = both
    values = torch.rand(1, 2, 9, 14), torch.zeros(1, 3, *size)
    expected = network(*values).numpy()
    given = dict(zip(("map", "picture"), (value.numpy() for value in values), strict=True))
    (found,) = session.run(None, given)
    rows, columns = max((size[0] - 13) // 4, 0), max((size[1] - 9) // 3 + 1, 0)
    assert found.shape == expected.shape == (1, 2, rows, columns)
    assert (found == expected).all()
