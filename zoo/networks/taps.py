"""Taps: the places in a network where codes can be taken, from below to its classifier."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.fx import Graph, GraphModule, Node

from zoo.errors import Unsupported
from zoo.networks.blobs import run_shapes
from zoo.networks.graph import Part, finish_network
from zoo.networks.inventory import list_layers
from zoo.networks.names import get_layer, name_values
from zoo.networks.stages import find_necks, list_stages
from zoo.networks.surgery import (
    Steps,
    build_on,
    find_head,
    is_any,
    is_rectified,
    plan_codes,
)

CODES = "codes"  # the tap that is what the classifier reads, as `cut_at_codes` gives it
MOST = 10
AVERAGING = (nn.AdaptiveAvgPool2d, nn.Dropout, nn.Flatten, nn.Identity)
TOKENS, MAP = 3, 4  # axes of a value, the batch among them

Shape = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tap:
    """A place where codes can be taken."""

    layer: str
    channels: int
    depth: float  # the share of all multiply-adds that it takes, 0 to 1
    is_rectified: bool  # its values are at least 0


class MeanOfTokens(nn.Module):
    """The mean over the tokens of a sequence, N x T x C to N x C."""

    def forward(self, tokens: Tensor) -> Tensor:
        """Average."""
        return tokens.mean(dim=1)


def list_taps(network: GraphModule, shape: Shape, *, most: int = MOST) -> tuple[Tap, ...]:
    """List where codes can be taken in a network that reads C x H x W, the input's side first.

    One tap a stage (``zoo.networks.stages``): its first value that everything goes through and that
    has been through a ReLU, else its last one. Values with fewer channels than those before and
    behind them only carry what others spread, and are left out. Of the rest at most ``most`` are
    kept, evenly by their number. The last is ``codes``, what the classifier reads.

    Raises:
        NoHead: the network has no classifier.
        Unsupported: it cannot read such a picture.
    """
    shapes = run_shapes(network, (1, *shape))
    shares = _shares(network, shape)
    head = find_head(network)
    found = [
        Tap(
            layer=name,
            channels=_channels(shapes[node]),
            depth=shares[name],
            is_rectified=is_rectified(network, node),
        )
        for node, name in _best_values(network, head.layer)
        if len(shapes.get(node, ())) in {2, TOKENS, MAP}
    ]
    source, steps = plan_codes(network, head)
    names = name_values(network)
    last = Tap(
        layer=CODES,
        channels=head.in_features,
        depth=shares.get(names.get(source, ""), shares[head.layer]),
        is_rectified=head.is_rectified or "codes_relu" in steps,
    )
    order = {node: place for place, node in enumerate(network.graph.nodes)}
    bottom = order[_before_averaging(network, source)]
    below = [tap for tap in found if order[get_layer(network, tap.layer)] < bottom]
    return (*_spread(_wide([*below, last])[:-1], most - 1), last)


def tap_network(network: GraphModule, taps: Sequence[str], shape: Shape) -> GraphModule:
    """Give the network that returns the codes at some layers: a tuple of N x C, in their order.

    Maps are averaged over their places, sequences over their tokens; numbers are as the layer gives
    them, rectified or not. ``codes`` is what the classifier reads.

    Raises:
        LayerNotFound: there is no such layer; near names are told.
        NoHead: ``codes`` is asked for, and there is no classifier.
        Unsupported: a layer gives no map, sequence or row of numbers.
    """
    graph, ends, _, parts = build_taps(network, taps, shape)
    return finish_network(graph, tuple(ends), parts)


def build_taps(
    network: GraphModule, taps: Sequence[str], shape: Shape
) -> tuple[Graph, list[Node], list[int], dict[str, Part]]:
    """Copy what some taps depend on, and take the codes there.

    Returns:
        The graph without an output, the codes of each tap and how many numbers they are, and the
        parts that the graph names.
    """
    shapes = run_shapes(network, (1, *shape))
    head = find_head(network) if CODES in taps else None
    plans = [
        plan_codes(network, head)
        if head is not None and tap == CODES
        else _plan(get_layer(network, tap), tap, shapes)
        for tap in taps
    ]
    widths = [
        head.in_features if head is not None and tap == CODES else _channels(shapes[node])
        for tap, (node, _) in zip(taps, plans, strict=True)
    ]
    graph, ends, parts = build_on(network, plans)
    return graph, ends, widths, parts


def _before_averaging(network: GraphModule, node: Node) -> Node:
    """Give the value whose averages a value is: a tap there would give the same codes."""
    while is_any(network, node, AVERAGING):
        node = node.all_input_nodes[0]
    return node


def _plan(node: Node, tap: str, shapes: dict[Node, tuple[int, ...]]) -> tuple[Node, Steps]:
    axes = len(shapes.get(node, ()))
    if axes == MAP:
        return node, {"tap_pool": nn.AdaptiveAvgPool2d(1), "tap_flatten": nn.Flatten()}
    if axes == TOKENS:
        return node, {"tap_mean": MeanOfTokens()}
    if axes == 2:  # noqa: PLR2004  # a row of numbers a picture
        return node, {}
    raise Unsupported(
        f"Layer {tap!r} gives nothing that codes could be taken of.",
        hint="List the layers and what they give: zoo show MODEL --layers",
        layer=tap,
    )


def _best_values(network: GraphModule, head: str) -> list[tuple[Node, str]]:
    """Give a value and its name for each stage below the classifier."""
    names = name_values(network)
    necks = set(find_necks(network))
    nodes = [node for node in network.graph.nodes if node in names]
    found = []
    begin = 0
    for stage in list_stages(network):
        if head in stage.layers:
            break
        end = nodes.index(get_layer(network, stage.end)) + 1
        weighted = [
            index for index in range(begin, end) if names[nodes[index]] in stage.layers
        ] or [begin]
        inside = [node for node in nodes[weighted[-1] : end] if node in necks]
        rectified = [node for node in inside if is_rectified(network, node)]
        found.append((rectified or inside[-1:])[0])
        begin = end
    return [(node, names[node]) for node in found]


def _shares(network: GraphModule, shape: Shape) -> dict[str, float]:
    """Give the share of all multiply-adds up to each value."""
    rows = list_layers(network, shape)
    total = sum(row.macs for row in rows) or 1
    done, shares = 0, {}
    for row in rows:
        done += row.macs
        shares[row.name] = done / total
    return shares


def _channels(shape: tuple[int, ...]) -> int:
    return shape[-1] if len(shape) == TOKENS else shape[1]


def _wide(taps: Sequence[Tap]) -> list[Tap]:
    """Leave out taps that have fewer channels than both of their neighbours; the last one stays."""
    widths = [0, *(tap.channels for tap in taps), 0]
    return [
        tap
        for before, tap, behind in zip(widths, taps, widths[2:], strict=False)
        if not (tap.channels < before and tap.channels < behind)
    ]


def _spread(taps: Sequence[Tap], most: int) -> list[Tap]:
    """Keep at most so many, the first and the last among them, evenly."""
    if len(taps) <= most:
        return list(taps)
    step = (len(taps) - 1) / max(most - 1, 1)
    return [taps[round(number * step)] for number in range(most)]
