"""Up to where a training leaves a network as it is."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch.fx import GraphModule, Node

from zoo.domain.plan import BEST, Strategy
from zoo.errors import Invalid, Unsupported
from zoo.networks.freezing import find_frozen
from zoo.networks.names import get_layer, name_values
from zoo.networks.splitting import find_boundary
from zoo.networks.stages import find_necks
from zoo.networks.surgery import BELOW_HEAD, is_any
from zoo.networks.taps import CODES
from zoo.worker.subject import Subject

BOUNDARY_SHARE = 0.7  # of all multiply-adds that lie below the boundary of a partial training


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary:
    """The layer up to which nothing is trained."""

    layer: str = ""  # of the body; empty where nothing is frozen
    is_divided: bool = False  # what lies below it is computed once, and its values are kept
    because: tuple[str, ...] = ()


def choose_boundary(
    subject: Subject, body: GraphModule, taps: Sequence[str], freeze: str | None
) -> Boundary:
    """Choose up to where a body is frozen, by what is asked for or by the strategy.

    ``body`` is the network up to its codes at ``taps``. Nothing is frozen yet.

    Raises:
        LayerNotFound: the network has no such layer.
        Invalid: the layer belongs to the classifier, or comes after the codes.
        Unsupported: layers above it use what is theirs.
    """
    is_partial = subject.plan.strategy is Strategy.PARTIAL
    if not freeze:
        return _choose_share(subject, body) if is_partial else Boundary()
    node = _find_in_body(subject.parent.network, body, freeze)
    because: tuple[str, ...] = ()
    if node is None and subject.plan.layer == BEST and taps[0] != CODES:
        # Which layer is the best is known only now; all below it is below what was asked for.
        node = get_layer(body, taps[0])
        because = (f"codes of {taps[0]!r} come before {freeze!r}: all layers are frozen",)
    if node is None:
        raise Invalid(
            f"Layers up to {freeze!r} cannot be frozen: the new network ends before it.",
            hint="Freeze up to a layer before the codes that the new classifier reads: zoo show"
            f" {subject.parent.revision.model} --layers",
            option="freeze",
            layer=freeze,
        )
    name = name_values(body)[node]
    find_frozen(body, name)
    is_neck = node in set(find_necks(body))
    if is_partial and not is_neck:
        told = f"what follows {name!r} reads other values besides: those below it are not kept"
        because = (*because, told)
    return Boundary(layer=name, is_divided=is_partial and is_neck, because=because)


def _choose_share(subject: Subject, body: GraphModule) -> Boundary:
    """Freeze what most of the multiply-adds are done in."""
    try:
        return Boundary(layer=find_boundary(body, subject.shape, BOUNDARY_SHARE), is_divided=True)
    except Unsupported:
        return Boundary(because=("the one weighted layer below the classifier is trained",))


def _find_in_body(network: GraphModule, body: GraphModule, name: str) -> Node | None:
    """Find the value of a network in its body; None where that ends before it.

    What lies right below a classifier and changes nothing while predicting, such as dropout, is no
    part of the body; up to there is up to what it reads.
    """
    # By the names that copies of a graph keep: `relu:1` is `relu` where the second is cut off.
    copies = {node.name: node for node in body.graph.nodes}
    node = get_layer(network, name)
    while node.name not in copies and is_any(network, node, BELOW_HEAD):
        node = node.all_input_nodes[0]
    return copies.get(node.name)
