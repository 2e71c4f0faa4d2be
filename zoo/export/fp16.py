"""A classifier's graph in floating point of 16 bits, with preprocessing and both ends as before."""

from onnx import ModelProto, NodeProto, TensorProto
from onnxruntime.quantization.onnx_model import ONNXModel
from onnxruntime.transformers.float16 import convert_float_to_float16

from zoo.domain.quantization import Precision
from zoo.export.int8 import finish
from zoo.formats.onnx.first_layer import PREPROCESSING

SMALLEST = 5.96e-8  # that 16 bits can tell from 0


def write_fp16(model: ModelProto) -> bytes:
    """Write a simplified graph down in 16 bits; the same bytes for the same graph.

    Pixels become the numbers that the network reads in 32 bits, as ever: 16 cannot hold what a
    colour's weights make of them on the way. Probabilities are given in 32.
    """
    copy = ModelProto()
    copy.CopyFrom(model)
    before = [node.name for node in model.graph.node if node.name.startswith(PREPROCESSING)]
    made = convert_float_to_float16(
        copy, min_positive_val=SMALLEST, keep_io_types=True, node_block_list=before
    )
    _join_casts(made)
    ONNXModel(made).topological_sort()
    return finish(made, model, Precision.FP16)


def _join_casts(model: ModelProto) -> None:
    """Let a value that is cast to 16 bits and back be read as it was before.

    The library casts between any two nodes, also between two that both stay in 32 bits.
    """
    casts = [node for node in model.graph.node if node.op_type == "Cast"]
    halved = {node.output[0]: node.input[0] for node in casts if _kind(node) == TensorProto.FLOAT16}
    back = {
        node.output[0]: halved[node.input[0]]
        for node in casts
        if _kind(node) == TensorProto.FLOAT and node.input[0] in halved
    }
    ends = {output.name for output in model.graph.output}
    for node in model.graph.node:
        node.input[:] = [back.get(name, name) for name in node.input]
    read = {name for node in model.graph.node for name in node.input} | ends
    idle = [node for node in casts if node.output[0] not in read]
    while idle:
        for node in idle:
            model.graph.node.remove(node)
            casts.remove(node)
        read = {name for node in model.graph.node for name in node.input} | ends
        idle = [node for node in casts if node.output[0] not in read]


def _kind(node: NodeProto) -> int:
    return next(int(one.i) for one in node.attribute if one.name == "to")
