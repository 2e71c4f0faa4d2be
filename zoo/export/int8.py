"""A classifier's graph with its layers in 8 bits: QuantizeLinear and DequantizeLinear around them.

Values are unsigned bytes; weights are signed, one scale per output channel, and use 7 of their 8
bits: a CPU without VNNI adds two products in 16 bits, and with 7 bits that never overflows
(255 * 64 * 2 < 2**15). So a graph that was measured on one CPU computes the same on others.
"""

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import ModelProto, NodeProto, TensorProto, shape_inference
from onnxruntime.quantization import (
    CalibrationMethod,
    QDQQuantizer,
    QuantType,
    TensorData,
    TensorsData,
)

from zoo.domain.quantization import Kept, Precision
from zoo.errors import NotRunnable, Unsupported
from zoo.export.first8 import MOST, PIXELS, find_first, read_pixels, take_bytes
from zoo.export.parity import RUNTIME_ERRORS
from zoo.export.ranges import PROVIDERS, Range
from zoo.formats.onnx.first_layer import PREPROCESSING

LAYOUT = 2  # another number for other bytes of the same graph and ranges
PRECISION = "zoo.precision"  # metadata
# Layers with weights, and what passes their values on; all else stays in 32 bits.
WEIGHTED = ("Conv", "Gemm", "MatMul")
PASSING = (
    "Add",
    "AveragePool",
    "Clip",
    "Concat",
    "Flatten",
    "GlobalAveragePool",
    "MaxPool",
    "Pad",
    "Relu",
    "Reshape",
    "Transpose",
)


def simplify(graph: bytes) -> ModelProto:
    """Fold what a graph can be computed without: batch normalisation, constants, idle nodes.

    Every node gets a name. What ONNX Runtime does to any graph before it runs is done here once,
    as far as it stays within the standard's operations.

    Raises:
        NotRunnable: ONNX Runtime does not take the graph.
    """
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        options.optimized_model_filepath = str(path)
        try:
            onnxruntime.InferenceSession(graph, sess_options=options, providers=list(PROVIDERS))
        except RUNTIME_ERRORS as error:
            raise NotRunnable(f"ONNX Runtime does not take the graph: {error}") from error
        model = shape_inference.infer_shapes(onnx.load(path))
    for number, node in enumerate(model.graph.node):
        node.name = node.name or f"node {number}"
    return model


def list_values(model: ModelProto) -> list[str]:
    """List the values whose ranges have to be known: those that layers in 8 bits read and write.

    Raises:
        Unsupported: there is no layer with weights of 32 bits.
    """
    weights = {tensor.name for tensor in model.graph.initializer}
    read_and_written = [
        name
        for node in _choose(model, Kept.NONE)
        for name in (*node.input, *node.output)
        if name and name not in weights
    ]
    kinds = _kinds(model)
    return [name for name in dict.fromkeys(read_and_written) if kinds[name] == TensorProto.FLOAT]


def write_int8(model: ModelProto, ranges: Mapping[str, Range], kept: Kept) -> bytes:
    """Write a simplified graph down in 8 bits; the same bytes for the same graph and ranges.

    Raises:
        Unsupported: it has no layer with weights that could be.
    """
    nodes = _choose(model, kept)
    first = find_first(model, nodes)
    data = {
        name: TensorData(lowest=np.float32(low), highest=np.float32(high))
        for name, (low, high) in (_join(nodes, model, ranges) | {PIXELS: (0, MOST)}).items()
    }
    quantizer = QDQQuantizer(
        read_pixels(model, first) if first else _copy(model),
        per_channel=True,
        reduce_range=True,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=TensorsData(CalibrationMethod.MinMax, data),
        nodes_to_quantize=[node.name for node in nodes],
        nodes_to_exclude=[],
        op_types_to_quantize=[*WEIGHTED, *PASSING],
        extra_options={},
    )
    quantizer.quantize_model()
    if first:
        take_bytes(quantizer.model.model, first)
    quantizer.model.topological_sort()
    return finish(quantizer.model.model, model, Precision.INT8)


def finish(made: ModelProto, model: ModelProto, precision: Precision) -> bytes:
    """Give a graph's bytes, with the metadata of the one it was made of and what it computes in."""
    told = {entry.key: entry.value for entry in model.metadata_props}
    told[PRECISION] = precision.value
    del made.metadata_props[:]
    onnx.helper.set_model_props(made, dict(sorted(told.items())))
    made.producer_name, made.producer_version = "zoo", ""
    del made.graph.value_info[:]  # What is known of values follows from the rest.
    written: bytes = made.SerializeToString(deterministic=True)
    return written


def _join(
    nodes: Sequence[NodeProto], model: ModelProto, ranges: Mapping[str, Range]
) -> dict[str, Range]:
    """Lay what is only put beside other values over the range of all that are put together.

    It is read at that range in any case; so it is rounded once, and put there by copying bytes.
    """
    readers = Counter(name for node in model.graph.node for name in node.input)
    readers.update(value.name for value in model.graph.output)
    joined = dict(ranges)
    for node in reversed(nodes):  # What is put together may be a part of more.
        if node.op_type == "Concat" and node.output[0] in joined:
            alone = [name for name in node.input if readers[name] == 1 and name in joined]
            joined |= dict.fromkeys(alone, joined[node.output[0]])
    return joined


def _copy(model: ModelProto) -> ModelProto:
    copy = ModelProto()
    copy.CopyFrom(model)
    return copy


def _choose(model: ModelProto, kept: Kept) -> list[NodeProto]:
    """Choose the nodes that compute in 8 bits.

    Raises:
        Unsupported: no layer with weights is among them.
    """
    kinds = _kinds(model)
    able = [node for node in model.graph.node if _is_able(node, kinds)]
    weighted = [node.name for node in able if node.op_type in WEIGHTED]
    left_out = {
        Kept.NONE: set[str](),
        Kept.LAST: set(weighted[-1:]),
        Kept.BOTH_ENDS: {*weighted[:1], *weighted[-1:]},
    }[kept]
    if not set(weighted) - left_out:
        raise Unsupported(
            "The graph has no convolution or fully connected layer in 32 bits that 8 would do for.",
            hint="Serve it as it is.",
        )
    return [node for node in able if node.name not in left_out]


def _is_able(node: NodeProto, kinds: Mapping[str, int]) -> bool:
    """Tell whether a node of the network's computes with numbers of 32 bits, by an operation of 8.

    Preprocessing does not: it is laid into the first layer (``first8``), or stays in 32 bits.
    """
    return (
        node.op_type in {*WEIGHTED, *PASSING}
        and not node.domain
        and not node.name.startswith(PREPROCESSING)
        and kinds.get(node.output[0]) == TensorProto.FLOAT
    )


def _kinds(model: ModelProto) -> dict[str, int]:
    return dict(_tell_kinds(model))


def _tell_kinds(model: ModelProto) -> Iterator[tuple[str, int]]:
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        yield value.name, value.type.tensor_type.elem_type
    for tensor in model.graph.initializer:
        yield tensor.name, tensor.data_type
