"""Fully connected layers and normalisations."""

from collections.abc import Mapping

import numpy as np

from zoo.formats.elements import ELEMENTS
from zoo.formats.onnx.model import Node, Tensor
from zoo.formats.onnx.scene import Refused, Scene
from zoo.formats.onnx.sizes import Sizes, told

MATRIX = 2
BATCH_NORMS = {2: "BatchNorm1d", 3: "BatchNorm1d", 4: "BatchNorm2d", 5: "BatchNorm3d"}
INSTANCE_NORMS = {3: "InstanceNorm1d", 4: "InstanceNorm2d", 5: "InstanceNorm3d"}
GROUP_SCALES_BY_CHANNEL = 21  # the version from which GroupNormalization has one a channel


def gemm(scene: Scene, node: Node) -> None:
    """Plan alpha A B + beta C, where B and C are weights."""
    x, matrix, bias = scene.read(node), scene.need(node, 1), scene.weight(node, 2)
    if node.attributes.get("transA"):
        raise Refused("turns its input around")
    if len(matrix.shape) != MATRIX or x.rank != MATRIX:
        raise Refused("multiplies what is no matrix")
    weight = matrix if node.attributes.get("transB") else _turned(matrix)
    weight = _times(weight, node.attributes.get("alpha", 1.0))
    outputs, inputs = weight.shape
    _check_inputs(x.sizes, inputs)
    weights = {"weight": weight}
    if bias is not None:
        row = _row(bias, outputs)
        weights["bias"] = _times(row, node.attributes.get("beta", 1.0))
    options = {"in_features": inputs, "out_features": outputs, "bias": bias is not None}
    shape = (x.sizes[0], outputs)
    scene.add(node, "Linear", [x], shape, options=options, weights=weights)


def matmul(scene: Scene, node: Node) -> None:
    """Plan a product with a matrix of weights, or of two values."""
    if scene.try_fold(node):
        return
    second = scene.find(node, 1)
    x = scene.read(node)
    if second is None or not second.is_known:
        y = scene.read(node, 1)
        scene.add(node, "matmul", [x, y], _product(x.sizes, y.sizes))
        return
    matrix = scene.need(node, 1)
    if len(matrix.shape) != MATRIX or x.rank < MATRIX:
        raise Refused("multiplies by what is no matrix")
    inputs, outputs = matrix.shape
    _check_inputs(x.sizes, inputs)
    options = {"in_features": inputs, "out_features": outputs, "bias": False}
    weights = {"weight": _turned(matrix)}
    shape = (*x.sizes[:-1], outputs)
    scene.add(node, "Linear", [x], shape, options=options, weights=weights)


def batch_norm(scene: Scene, node: Node) -> None:
    """Plan a normalisation by the statistics that training found."""
    x = scene.read(node)
    if node.attributes.get("training_mode") or node.attributes.get("spatial", 1) != 1:
        raise Refused("normalises by the batch, or every place by itself")
    if x.rank not in BATCH_NORMS:
        raise Refused(f"normalises {told(x.sizes)}")
    names = ("weight", "bias", "running_mean", "running_var")
    weights = {name: scene.need(node, index) for index, name in enumerate(names, start=1)}
    channels = _channels(x.sizes, weights)
    options = {
        "num_features": channels,
        "eps": node.attributes.get("epsilon", 1e-5),
        "momentum": round(1 - node.attributes.get("momentum", 0.9), 6),
    }
    kind = BATCH_NORMS[x.rank]
    scene.add(node, kind, [x], x.shape, options=options, weights=weights)


def instance_norm(scene: Scene, node: Node) -> None:
    """Plan a normalisation of every map by itself."""
    x = scene.read(node)
    if x.rank not in INSTANCE_NORMS:
        raise Refused(f"normalises {told(x.sizes)}")
    weights = {"weight": scene.need(node, 1), "bias": scene.need(node, 2)}
    options = {
        "num_features": _channels(x.sizes, weights),
        "eps": node.attributes.get("epsilon", 1e-5),
        "affine": True,
    }
    kind = INSTANCE_NORMS[x.rank]
    scene.add(node, kind, [x], x.shape, options=options, weights=weights)


