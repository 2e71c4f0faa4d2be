"""A plan while it is made: what is known of every value, the layers so far."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from zoo.domain.weights import Array
from zoo.formats.elements import ELEMENTS
from zoo.formats.onnx.folding import MOST_FOLDED, NotFolded, fold_array, fold_sizes
from zoo.formats.onnx.model import Node, OnnxModel, Tensor
from zoo.formats.onnx.names import make_unique, name_layer, undo_nesting
from zoo.formats.onnx.sizes import Batch, Size, Sizes, product, told

MOST_VALUES = 2**28  # numbers of one value, for one picture
MOST_NUMBERS = 64  # of a constant that may be a shape
FOLDED_AT_ALL = 4 * MOST_FOLDED  # numbers


class Refused(Exception):
    """A node has no equal; the message completes the sentence that begins with the node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """What is known of one value before anything runs."""

    name: str  # where it comes from, past the nodes that only hand it on
    shape: Sizes | None = None
    tensor: Tensor | None = None  # all its numbers
    numbers: Sizes | None = None  # those of a shape that is known in part; flat

    @property
    def is_known(self) -> bool:
        """Tell whether its numbers do not depend on the input's."""
        return self.tensor is not None or self.numbers is not None

    @property
    def rank(self) -> int:
        """How many axes it has.

        Raises:
            Refused: that is unknown.
        """
        return len(self.sizes)

    @property
    def sizes(self) -> Sizes:
        """Its shape.

        Raises:
            Refused: that is unknown.
        """
        if self.shape is None:
            raise Refused("reads a value whose shape is unknown")
        return self.shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One call of a module or function, named as ``zoo.networks.onnx`` knows it."""

    name: str  # of the module, and of the prefix of its weights
    title: str  # of the node, for errors
    kind: str
    options: Mapping[str, Any]
    reads: tuple[str, ...]
    writes: str
    weights: Mapping[str, Tensor] = field(default_factory=dict)


class Scene:
    """What is known so far; handlers read nodes and add layers."""

    def __init__(
        self,
        model: OnnxModel,
        nodes: Sequence[Node],
        inputs: Mapping[str, Sizes | None],
        outputs: Sequence[str],
    ) -> None:
        self.model = model
        self.uses = Counter(name for node in nodes for name in node.inputs)
        self.uses.update(outputs)
        self.values = {name: _constant(name, tensor) for name, tensor in model.initializers.items()}
        self.values |= {name: Value(name=name, shape=shape) for name, shape in inputs.items()}
        self.first_input = next(iter(inputs), "")
        self.batch = _stated_batch(model)
        self.layers: dict[str, Layer] = {}  # by what they write
        self.taken: dict[str, None] = {}
        self.shared: dict[tuple[object, ...], str] = {}
        self.folded = 0

    def get(self, name: str) -> Value:
        """Give what is known of a value; nothing of one whose node was refused."""
        return self.values.get(name, Value(name=name))

    def source(self, name: str) -> str:
        """Tell where a value comes from, past the nodes that only hand it on."""
        return self.get(name).name

    def find(self, node: Node, index: int) -> Value | None:
        """Give an input of a node, or None where it is left out."""
        if index >= len(node.inputs) or not node.inputs[index]:
            return None
        return self.get(node.inputs[index])

    def read(self, node: Node, index: int = 0) -> Value:
        """Give an input that depends on the pictures.

        Raises:
            Refused: it is left out, or a constant.
        """
        value = self.find(node, index)
        if value is None:
            raise Refused(f"has no input {index}")
        if value.is_known:
            raise Refused(f"reads a constant as input {index}")
        return value

    def weight(self, node: Node, index: int) -> Tensor | None:
        """Give the constant floats a node reads, or None where they are left out.

        Raises:
            Refused: they are computed, or no floating-point numbers.
        """
        value = self.find(node, index)
        if value is None:
            return None
        if value.tensor is None or not value.tensor.is_float:
            raise Refused(f"computes its input {index}, which has to be constant")
        return value.tensor

    def need(self, node: Node, index: int) -> Tensor:
        """Give constant floats that cannot be left out."""
        tensor = self.weight(node, index)
        if tensor is None:
            raise Refused(f"has no input {index}")
        return tensor

    def ints(self, node: Node, index: int, attribute: str = "") -> tuple[int, ...] | None:
        """Give whole numbers from an input, or from the attribute that older versions have.

        Raises:
            Refused: they are not constant.
        """
        value = self.find(node, index)
        if value is None:
            found = node.attributes.get(attribute) if attribute else None
            return None if found is None else tuple(found)
        if value.tensor is None or value.tensor.element is None:
            raise Refused(f"computes its input {index}, which has to be constant")
        array = value.tensor.array()
        if array.dtype.kind not in "iu" or array.size > MOST_NUMBERS:
            raise Refused(f"has an input {index} that is no short list of whole numbers")
        return tuple(int(one) for one in array.reshape(-1).tolist())

    def floats(self, node: Node, index: int, attribute: str = "") -> tuple[float, ...] | None:
        """Give numbers from an input, or from the attribute that older versions have."""
        value = self.find(node, index)
        if value is None:
            found = node.attributes.get(attribute) if attribute else None
            return None if found is None else tuple(np.reshape(found, -1).tolist())
        tensor = self.weight(node, index)
        if tensor is None or tensor.size > MOST_NUMBERS:
            raise Refused(f"has an input {index} that is no short list of numbers")
        return tuple(float(one) for one in tensor.array().reshape(-1).tolist())

    def number(self, node: Node, index: int, attribute: str = "") -> float | None:
        """Give one number from an input, or from the attribute that older versions have."""
        found = self.floats(node, index, attribute)
        if found and len(found) != 1:
            raise Refused(f"has {len(found)} numbers as input {index}, not one")
        return found[0] if found else None

    def add(  # noqa: PLR0913  # the parts of a layer
        self,
        node: Node,
        kind: str,
        reads: Sequence[Value],
        shape: Sizes | None,
        *,
        options: Mapping[str, Any] | None = None,
        weights: Mapping[str, Tensor] | None = None,
        step: str = "",
        writes: str = "",
    ) -> Value:
        """Add a layer; ``step`` names one that comes before the node's last."""
        writes = writes or (f"{node.outputs[0]}:{step}" if step else node.outputs[0])
        self._refuse_outputs(node)
        _check_size(shape)
        kept = weights or {}
        layer = Layer(
            name=self._name(node, kind, options or {}, kept, step),
            title=node.title,
            kind=kind,
            options=options or {},
            reads=tuple(value.name for value in reads),
            writes=writes,
            weights=kept,
        )
        self.layers[writes] = layer
        self.values[writes] = Value(name=writes, shape=shape)
        return self.values[writes]

    def amend(self, layer: Layer, node: Node, **changes: Any) -> None:  # noqa: ANN401  # a layer's own
        """Let a layer do what a node behind it does, and write what that writes."""
        del self.layers[layer.writes]
        amended = replace(layer, writes=node.outputs[0], **changes)
        self.layers[amended.writes] = amended
        self.values[amended.writes] = replace(self.get(layer.writes), name=amended.writes)

    def hand_on(self, node: Node, value: Value) -> None:
        """Let a node's output be its input."""
        self._refuse_outputs(node)
        self.uses[value.name] += self.uses[node.outputs[0]] - 1
        self.values[node.outputs[0]] = value

    def keep(self, node: Node, array: Array) -> None:
        """Let a node's output be a constant."""
        self.folded += array.size
        if self.folded > FOLDED_AT_ALL:
            raise Refused("is one constant too many")
        name = node.outputs[0]
        kind = array.dtype.name
        if kind not in ELEMENTS:
            raise Refused(f"gives a constant of the type {kind}")
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        self.values[name] = _constant(
            name, Tensor(self._origin(node), kind, array.shape, little, ELEMENTS[kind])
        )

    def keep_sizes(self, node: Node, numbers: Sizes, shape: Sizes) -> None:
        """Let a node's output be sizes that are known in part."""
        ints = [number for number in numbers if isinstance(number, int)]
        if len(ints) == len(numbers):
            sides = [side for side in shape if isinstance(side, int)]
            self.keep(node, np.array(ints, np.int64).reshape(sides))
        else:
            name = node.outputs[0]
            self.values[name] = Value(name=name, shape=shape, numbers=numbers)

    def fold(self, node: Node) -> None:
        """Compute a node whose inputs are all known.

        Raises:
            Refused: they are not, or it cannot be computed before the network runs.
        """
        if not self.try_fold(node):
            raise Refused("has no equal among the layers that can be trained")

    def try_fold(self, node: Node) -> bool:
        """Compute a node whose inputs are all known; tell whether they were.

        Raises:
            Refused: they are, but the zoo cannot compute it.
        """
        given = [self.get(name) for name in node.inputs if name]
        if not given or not all(value.is_known for value in given):
            return False
        try:
            if all(value.tensor is not None for value in given):
                arrays = [
                    None if (value := self.find(node, index)) is None else _array(value)
                    for index in range(len(node.inputs))
                ]
                self.keep(node, fold_array(node, arrays, self.model.opset))
            else:
                shapes = [_sides(value) for value in given]
                numbers = [_numbers(value) for value in given]
                self.keep_sizes(node, *fold_sizes(node, numbers, shapes))
        except NotFolded as error:
            raise Refused(str(error)) from error
        return True

    def give_up(self, node: Node) -> None:
        """Forget what a refused node gives."""
        for name in node.outputs:
            self.values[name] = Value(name=name)

    def is_used_once(self, value: Value) -> bool:
        """Tell whether only one node reads a value."""
        return self.uses[value.name] == 1

    def is_shared(self, layer: Layer) -> bool:
        """Tell whether another layer calls the same module."""
        return sum(one.name == layer.name for one in self.layers.values()) > 1

    def finish(self, ends: tuple[str, ...]) -> tuple[Layer, ...]:
        """Give the layers that the ends need, in order, under their final names."""
        wanted, needed = set(ends), list[Layer]()
        for layer in reversed(self.layers.values()):
            if layer.writes in wanted:
                wanted |= set(layer.reads)
                needed.append(layer)
        names = undo_nesting({layer.name: None for layer in needed})
        return tuple(replace(layer, name=names[layer.name]) for layer in reversed(needed))

    def _name(
        self,
        node: Node,
        kind: str,
        options: Mapping[str, Any],
        weights: Mapping[str, Tensor],
        step: str,
    ) -> str:
        """Name a layer; one with the same weights and options as another is the same module."""
        key = (kind, repr(sorted(options.items())), *(_place(one) for one in weights.values()))
        if weights and key in self.shared:
            return self.shared[key]
        name = name_layer(node, weights.values())
        unique = make_unique(f"{name}:{step}" if step else name, self.taken)
        self.taken[unique] = None
        self.shared[key] = unique
        return unique

    def _refuse_outputs(self, node: Node) -> None:
        extra = [name for name in node.outputs[1:] if name and self.uses[name]]
        if extra and node.op_type != "Split":
            raise Refused(f"has a second output {extra[0]!r} that is used")

    def _origin(self, node: Node) -> str:
        """Name a folded constant after the tensor it was made of, if that was one."""
        found = [self.get(name).tensor for name in node.inputs[:1]]
        return found[0].name if found and found[0] is not None else node.outputs[0]


