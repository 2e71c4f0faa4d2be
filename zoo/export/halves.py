"""A classifier's graph parted at its new head: what gives the codes, and what reads them.

Networks that differ in their head alone have the same body, node by node and number by number. So
what a runtime has computed of a body holds for all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from onnx import ModelProto, NodeProto, TensorProto, helper, load_model_from_string

from zoo.domain.weights import Array
from zoo.export.file import describe_blob

HEAD_WEIGHT, HEAD_BIAS = "head.weight", "head.bias"  # of ``zoo.networks.surgery``, in a state dict


@dataclass(frozen=True, slots=True, kw_only=True)
class Halves:
    """A graph, and where its head begins."""

    model: ModelProto
    at: int  # the head's place among the nodes; all after it read it
    codes: str  # the value that it reads

    @property
    def width(self) -> int:
        """How many codes a picture has."""
        return int(_constants(self.model)[HEAD_WEIGHT].dims[1])

    def with_codes(self) -> bytes:
        """Give the graph with its codes as a second output."""
        model = _copy(self.model)
        model.graph.output.append(describe_blob(self.codes, ["batch", self.width]))
        return _write(model)

    def head_alone(self) -> bytes:
        """Give what the graph does to codes, which are the only input then."""
        model = _copy(self.model)
        nodes, constants = list(model.graph.node)[self.at :], _constants(model)
        read = [name for node in nodes for name in node.input if name in constants]
        for field in ("node", "initializer", "input"):
            model.graph.ClearField(field)
        model.graph.node.extend(nodes)
        model.graph.initializer.extend(constants[name] for name in dict.fromkeys(read))
        model.graph.input.append(describe_blob(self.codes, ["batch", self.width]))
        return _write(model)

    def with_head(self, weight: Array, bias: Array, properties: Mapping[str, str]) -> bytes:
        """Give the graph with other numbers in its head, K x D and K, and other properties.

        Raises:
            ValueError: they are not of its head's shape, or a property is not one of its own.
        """
        model = _copy(self.model)
        for name, value in ((HEAD_WEIGHT, weight), (HEAD_BIAS, bias)):
            constant = _constants(model)[name]
            if tuple(constant.dims) != value.shape:
                raise ValueError(f"{name} has the shape {value.shape}, not {constant.dims}")
            constant.raw_data = value.astype("<f4").tobytes()
        told = {entry.key: entry.value for entry in model.metadata_props}
        if not properties.keys() <= told.keys():
            raise ValueError(f"the graph tells {sorted(told)}, not {sorted(properties)}")
        helper.set_model_props(model, told | dict(properties))
        return _write(model)


def find_halves(graph: bytes) -> Halves | None:
    """Part a graph at its new head; None where it has none that is written as the zoo does."""
    model = load_model_from_string(graph)
    nodes = list(model.graph.node)
    places = [place for place, node in enumerate(nodes) if HEAD_WEIGHT in node.input]
    if len(places) != 1 or not _is_head(nodes[places[0]]):
        return None
    at = places[0]
    if not _is_closed(nodes[at:], nodes[at].input[0], _constants(model)):
        return None
    return Halves(model=model, at=at, codes=nodes[at].input[0])


def _is_head(node: NodeProto) -> bool:
    return node.op_type == "Gemm" and list(node.input[1:]) == [HEAD_WEIGHT, HEAD_BIAS]


def _is_closed(nodes: Sequence[NodeProto], codes: str, constants: Mapping[str, object]) -> bool:
    """Tell whether nodes read nothing but codes, constants and what those before them give."""
    known = {codes, *constants}
    for node in nodes:
        if not known.issuperset(node.input):
            return False
        known.update(node.output)
    return True


def _constants(model: ModelProto) -> dict[str, TensorProto]:
    return {constant.name: constant for constant in model.graph.initializer}


def _copy(model: ModelProto) -> ModelProto:
    copied = ModelProto()
    copied.CopyFrom(model)
    return copied


def _write(model: ModelProto) -> bytes:
    written: bytes = model.SerializeToString(deterministic=True)
    return written
