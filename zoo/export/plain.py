"""A network that is no classifier as one ONNX file: blobs in, blobs out, by their names."""

import json
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

import numpy as np
import torch
from onnx import ValueInfoProto
from torch.fx import GraphModule, Node

from zoo.domain.preprocessing import Preprocessing
from zoo.domain.weights import Array
from zoo.errors import Unsupported
from zoo.export.file import Side, assemble, check_size, describe_blob
from zoo.export.layers.base import HEIGHT, MAP, WIDTH
from zoo.export.nodes import write_nodes
from zoo.export.pictures import IMAGES, write_preprocessing
from zoo.export.sheet import BATCH, Shape, Sheet, Values
from zoo.networks.blobs import run_shapes
from zoo.networks.graph import get_input
from zoo.networks.preprocess import Preprocess

GROWN = 32  # pixels, by which a picture is larger in a trial of whether its size is free
FREE = {BATCH: "batch", HEIGHT: "height", WIDTH: "width"}
SIDES = {HEIGHT, WIDTH}

Shapes = Mapping[Node, Shape]


def write_graph(
    network: GraphModule,
    *,
    inputs: Mapping[str, Shape],
    metadata: Mapping[str, str] | None = None,
    pictures: Preprocessing | None = None,
    mean_image: Array | None = None,
) -> bytes:
    """Write any network down as ONNX bytes; the same ones for the same network.

    Inputs and outputs are float32 and named as their blobs are; ``inputs`` gives the shapes of
    those read, with their batch. With ``pictures``, of a network that reads one picture, the input
    is ``images`` instead, uint8, N x H x W x 3, as ``write_onnx`` has it. The batch is free where
    the network runs with another one, and so are height and width where it reads one map.

    Raises:
        Unsupported: a layer has no equal in ONNX, pictures are to be read by several inputs, or the
            file would be larger than 2 GiB.
        WeightsMismatch: the mean image does not fit.
    """
    check_size(network)
    sheet = Sheet()
    given = _inputs_of(network, inputs)
    values: dict[Node, Values] = {node: name_of(node) for node in given}
    if pictures is not None:
        values[get_input(network)] = write_preprocessing(sheet, pictures, mean_image)
    shapes = run_shapes(network, *given.values())
    write_nodes(sheet, network, values, shapes)
    free = _free_axes(network, list(given.values()), sheet)
    if pictures is not None and pictures.mean_tensor is not None:
        free -= SIDES
    names = dict(zip(_outputs_of(network), output_names(network), strict=True))
    for node, name in names.items():
        sheet.add("Identity", [str(values[node])], name)
    read = [_describe_input(name_of(node), shape, free, pictures) for node, shape in given.items()]
    grown = run_shapes(network, *_grown(list(given.values()), free)) if free else shapes
    written = [
        describe_blob(name, _output_sides(shapes[node], grown[node], free))
        for node, name in names.items()
    ]
    properties = {} if pictures is None else {"zoo.preprocessing": _as_text(pictures)}
    return assemble(sheet, read, written, properties | dict(metadata or {}))


def name_of(node: Node) -> str:
    """Name what a node computes: its blob."""
    return str(node.meta.get("blob", node.name))


def output_names(network: GraphModule) -> tuple[str, ...]:
    """Name the outputs of ``write_graph``'s file, in the order the network returns them.

    A blob's own name, with a mark where another output or an input has it.
    """
    taken = {name_of(node) for node in network.graph.find_nodes(op="placeholder")} | {IMAGES}
    names = []
    for node in _outputs_of(network):
        name = name_of(node)
        while name in taken:
            name += "'"
        taken.add(name)
        names.append(name)
    return tuple(names)


def run_outputs(
    network: GraphModule,
    given: Mapping[str, Array],
    *,
    pictures: Preprocessing | None = None,
    mean_image: Array | None = None,
) -> dict[str, Array]:
    """Compute what the file of ``write_graph`` computes, with torch: outputs by name."""
    nodes = network.graph.find_nodes(op="placeholder")
    names = [name_of(node) for node in nodes] if pictures is None else [IMAGES]
    inputs = [torch.tensor(given[name]) for name in names]
    if pictures is not None:
        inputs = [Preprocess(pictures, mean_image)(*inputs)]
    with torch.inference_mode():
        found = network(*inputs)
    outputs = found if isinstance(found, tuple) else (found,)
    return {
        name: output.numpy() for name, output in zip(output_names(network), outputs, strict=True)
    }


