"""A classifier's graph with its layers in 8 bits: QuantizeLinear and DequantizeLinear around them.

Values are unsigned bytes; weights are signed, one scale per output channel, and use 7 of their 8
bits: a CPU without VNNI adds two products in 16 bits, and with 7 bits that never overflows
(255 * 64 * 2 < 2**15). So a graph that was measured on one CPU computes the same on others.
"""

import tempfile
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper, shape_inference
from onnxruntime.quantization import (
    CalibrationMethod,
    QDQQuantizer,
    QuantType,
    TensorData,
    TensorsData,
)

from zoo.domain.quantization import Kept, Precision
from zoo.errors import NotRunnable, Unsupported
from zoo.export.parity import RUNTIME_ERRORS
from zoo.export.ranges import PROVIDERS, Range

PREPROCESSING = "preprocessing/"  # what nodes before the network are named with
PRECISION = "zoo.precision"  # metadata
ELEMENTWISE = ("Cast", "Mul", "Sub", "Div", "Add")
LEAST_STEPS = 2  # the turn to channels first, and what is done to the numbers
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
    nodes = [node.name for node in _choose(model, kept)]
    data = {
        name: TensorData(lowest=np.float32(low), highest=np.float32(high))
        for name, (low, high) in ranges.items()
    }
    quantizer = QDQQuantizer(
        _with_planes(model),
        per_channel=True,
        reduce_range=True,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=TensorsData(CalibrationMethod.MinMax, data),
        nodes_to_quantize=nodes,
        nodes_to_exclude=[],
        op_types_to_quantize=[*WEIGHTED, *PASSING],
        extra_options={},
    )
    quantizer.quantize_model()
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


def _with_planes(model: ModelProto) -> ModelProto:
    """Give a copy whose preprocessing sees a channel's pixels as one row.

    ONNX Runtime runs layers of 8 bits channels last, and moves the turn to channels first behind
    the preprocessing, where mean and deviation then change with every number: on a processor with
    VNNI that took a fourth of a SqueezeNet. It moves no turn past a reshape. The numbers stay.
    """
    copy = ModelProto()
    copy.CopyFrom(model)
    found = _find_elementwise(copy)
    if not found:
        return copy
    turned, last = found[0].input[0], found[-1].output[0]
    found[0].input[0], found[-1].output[0] = f"{turned}/planes", f"{last}/planes"
    rows = numpy_helper.from_array(np.array([0, 0, 1, -1], np.int64), f"{turned}/rows")
    copy.graph.initializer.append(rows)
    for kind, inputs, output in (
        ("Reshape", [turned, rows.name], f"{turned}/planes"),
        ("Shape", [turned], f"{turned}/shape"),
        ("Reshape", [f"{last}/planes", f"{turned}/shape"], last),
    ):
        copy.graph.node.append(helper.make_node(kind, inputs, [output], name=f"{output}/node"))
    return copy


def _find_elementwise(model: ModelProto) -> list[NodeProto]:
    """Find what preprocessing does to each number alone, behind its turn to channels first.

    Nothing where it does something else: with a mean image, say, each number has its own mean.
    """
    sizes = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    nodes = [node for node in model.graph.node if node.name.startswith(PREPROCESSING)]
    if len(nodes) < LEAST_STEPS or nodes[0].op_type != "Transpose":
        return []
    steps = nodes[1:]
    are_plain = all(
        node.op_type in ELEMENTWISE
        and node.input[0] == before.output[0]
        and all(sizes.get(name, [0])[-2:] in ([], [1, 1]) for name in node.input[1:])
        for before, node in pairwise(nodes)
    )
    return steps if are_plain else []


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

    Preprocessing stays as it is: the same pixels are the same numbers in every precision.
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