def normal_axis(axis: int, rank: int) -> int:
    """Give an axis from 0 on; negative ones count from the end.

    Raises:
        Refused: there is none.
    """
    if not -rank <= axis < rank:
        raise Refused(f"has axis {axis} of {rank}")
    return axis % rank


def _check_size(shape: Sizes | None) -> None:
    """Refuse what would take more memory than any network's values do."""
    total = product(shape or ())
    count = total.times if isinstance(total, Batch) else total or 0
    if count > MOST_VALUES:
        raise Refused(f"gives {told(shape or ())} numbers, more than {MOST_VALUES} for a picture")


def _stated_batch(model: OnnxModel) -> int | None:
    """Give the batch that the graph was written for; None where it is free."""
    side = next((one.shape[0] for one in model.inputs if one.shape), None)
    return side if isinstance(side, int) else None


def _place(tensor: Tensor) -> tuple[object, ...]:
    """Tell where numbers lie and how; those of two tensors are the same where this is."""
    stored = tensor.stored
    return stored.__array_interface__["data"][0], stored.strides, tensor.shape, tensor.kind


def _constant(name: str, tensor: Tensor) -> Value:
    return Value(name=name, shape=tensor.shape, tensor=tensor)


def _array(value: Value) -> Array:
    if value.tensor is None or value.tensor.element is None:
        raise NotFolded(f"reads a constant of a type that is not read, {value.name!r}")
    return value.tensor.array()


def _sides(value: Value) -> tuple[int, ...]:
    sides = tuple(side for side in value.shape or () if isinstance(side, int))
    if value.shape is None or len(sides) != len(value.shape):
        raise NotFolded(f"reads sizes of the shape {told(value.shape or ())}")
    return sides


def _numbers(value: Value) -> list[Size]:
    if value.numbers is not None:
        return list(value.numbers)
    array = _array(value)
    if array.size > MOST_NUMBERS or array.dtype.kind not in "iu":
        raise NotFolded("mixes sizes with other numbers")
    return [int(one) for one in array.reshape(-1).tolist()]