def draw_noise(
    inputs: Mapping[str, Shape], *, pictures: Preprocessing | None = None, passes: int = 2
) -> list[dict[str, Array]]:
    """Draw inputs for ``write_graph``'s file, the same ones every time.

    Numbers from -1 to 1, or pixels from 0 to 255 where it reads pictures, as many as the input's
    shape says, or one.
    """
    rng = np.random.default_rng(0)
    if pictures is None:
        return [
            {name: rng.uniform(-1, 1, shape).astype(np.float32) for name, shape in inputs.items()}
            for _ in range(passes)
        ]
    batch = next((shape[BATCH] for shape in inputs.values()), 1)
    shape = (batch, *pictures.crop_px, 3)
    return [{IMAGES: rng.integers(0, 256, shape, np.uint8)} for _ in range(passes)]


def _outputs_of(network: GraphModule) -> list[Node]:
    return network.graph.output_node().all_input_nodes


def _inputs_of(network: GraphModule, inputs: Mapping[str, Shape]) -> dict[Node, Shape]:
    nodes = list(network.graph.find_nodes(op="placeholder"))
    missing = [name_of(node) for node in nodes if name_of(node) not in inputs]
    if missing:
        raise Unsupported(
            f"The network reads {', '.join(missing)}, whose shapes are not told.",
            hint="Give the shape of every input by its blob's name.",
            missing=missing,
        )
    return {node: inputs[name_of(node)] for node in nodes}


def _free_axes(network: GraphModule, shapes: Sequence[Shape], sheet: Sheet) -> set[int]:
    """Find the axes along which inputs may be larger, by trying."""
    has_one_batch = len({shape[:1] for shape in shapes}) == 1 and () not in shapes
    is_one_map = len(shapes) == 1 and len(shapes[0]) == MAP
    trials = {
        frozenset({BATCH}): has_one_batch and not sheet.has_fixed_batch,
        frozenset(SIDES): is_one_map and not sheet.has_fixed_sizes,
    }
    free: set[int] = set()
    for axes, may_be_free in trials.items():
        if may_be_free and _runs(network, _grown(shapes, axes)):
            free |= axes
    return free


def _grown(shapes: Sequence[Shape], axes: AbstractSet[int]) -> list[Shape]:
    """Make inputs larger along some axes: one more in the batch, more pixels of maps."""
    more = {axis: 1 if axis == BATCH else GROWN for axis in axes}
    return [tuple(size + more.get(axis, 0) for axis, size in enumerate(shape)) for shape in shapes]


def _runs(network: GraphModule, shapes: Sequence[Shape]) -> bool:
    try:
        run_shapes(network, *shapes)
    except (RuntimeError, IndexError, ValueError):  # whatever torch says to sizes that do not fit
        return False
    return True


def _describe_input(
    name: str, shape: Shape, free: set[int], pictures: Preprocessing | None
) -> ValueInfoProto:
    sides: list[Side] = [FREE[axis] if axis in free else size for axis, size in enumerate(shape)]
    if pictures is None:
        return describe_blob(name, sides)
    batch, _, height, width = sides
    return describe_blob(IMAGES, [batch, height, width, 3], is_picture=True)


def _output_sides(shape: Shape, grown: Shape, free: set[int]) -> list[Side]:
    """Describe an output: a size that grows with the inputs is free; the first is the batch."""
    sides: list[Side] = []
    for axis, (size, larger) in enumerate(zip(shape, grown, strict=True)):
        is_batch = axis == BATCH and BATCH in free and larger == size + 1
        sides.append("batch" if is_batch else size if larger == size else None)
    return sides


def _as_text(pictures: Preprocessing) -> str:
    return json.dumps(pictures.as_json(), sort_keys=True)
