"""Whether a dense network is right for pictures of every size: told by its form, and tried."""

from collections.abc import Iterator
from itertools import islice

from torch.fx import GraphModule, Node

from zoo.errors import BoundToOneSize, Unsupported
from zoo.networks.dense.refusing import HINT, refusal
from zoo.networks.dense.rows import SIZE_OF_ROWS
from zoo.networks.graph import describe_node, get_output, layer_of
from zoo.networks.probing import Shape, Trial, try_shape
from zoo.networks.receptive.laid import MAP_AXES, Laid, Sides
from zoo.networks.receptive.tracking import TWO, Track, track

SETTLED = "is of one size whatever the picture's, and the network returns nothing else"
TOLD = 3  # layers that an error names at most
Picture = tuple[int, int, int]


def check_native(network: GraphModule, shape: Picture) -> None:
    """Refuse a size of picture that a network does not take.

    Raises:
        BoundToOneSize: a layer fails; it is named.
    """
    trial = try_shape(network, (TWO, *shape))
    if trial.failed is not None:
        size = " x ".join(map(str, shape))
        raise refusal(network, trial.failed, f"does not take pictures of {size}: {trial.said}")


def lay_output(network: GraphModule, shape: Picture) -> tuple[Track, Sides]:
    """Follow a dense network, and tell how the map it returns lies over the picture.

    Raises:
        BoundToOneSize: it is no map of even windows; the layers are named, with the reasons.
    """
    check_native(network, shape)
    found, output = track(network, shape), get_output(network)
    laid = found.laid[output]
    if laid.sides is None or laid.axes != MAP_AXES:
        raise _obstructed(network, output, laid)
    for node in network.graph.nodes:
        if SIZE_OF_ROWS in node.meta:
            raise refusal(network, node, "asks for the length of a row, which the map has no more")
    return found, laid.sides


def _obstructed(network: GraphModule, output: Node, laid: Laid) -> BoundToOneSize:
    if not laid.obstacles:
        return refusal(network, output, SETTLED)
    whys: dict[str, Node] = {}
    for one in laid.obstacles:
        whys.setdefault(one.why, one.node)
    told = [f"{describe_node(network, node)} {why}" for why, node in islice(whys.items(), TOLD)]
    first = laid.obstacles[0]
    return BoundToOneSize(
        f"The network cannot be made dense: {'; '.join(told)}.",
        hint=HINT,
        layer=layer_of(first.node),
        why=first.why,
    )


def check_sizes(network: GraphModule, found: Track, shape: Picture, sides: Sides) -> None:
    """Try pictures of several sizes: each map has to be as large as its formula says.

    The number of pictures has to be that of every value's rows. Nothing is computed.

    Raises:
        BoundToOneSize: a layer fails or gives another size; it is the first one that does.
    """
    channels = shape[0]
    _check_batch(network, found, try_shape(network, (TWO + 1, *shape)))
    for size in _sizes((shape[1], shape[2]), sides):
        trial = try_shape(network, (TWO, channels, *size))
        if trial.failed is not None:
            why = f"fails for pictures of {size[0]} x {size[1]}: {trial.said}"
            raise refusal(network, trial.failed, why)
        for node, laid in found.laid.items():
            if not _is_as_told(laid, size, trial.shapes[node], found.shapes[node]):
                why = f"gives {trial.shapes[node]} for pictures of {size[0]} x {size[1]}"
                raise refusal(network, node, why)


def _sizes(native: tuple[int, int], sides: Sides) -> Iterator[tuple[int, int]]:
    """Give sizes that every rounding shows up in: odd, even, not square, the least."""
    (high, wide), (down, right) = native, (sides[0].stride_px, sides[1].stride_px)
    smallest = sides[0].smallest_px, sides[1].smallest_px
    least = max(high, smallest[0]), max(wide, smallest[1])
    yield smallest
    yield least[0], least[1] + 1
    yield least[0] + 1, least[1] + right - 1
    yield least[0] + down + 3, 2 * least[1]
    yield 2 * least[0] + 1, least[1] + right // 2
    yield 2 * least[0], 2 * least[1] + 1


def _is_as_told(laid: Laid, size: tuple[int, int], shape: object, native: object) -> bool:
    if laid.sides is None:
        return bool(laid.obstacles) or shape == native
    if laid.axes is None or laid.axes[0] == laid.axes[1]:
        return True
    cells = tuple(side.cells(px) for side, px in zip(laid.sides, size, strict=True))
    return all(tuple(each[axis] for axis in laid.axes) == cells for each in _each(shape))


def _check_batch(network: GraphModule, found: Track, trial: Trial) -> None:
    for node in found.laid:
        for two, three in zip(
            _each(found.shapes[node]), _each(trial.shapes.get(node, ())), strict=False
        ):
            if two[:1] != (TWO,) or three != (TWO + 1, *two[1:]):
                raise refusal(network, node, "does not keep pictures apart")


def _each(shapes: object) -> list[Shape]:
    """Give the shape of a value, or those of several."""
    if isinstance(shapes, tuple) and all(isinstance(size, int) for size in shapes):
        return [shapes]
    return [shape for shape in shapes if shape is not None]  # type: ignore[attr-defined]  # a tuple of shapes


def check_local(network: GraphModule, found: Track) -> None:
    """Refuse a network whose cells depend on all of the picture.

    Raises:
        Unsupported: it has layers that read all of a map; they are named.
    """
    named = [layer_of(node) for node in network.graph.nodes if node in found.whole]
    if named:
        raise Unsupported(
            "Without its padding the network would not be exact: cells depend on all of the"
            f" picture through {', '.join(named[:TOLD])}"
            + (f" and {len(named) - TOLD} more layers." if len(named) > TOLD else "."),
            hint="Keep the padding: --pads keep",
            layers=named,
        )
