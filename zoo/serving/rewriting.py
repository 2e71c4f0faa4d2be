"""What rewriting a graph takes, in the classes of the onnx library."""

from collections.abc import Sequence
from typing import Any

import onnx
from google.protobuf.message import DecodeError
from onnx import ModelProto, NodeProto, helper

from zoo.errors import NotRunnable


def parse_model(data: bytes) -> ModelProto:
    """Read a graph.

    Raises:
        NotRunnable: it is none.
    """
    try:
        return onnx.load_model_from_string(data)
    except (DecodeError, ValueError) as error:
        raise NotRunnable("The graph is damaged or no ONNX file.") from error


def replace_nodes(model: ModelProto, nodes: Sequence[NodeProto]) -> None:
    """Give a graph other nodes, in order, in place."""
    written = [node.SerializeToString() for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(map(NodeProto.FromString, written))


def attributes_of(node: NodeProto) -> dict[str, Any]:
    """Give the attributes of a node by their names."""
    return {one.name: helper.get_attribute_value(one) for one in node.attribute}
