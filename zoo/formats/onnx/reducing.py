"""Operations over whole axes: sums, averages, softmax."""

from zoo.formats.onnx.model import Node
from zoo.formats.onnx.scene import Refused, Scene, Value, normal_axis
from zoo.formats.onnx.sizes import Batch, Sizes

AXES_FROM_INPUT = {"ReduceSum": 13}  # others from 18 on
REDUCTIONS = ("ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum")
OF_MAPS = {"ReduceMean": "AdaptiveAvgPool2d", "ReduceMax": "AdaptiveMaxPool2d"}
MAPS = 4  # axes of pictures x channels x height x width
ONE_AXIS = 13  # the version from which a softmax is over one axis


def reduce(scene: Scene, node: Node) -> None:
    """Plan a sum, average or extreme over axes."""
    x = scene.read(node)
    axes = find_axes(scene, node, x)
    if axes is None:
        if node.attributes.get("noop_with_empty_axes"):
            scene.hand_on(node, x)
            return
        axes = tuple(range(x.rank))
    keeps = bool(node.attributes.get("keepdims", 1))
    shape = _reduced(x.sizes, axes, keeps=keeps)
    if any(isinstance(x.sizes[axis], Batch) for axis in axes):
        raise Refused("mixes the pictures of a batch")
    if node.op_type in OF_MAPS and x.rank == MAPS and set(axes) == {2, 3}:
        _pool(scene, node, x, keeps=keeps)
        return
    options = {"operator": node.op_type, "axes": axes, "keeps": keeps}
    scene.add(node, "Reduce", [x], shape, options=options)


def _pool(scene: Scene, node: Node, x: Value, *, keeps: bool) -> None:
    """Take an average over whole maps for what it is, so that the network takes any size."""
    options = {"output_size": 1}
    pooled = (*x.sizes[:2], 1, 1)
    kind = OF_MAPS[node.op_type]
    if keeps:
        scene.add(node, kind, [x], pooled, options=options)
        return
    value = scene.add(node, kind, [x], pooled, options=options, step="pool")
    scene.add(node, "Flatten", [value], x.sizes[:2])


def softmax(scene: Scene, node: Node) -> None:
    """Plan a softmax or its logarithm."""
    x = scene.read(node)
    is_old = scene.model.opset < ONE_AXIS
    axis = node.attributes.get("axis", 1 if is_old else -1)
    dim = normal_axis(axis, x.rank)
    if is_old and any(size != 1 for size in x.sizes[dim + 1 :]):
        raise Refused("is over several axes")
    scene.add(node, node.op_type, [x], x.shape, options={"dim": dim})


def find_axes(scene: Scene, node: Node, x: Value) -> tuple[int, ...] | None:
    """Give the axes a node names, from 0 on; None where it names none."""
    axes = scene.ints(node, 1, "axes")
    if not axes:
        return None
    return tuple(sorted({normal_axis(axis, x.rank) for axis in axes}))


def _reduced(sizes: Sizes, axes: tuple[int, ...], *, keeps: bool) -> Sizes:
    return tuple(
        1 if index in axes else size
        for index, size in enumerate(sizes)
        if keeps or index not in axes
    )
