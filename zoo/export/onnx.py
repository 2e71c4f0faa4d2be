"""A network as one ONNX file: preprocessing inside, labels beside, written node by node.

Every module of the graph has its ONNX equal in ``zoo.export.modules``. Writing them down, instead
of tracing, takes milliseconds, keeps LRN one node and rounding-up pooling exact, and gives the same
bytes for the same network.
"""

import json
from collections.abc import Mapping

import numpy as np
from onnx import TensorProto, ValueInfoProto, helper
from torch.fx import GraphModule, Node
from torch.fx.node import map_arg

from zoo.domain.preprocessing import Channels, Preprocessing
from zoo.domain.weights import Array
from zoo.errors import Unsupported, WeightsMismatch
from zoo.export.functions import FUNCTIONS
from zoo.export.modules import MODULES
from zoo.export.sheet import Place, Sheet
from zoo.networks.classifier import (
    ends_in_softmax,
    output_shape,
    takes_any_size,
    with_probabilities,
)
from zoo.networks.graph import describe_node, find_module, get_input, get_output, layer_of
from zoo.networks.preprocess import LUMA, LUMA_UNIT, mean_of

OPSET = 20  # from 19 on, every runtime divides an overhanging average as Caffe does
IR_VERSION = 10
LARGEST = 2**31 - 2**20  # bytes; protobuf's limit, less room for the nodes
IMAGES = "images"
PROBABILITIES = "probabilities"


def write_onnx(
    network: GraphModule,
    preprocessing: Preprocessing,
    mean_image: Array | None,
    labels: tuple[str, ...],
    *,
    metadata: Mapping[str, str] | None = None,
) -> bytes:
    """Write a classifier down as ONNX bytes; the same ones for the same network.

    Input ``images``: uint8, N x H x W x 3, RGB, resized and cropped. N is free; H and W are too
    where the network takes any size. Output ``probabilities``: float32, N x K, in the order of the
    labels. A network that does not end in a softmax is given one, and ``zoo.softmax`` says so.

    Raises:
        Unsupported: a layer has no equal in ONNX, there are several inputs or outputs, or the file
            would be larger than 2 GiB.
        WeightsMismatch: there are not as many labels as scores, or the mean image does not fit.
    """
    _check_size(network)
    complete = with_probabilities(network)
    _check_labels(complete, preprocessing, labels)
    sheet = Sheet()
    values = {get_input(complete): _write_preprocessing(sheet, preprocessing, mean_image)}
    for node in complete.graph.nodes:
        if node.op not in ("placeholder", "output"):
            values[node] = _write_node(sheet, complete, node, values)
    sheet.add("Flatten", [values[get_output(complete)]], PROBABILITIES, axis=1)
    is_free = preprocessing.mean_tensor is None and takes_any_size(complete)
    properties = {
        "zoo.labels": json.dumps(labels, ensure_ascii=False),
        "zoo.preprocessing": json.dumps(preprocessing.as_json(), sort_keys=True),
        "zoo.softmax": "its own" if ends_in_softmax(network) else "added",
        **(metadata or {}),
    }
    return _assemble(sheet, _ends(preprocessing, len(labels), is_free=is_free), properties)


def _write_node(sheet: Sheet, network: GraphModule, node: Node, values: Mapping[Node, str]) -> str:
    place = Place(
        sheet=sheet,
        layer=layer_of(node),
        reads=[values[read] for read in _arguments(node)],
        writes=f"network/{node.name}",
        prefix=str(node.target),
    )
    module = find_module(network, node)
    if module is not None and type(module) in MODULES:
        return MODULES[type(module)](place, module)
    if callable(node.target) and node.target in FUNCTIONS:
        return FUNCTIONS[node.target](place, node)
    raise place.refusal(f"{describe_node(network, node)} has no equal there")


def _arguments(node: Node) -> list[Node]:
    """Give the nodes a node reads, in order and as often as it reads them."""
    found: list[Node] = []
    map_arg(node.args, found.append)
    return found


