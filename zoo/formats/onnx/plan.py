"""The layers that compute what an ONNX graph computes, as modules of PyTorch are called and told.

A plan is made without torch: it names modules, their arguments and their weights, so that a process
without torch knows whether a graph can be trained, and converts the weights under the names they
will have.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zoo.domain.weights import Weights
from zoo.errors import Unsupported, UnsupportedLayers
from zoo.formats.elements import convert_when_asked
from zoo.formats.onnx.handlers import HANDLERS
from zoo.formats.onnx.model import FLOATS, Node, OnnxModel, Tensor, ValueInfo
from zoo.formats.onnx.names import tell_apart
from zoo.formats.onnx.own import Own, find_own
from zoo.formats.onnx.scene import Layer, Refused, Scene
from zoo.formats.onnx.sizes import ONE, Batch, Sizes

MOST_TOLD = 20  # nodes that an error lists
OLDEST = 7  # the version from which arithmetic broadcasts as numpy does
STUMBLES = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
COPIES = 2  # how often all weights of the file may be used
SPARE = 2**20  # bytes that weights may take beyond that


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Layers in the order in which they run, between named values."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    layers: tuple[Layer, ...]
    shapes: Mapping[
        str, tuple[int, ...]
    ]  # of the inputs whose sizes are all known, for one picture

    @property
    def tensors(self) -> Mapping[str, Tensor]:
        """Every weight, by its name in the state dict of the network."""
        return {
            f"{layer.name}.{field}": tensor
            for layer in self.layers
            for field, tensor in layer.weights.items()
        }


def plan_layers(model: OnnxModel) -> Plan:
    """Plan the network of a graph; of the zoo's own graphs, the part behind the preprocessing.

    Raises:
        UnsupportedLayers: nodes have no equal; every one is named.
    """
    plan, refused = _plan(model)
    if plan is None:
        shown = "; ".join(refused[:MOST_TOLD])
        more = f"; and {len(refused) - MOST_TOLD} more" if len(refused) > MOST_TOLD else ""
        raise UnsupportedLayers(
            f"{model.file} cannot be made trainable: {shown}{more}.",
            hint="It can be served as it is, if ONNX Runtime takes it.",
            layers=list(refused),
        )
    return plan


def find_unconvertible(model: OnnxModel) -> tuple[str, ...]:
    """Name the nodes that have no equal among PyTorch's modules, and why; none if all have."""
    return _plan(model)[1]


def onnx_weights(model: OnnxModel) -> Weights:
    """Give the weights under the names of the network's state dict, converted when asked for.

    Raises:
        UnsupportedLayers: nodes have no equal; every one is named.
    """
    return weights_of_plan(plan_layers(model))


def weights_of_plan(plan: Plan) -> Weights:
    """Give the weights of a plan, converted when asked for."""
    return _weights(plan.tensors)


def weights_of_model(model: OnnxModel) -> Weights:
    """Give the floating-point initializers under their own names, as far as files can have them."""
    return _weights(tell_apart({name: t for name, t in model.initializers.items() if t.is_float}))


def _weights(tensors: Mapping[str, Tensor]) -> Weights:
    return convert_when_asked(
        {name: tensor.stored for name, tensor in tensors.items()},
        {name: tensor.element for name, tensor in tensors.items() if tensor.element is not None},
    )


def _plan(model: OnnxModel) -> tuple[Plan | None, tuple[str, ...]]:
    if model.opset < OLDEST:
        return None, (f"Its operations are of version {model.opset}, before {OLDEST}",)
    own = find_own(model)
    inputs = _inputs(model, own)
    outputs = (own.end,) if own else tuple(one.name for one in model.outputs)
    nodes = _needed(model, inputs, outputs)
    scene = Scene(model, nodes, inputs, outputs)
    # A network computes with floating-point numbers, which divide and round otherwise.
    refused = [] if own else [_other_numbers(one) for one in _not_float(model)]
    refused += [reason for node in nodes for reason in _try(scene, node)]
    refused += [] if refused else _ends(scene, outputs)
    if refused:
        return None, tuple(refused)
    layers = scene.finish(tuple(scene.source(name) for name in outputs))
    size_bytes = sum(t.stored.nbytes for layer in layers for t in layer.weights.values())
    if size_bytes > COPIES * model.size_bytes + SPARE:
        return None, ("its weights are used many times over, in different ways",)
    ends = tuple(scene.source(name) for name in outputs)
    shapes = {name: shape for name, sizes in inputs.items() if (shape := _for_one(sizes))}
    return Plan(inputs=tuple(inputs), outputs=ends, layers=layers, shapes=shapes), ()


def _not_float(model: OnnxModel) -> list[ValueInfo]:
    """List the inputs and outputs that say they are other numbers, or texts."""
    return [one for one in (*model.inputs, *model.outputs) if one.kind and one.kind not in FLOATS]


def _other_numbers(value: ValueInfo) -> str:
    return f"{value.name!r} is {value.kind}, no floating-point numbers"


def _for_one(sizes: Sizes | None) -> tuple[int, ...] | None:
    """Give the shape for one picture, if no size is unknown."""
    plain = [1 if isinstance(size, Batch) else size for size in sizes or ()]
    known = [size for size in plain if size is not None]
    return tuple(known) if known and len(known) == len(plain) else None


def _inputs(model: OnnxModel, own: Own | None) -> dict[str, Sizes | None]:
    """Give the inputs and what is known of their shapes; the first axis is the batch."""
    if own:
        return {own.start: (ONE, *own.shape)}
    return {
        one.name: None
        if one.shape is None
        else tuple(
            ONE if index == 0 else side if isinstance(side, int) else None
            for index, side in enumerate(one.shape)
        )
        for one in model.inputs
    }


def _needed(
    model: OnnxModel, inputs: Mapping[str, Any], outputs: tuple[str, ...]
) -> tuple[Node, ...]:
    """Give the nodes between these inputs and outputs, in order."""
    wanted, needed = set(outputs), list[Node]()
    for node in reversed(model.nodes):
        if wanted.isdisjoint(node.outputs):
            continue
        wanted -= set(node.outputs)
        if inputs.keys().isdisjoint(node.outputs):
            wanted |= set(node.inputs)
            needed.append(node)
    return tuple(reversed(needed))


def _try(scene: Scene, node: Node) -> list[str]:
    """Plan one node; give the reason where that cannot be done."""
    is_standard = node.domain == "" and f".{node.op_type}" not in scene.model.functions
    handler = HANDLERS.get(node.op_type) if is_standard else None
    try:
        if not is_standard:
            raise Refused(f"is an operation of {node.domain or 'the file'} itself")  # noqa: TRY301
        if handler is None:
            scene.fold(node)
        else:
            handler(scene, node)
    except (Refused, Unsupported) as reason:
        scene.give_up(node)
        return [f"{node.title} {reason}"]
    except STUMBLES as error:
        # Attributes are whatever the file says: of another kind, or beyond the axes there are.
        scene.give_up(node)
        return [f"{node.title} has attributes or inputs that make no sense: {error!r:.80}"]
    return []


def _ends(scene: Scene, outputs: tuple[str, ...]) -> list[str]:
    return [
        f"the output {name!r} is computed of nothing"
        for name in outputs
        if scene.get(name).is_known
    ]