def group_norm(scene: Scene, node: Node) -> None:
    """Plan a normalisation of groups of maps."""
    if scene.model.opset < GROUP_SCALES_BY_CHANNEL:
        raise Refused(f"has one scale a group, before version {GROUP_SCALES_BY_CHANNEL}")
    x = scene.read(node)
    weights = {"weight": scene.need(node, 1), "bias": scene.need(node, 2)}
    channels = _channels(x.sizes, weights)
    groups = node.attributes.get("num_groups") or 0
    if groups < 1 or channels % groups:
        raise Refused(f"divides {channels} channels into {groups} groups")
    options = {
        "num_groups": groups,
        "num_channels": channels,
        "eps": node.attributes.get("epsilon", 1e-5),
    }
    scene.add(node, "GroupNorm", [x], x.shape, options=options, weights=weights)


def layer_norm(scene: Scene, node: Node) -> None:
    """Plan a normalisation over the last axes."""
    x, scale, bias = scene.read(node), scene.need(node, 1), scene.weight(node, 2)
    axis = node.attributes.get("axis", -1)
    count = -axis if axis < 0 else x.rank - axis
    shape = x.sizes[x.rank - count :] if 0 < count < x.rank else ()
    if not shape or scale.shape != shape or (bias is not None and bias.shape != shape):
        raise Refused(f"normalises {told(x.sizes)} from axis {axis} by {told(scale.shape)}")
    weights = {"weight": scale} | ({"bias": bias} if bias is not None else {})
    options = {
        "normalized_shape": scale.shape,
        "eps": node.attributes.get("epsilon", 1e-5),
        "bias": bias is not None,
    }
    scene.add(node, "LayerNorm", [x], x.shape, options=options, weights=weights)


def _turned(matrix: Tensor) -> Tensor:
    return Tensor(matrix.name, matrix.kind, matrix.shape[::-1], matrix.stored.T, matrix.element)


def _times(tensor: Tensor, factor: float) -> Tensor:
    if factor == 1:
        return tensor
    with np.errstate(all="ignore"):  # What is infinite in the file is so in the network.
        array = np.asarray(tensor.array(), np.float32) * np.float32(factor)
    return Tensor(tensor.name, "float32", tensor.shape, array, ELEMENTS["float32"])


def _row(bias: Tensor, outputs: int) -> Tensor:
    """Give a bias one number an output; ONNX also takes one for all."""
    if bias.size == outputs and (bias.shape or (1,))[-1] == outputs:
        stored = bias.stored.reshape(outputs)
    elif bias.size == 1:
        stored = np.broadcast_to(bias.stored.reshape(1), (outputs,))
    else:
        raise Refused(f"has a bias of {told(bias.shape)} for {outputs} outputs")
    return Tensor(bias.name, bias.kind, (outputs,), stored, bias.element)


def _check_inputs(sizes: Sizes, inputs: int) -> None:
    if sizes[-1] not in {inputs, None}:
        raise Refused(f"reads {told(sizes)} with weights for {inputs} numbers")


def _channels(sizes: Sizes, weights: Mapping[str, Tensor]) -> int:
    """Give the number of channels, which all weights have to agree on."""
    shapes = {tensor.shape for tensor in weights.values()}
    (shape, *others) = shapes
    if others or len(shape) != 1 or sizes[1] not in {shape[0], None}:
        raise Refused(f"reads {told(sizes)} with weights of {' and '.join(map(told, shapes))}")
    return shape[0]


def _product(a: Sizes, b: Sizes) -> Sizes:
    if len(a) != len(b) or len(a) < MATRIX or a[-1] != b[-2]:
        raise Refused(f"multiplies {told(a)} by {told(b)}")
    return (*a[:-1], b[-1])