def _write_preprocessing(
    sheet: Sheet, preprocessing: Preprocessing, mean_image: Array | None
) -> str:
    """Write what ``Preprocess`` computes, step by step, so that every rounding is the same."""
    value = sheet.add("Transpose", [IMAGES], "preprocessing/channels_first", perm=[0, 3, 1, 2])
    value = sheet.add("Cast", [value], "preprocessing/float", to=TensorProto.FLOAT)
    value = WRITE_CHANNELS[preprocessing.channels](sheet, value)
    std = np.asarray(preprocessing.std, np.float32).reshape(-1, 1, 1)
    steps = {
        "Mul": ("scale", np.array(preprocessing.scale, np.float32)),
        "Sub": ("mean", mean_of(preprocessing, mean_image)),
        "Div": ("std", std),
    }
    for operator, (name, number) in steps.items():
        constant = sheet.keep(f"preprocessing.{name}", number)
        value = sheet.add(operator, [value, constant], f"preprocessing/{operator.lower()}")
    return value


def _write_rgb(_sheet: Sheet, value: str) -> str:
    return value


def _write_bgr(sheet: Sheet, value: str) -> str:
    order = sheet.keep("preprocessing.order", np.array([2, 1, 0], np.int64))
    return sheet.add("Gather", [value, order], "preprocessing/bgr", axis=1)


def _write_gray(sheet: Sheet, value: str) -> str:
    """Weigh and sum element by element: a convolution might round on a GPU, these cannot."""
    luma = sheet.keep("preprocessing.luma", np.array(LUMA, np.float32).reshape(3, 1, 1))
    axis = sheet.keep("preprocessing.axis", np.array([1], np.int64))
    unit = sheet.keep("preprocessing.luma_unit", np.array(LUMA_UNIT, np.float32))
    weighed = sheet.add("Mul", [value, luma], "preprocessing/weighed")
    total = sheet.add("ReduceSum", [weighed, axis], "preprocessing/summed", keepdims=1)
    return sheet.add("Div", [total, unit], "preprocessing/gray")


WRITE_CHANNELS = {
    Channels.RGB: _write_rgb,
    Channels.BGR: _write_bgr,
    Channels.GRAY: _write_gray,
}


def _ends(
    preprocessing: Preprocessing, classes: int, *, is_free: bool
) -> tuple[ValueInfoProto, ValueInfoProto]:
    height, width = ("height", "width") if is_free else preprocessing.crop_px
    shape = ["batch", height, width, 3]
    return (
        helper.make_tensor_value_info(IMAGES, TensorProto.UINT8, shape),
        helper.make_tensor_value_info(PROBABILITIES, TensorProto.FLOAT, ["batch", classes]),
    )


def _assemble(
    sheet: Sheet, ends: tuple[ValueInfoProto, ValueInfoProto], properties: Mapping[str, str]
) -> bytes:
    images, probabilities = ends
    graph = helper.make_graph(
        sheet.nodes, "classifier", [images], [probabilities], list(sheet.constants.values())
    )
    model = helper.make_model(
        graph,
        producer_name="zoo",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    helper.set_model_props(model, dict(sorted(properties.items())))
    written: bytes = model.SerializeToString(deterministic=True)
    return written


def _check_labels(
    network: GraphModule, preprocessing: Preprocessing, labels: tuple[str, ...]
) -> None:
    """Refuse labels that are more or fewer than the scores a picture gets."""
    shape = output_shape(network, 1, preprocessing.channel_count, *preprocessing.crop_px)
    classes = int(np.prod(shape[1:]))
    if classes != len(labels):
        raise WeightsMismatch(
            f"The network gives {classes} scores for a picture; there are {len(labels)} labels.",
            hint="Give one label per score, in the network's order.",
            scores=classes,
            labels=len(labels),
        )


def _check_size(network: GraphModule) -> None:
    size_bytes = sum(tensor.nbytes for tensor in network.state_dict().values())
    if size_bytes > LARGEST:
        raise Unsupported(
            f"The network's weights are {size_bytes} bytes, more than one ONNX file can hold"
            f" ({LARGEST}).",
            hint="Use the safetensors file; a graph in several files is not written yet.",
            size_bytes=size_bytes,
        )
