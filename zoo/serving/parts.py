"""Values laid behind each other only to be convolved: their parts are convolved instead.

A convolution of ``Concat(x1, x2)`` is ``W1 * x1 + W2 * x2``, where W1 and W2 are the columns of its
weights for the channels of x1 and of x2. ONNX Runtime adds the first product while it writes the
second, so nothing is copied: of SqueezeNet, whose eight modules each end in such a pair, 6 % of the
cost. Pooling between the two treats every channel by itself, so it is done to each part.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from zoo.errors import NotRunnable
from zoo.formats.onnx.model import DEFAULT_DOMAINS
from zoo.serving.rewriting import attributes_of, parse_model, replace_nodes

CHANNELWISE = ("AveragePool", "LeakyRelu", "MaxPool", "Relu")  # by their first input alone
FOLDED = "BatchNormalization"  # ONNX Runtime folds it into a convolution that it follows
MOST_PARTS = 4  # each more reads and writes the sum once more
AXIS = 1  # of channels
PREFIX = "zoo.parts"

Part = tuple[str, int]  # a value, and its channels


def part_joins(data: bytes) -> bytes:
    """Give a graph that computes the same without the concatenations that only convolutions read.

    Raises:
        NotRunnable: there are none, or the graph is none that this can follow.
    """
    model = parse_model(data)
    if model.functions or any(_has_graph(node) for node in model.graph.node):
        raise NotRunnable("The graph holds others, which may read any value.")
    found = _Graph(model)
    parted = {node.output[0] for node in model.graph.node if found.is_partable(node)}
    if not parted:
        raise NotRunnable("No concatenation is read by convolutions alone.")
    nodes = [one for node in model.graph.node for one in found.rewrite(node, parted)]
    replace_nodes(model, nodes)
    read = {name for node in nodes for name in node.input} | found.seen
    kept = [one for one in model.graph.initializer if one.name in read]
    constants = [one.SerializeToString() for one in (*kept, *found.weights)]
    del model.graph.initializer[:]
    model.graph.initializer.extend(map(TensorProto.FromString, constants))
    del model.graph.value_info[:]
    return bytes(model.SerializeToString())


class _Graph:
    """What is known of a graph's values: who reads them, and of how many channels they are."""

    def __init__(self, model: ModelProto) -> None:
        self.constants = {one.name: one for one in model.graph.initializer}
        for node in model.graph.node:
            if _is(node, "Constant") and (value := attributes_of(node).get("value")) is not None:
                self.constants[node.output[0]] = value
        self.readers: defaultdict[str, list[NodeProto]] = defaultdict(list)
        for node in model.graph.node:
            for name in node.input:
                self.readers[name].append(node)
        self.seen = {output.name for output in model.graph.output}
        self.channels = dict[str, int]()  # of values of which that can be told
        for node in model.graph.node:
            if (count := self._count_channels(node)) is not None:
                self.channels[node.output[0]] = count
        self.parts: dict[str, list[Part]] = {}  # of values that are not made whole
        self.weights: list[TensorProto] = []

    def _count_channels(self, node: NodeProto) -> int | None:
        """Count the channels of what a node makes, by what those before it make."""
        if _joins(node) and all(name in self.channels for name in node.input):
            return sum(self.channels[name] for name in node.input)
        if _is(node, *CHANNELWISE):
            return self.channels.get(node.input[0])
        weight = self.constants.get(node.input[1]) if _is(node, "Conv") else None
        return None if weight is None else int(weight.dims[0])

    def is_partable(self, node: NodeProto) -> bool:
        """Tell whether a node lays channels behind each other that only convolutions read."""
        return (
            _joins(node)
            and 1 < len(node.input) <= MOST_PARTS
            and node.output[0] in self.channels
            and self._is_convolved(node.output[0])
        )

    def _is_convolved(self, whole: str) -> bool:
        """Tell whether a value is read by convolutions alone, be it pooled before."""
        waiting = [whole]
        while waiting:
            name = waiting.pop()
            if name in self.seen or not self.readers[name]:
                return False
            for node in self.readers[name]:
                if self._is_convolution(node, name, self.channels[whole]):
                    continue
                if not _is(node, *CHANNELWISE) or len(node.output) != 1:
                    return False
                waiting.append(node.output[0])
        return True

    def _is_convolution(self, node: NodeProto, name: str, channels: int) -> bool:
        if not _is(node, "Conv") or list(node.input).count(name) != 1 or node.input[0] != name:
            return False
        weight = self.constants.get(node.input[1])
        return (
            attributes_of(node).get("group", 1) == 1
            and weight is not None
            and weight.data_type == TensorProto.FLOAT
            and weight.dims[1] == channels
            and not any(_is(one, FOLDED) for one in self.readers[node.output[0]])
        )

    def rewrite(self, node: NodeProto, parted: set[str]) -> Iterator[NodeProto]:
        """Give what stands in the place of a node; they come in the order of the graph."""
        if node.output[0] in parted:
            self.parts[node.output[0]] = [(name, self.channels[name]) for name in node.input]
        elif not node.input or node.input[0] not in self.parts:
            yield node
        elif node.op_type == "Conv":
            yield from self._convolve(node, self.parts[node.input[0]])
        else:
            yield from self._treat(node, self.parts[node.input[0]])

    def _treat(self, node: NodeProto, parts: Sequence[Part]) -> Iterator[NodeProto]:
        """Do to each part what was done to all channels."""
        whole = node.output[0]
        treated = [
            (f"{PREFIX}/{whole}/{number}", channels) for number, (_, channels) in enumerate(parts)
        ]
        for (part, _), (name, _) in zip(parts, treated, strict=True):
            yield _copy(node, [part, *node.input[1:]], name)
        self.parts[whole] = treated

    def _convolve(self, node: NodeProto, parts: Sequence[Part]) -> Iterator[NodeProto]:
        """Convolve each part by its own columns of the weights, and add up."""
        weight = numpy_helper.to_array(self.constants[node.input[1]])
        ends = np.cumsum([channels for _, channels in parts])
        bias, total = list(node.input[2:]), ""
        for number, own in enumerate(np.split(weight, ends[:-1], axis=1)):
            name = f"{PREFIX}/{node.output[0]}/{number}"
            self.weights.append(
                numpy_helper.from_array(np.ascontiguousarray(own), f"{name}/weight")
            )
            yield _copy(node, [parts[number][0], f"{name}/weight", *bias], name)
            if not number:
                bias, total = [], name  # The bias is added once.
                continue
            added = node.output[0] if number == len(parts) - 1 else f"{name}/sum"
            yield helper.make_node("Add", [total, name], [added], name=f"{name}/add")
            total = added


def _copy(node: NodeProto, inputs: Sequence[str], output: str) -> NodeProto:
    """Give a node that does the same to other values."""
    made = NodeProto()
    made.CopyFrom(node)
    made.name = output
    del made.input[:]
    made.input.extend(inputs)
    made.output[0] = output
    return made


def _is(node: NodeProto, *kinds: str) -> bool:
    return node.op_type in kinds and node.domain in DEFAULT_DOMAINS


def _joins(node: NodeProto) -> bool:
    """Tell whether a node lays channels behind each other."""
    return _is(node, "Concat") and attributes_of(node).get("axis") == AXIS


def _has_graph(node: NodeProto) -> bool:
    """Tell whether a node holds a graph of its own, which may read any value."""
    return any(one.type in {AttributeProto.GRAPH, AttributeProto.GRAPHS} for one in node.attribute)
