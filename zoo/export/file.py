"""A sheet of nodes as the bytes of an ONNX file."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from onnx import TensorProto, ValueInfoProto, helper

from zoo.errors import Unsupported

if TYPE_CHECKING:  # torch takes seconds to import, and graphs are taken apart without it
    from torch.fx import GraphModule

    from zoo.export.sheet import Sheet

OPSET = 20  # from 19 on, every runtime divides an overhanging average as Caffe does
IR_VERSION = 10
LARGEST = 2**31 - 2**20  # bytes; protobuf's limit, less room for the nodes

Side = int | str | None  # a size, the name of a free one, or one that is not told


def describe_blob(name: str, shape: Sequence[Side], *, is_picture: bool = False) -> ValueInfoProto:
    """Describe an end of a graph: float32, or uint8 for pictures."""
    kind = TensorProto.UINT8 if is_picture else TensorProto.FLOAT
    return helper.make_tensor_value_info(name, kind, list(shape))


def assemble(
    sheet: "Sheet",
    inputs: Sequence[ValueInfoProto],
    outputs: Sequence[ValueInfoProto],
    properties: Mapping[str, str],
    *,
    name: str = "network",
) -> bytes:
    """Give the file's bytes; the same ones for the same nodes, constants and properties."""
    constants = list(sheet.constants.values())
    graph = helper.make_graph(sheet.nodes, name, inputs, outputs, constants)
    model = helper.make_model(
        graph,
        producer_name="zoo",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    helper.set_model_props(model, dict(sorted(properties.items())))
    written: bytes = model.SerializeToString(deterministic=True)
    return written


def check_size(network: "GraphModule") -> None:
    """Refuse a network that is too large for one file.

    Raises:
        Unsupported: it would be larger than 2 GiB.
    """
    tensors = {id(tensor): tensor for tensor in network.state_dict(keep_vars=True).values()}
    size_bytes = sum(tensor.nbytes for tensor in tensors.values())
    if size_bytes > LARGEST:
        raise Unsupported(
            f"The network's weights are {size_bytes} bytes, more than one ONNX file can hold"
            f" ({LARGEST}).",
            hint="Use the safetensors file; a graph in several files is not written yet.",
            size_bytes=size_bytes,
        )
