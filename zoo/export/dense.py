"""A dense network as one ONNX file: pictures of any size in, a map of probabilities out."""

import json
from collections.abc import Mapping
from itertools import zip_longest
from typing import TypeGuard

from torch.fx import GraphModule, Node

from zoo.domain.geometry import Geometry
from zoo.domain.preprocessing import Preprocessing
from zoo.errors import BoundToOneSize, Unsupported
from zoo.export.file import assemble, check_size, describe_blob
from zoo.export.nodes import write_nodes
from zoo.export.onnx import PROBABILITIES, check_labels
from zoo.export.pictures import IMAGES, write_preprocessing
from zoo.export.sheet import Shape, Sheet, Values
from zoo.networks.graph import get_input, get_output, layer_of
from zoo.networks.probing import try_shape

LEAST = (2, (0, 0))  # pictures of the first trial
LARGER = (3, (3, 2))  # pictures of the second trial, and the strides by which they are larger


def write_dense(
    network: GraphModule,
    preprocessing: Preprocessing,
    labels: tuple[str, ...],
    *,
    geometry: Geometry,
    metadata: Mapping[str, str] | None = None,
) -> bytes:
    """Write a dense network down as ONNX bytes; the same ones for the same network.

    Input ``images``: uint8, N x H x W x 3, RGB. Output ``probabilities``: float32, N x K x h x w,
    in the order of the labels. N, H and W are free: the network is written down for two sizes of
    picture and two numbers of them, and every node and constant has to be the same.

    Raises:
        BoundToOneSize: a layer can be written for one size only; it is named.
        Unsupported: a layer has no equal in ONNX, pictures have a mean image, or the file would be
            larger than 2 GiB.
        WeightsMismatch: there are not as many labels as scores.
    """
    check_size(network)
    _check_mean(preprocessing)
    shapes = _try(network, preprocessing, geometry, *LEAST)
    check_labels(shapes[get_output(network)][:2], labels)
    sheet = Sheet()
    value = _write(sheet, network, preprocessing, shapes)
    other = Sheet(tensors=dict(sheet.tensors))  # Weights, which are large, are not written twice.
    _write(other, network, preprocessing, _try(network, preprocessing, geometry, *LARGER))
    _check_same(network, sheet, other)
    sheet.add("Identity", [value], PROBABILITIES)
    properties = {
        "zoo.labels": json.dumps(labels, ensure_ascii=False),
        "zoo.preprocessing": json.dumps(preprocessing.as_json(), sort_keys=True),
        "zoo.dense": json.dumps(geometry.as_json(), sort_keys=True),
        **(metadata or {}),
    }
    images = describe_blob(IMAGES, ["batch", "height", "width", 3], is_picture=True)
    maps = describe_blob(PROBABILITIES, ["batch", len(labels), "rows", "columns"])
    return assemble(sheet, [images], [maps], properties, name="dense")


def _try(
    network: GraphModule,
    preprocessing: Preprocessing,
    geometry: Geometry,
    pictures: int,
    strides: tuple[int, int],
) -> Mapping[Node, Shape]:
    """Give the shapes of all values for so many pictures, so many strides larger than the least.

    Raises:
        BoundToOneSize: a layer fails for them; it is named.
    """
    sides = geometry.height, geometry.width
    height, width = (
        max(native, side.smallest_px) + more * side.stride_px
        for native, side, more in zip(geometry.native_px, sides, strides, strict=True)
    )
    trial = try_shape(network, (pictures, preprocessing.channel_count, height, width))
    if trial.failed is not None:
        raise _bound(
            trial.failed, f"fails for pictures of {height} x {width}: {trial.said.rstrip('.')}"
        )
    return {node: shape for node, shape in trial.shapes.items() if _is_one(shape)}


def _write(
    sheet: Sheet, network: GraphModule, preprocessing: Preprocessing, shapes: Mapping[Node, Shape]
) -> str:
    """Write preprocessing and network; give the name of the map."""
    values: dict[Node, Values] = {
        get_input(network): write_preprocessing(sheet, preprocessing, None)
    }
    write_nodes(sheet, network, values, shapes)
    return str(values[get_output(network)])


def _is_one(shape: object) -> TypeGuard[Shape]:
    """Tell whether these are the sizes of one value, rather than the shapes of several."""
    return isinstance(shape, tuple) and all(isinstance(size, int) for size in shape)


def _check_mean(preprocessing: Preprocessing) -> None:
    if preprocessing.mean_tensor is not None:
        raise Unsupported(
            f"The mean image {preprocessing.mean_tensor!r} is of one size, and the network reads"
            " pictures of any.",
            hint="Take its averages, one number per channel.",
        )


def _check_same(network: GraphModule, sheet: Sheet, other: Sheet) -> None:
    """Refuse a network whose nodes or constants depend on the size or number of pictures.

    Raises:
        BoundToOneSize: there is one that does; its layer is named.
    """
    pairs = zip_longest(sheet.nodes, other.nodes)
    names = [(one or two).name for one, two in pairs if one != two]
    names += [name for name, value in other.constants.items() if sheet.constants[name] != value]
    if names:
        nodes = {node.name: node for node in network.graph.nodes}
        why = "can be written as ONNX for one size of picture only"
        raise _bound(nodes[names[0].split("/")[1]], why)


def _bound(node: Node, why: str) -> BoundToOneSize:
    return BoundToOneSize(
        f"The network cannot be written for pictures of any size: layer {layer_of(node)!r} {why}.",
        hint="Use it at its own size, or without that layer.",
        layer=layer_of(node),
        why=why,
    )
