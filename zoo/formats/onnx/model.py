"""What an ONNX file says, as frozen values."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zoo.domain.weights import Array
from zoo.errors import Unsupported
from zoo.formats.elements import Element

Side = int | str | None
"""How long an axis is: a number, the name of a size that is free, or nothing that is known."""

DEFAULT_DOMAINS = ("", "ai.onnx")
FLOATS = ("float32", "float16", "bfloat16", "float64")


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """Numbers of a file as they lie in it, converted when they are asked for.

    ``element`` is None for types that are not read, such as texts and 4-bit numbers.
    """

    name: str
    kind: str  # "float32"; for a type that is not read, what errors call it
    shape: tuple[int, ...]
    stored: Array
    element: Element | None

    @property
    def is_float(self) -> bool:
        """Tell whether these are floating-point numbers of 16 bits or more."""
        return self.element is not None and self.kind in FLOATS

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return math.prod(self.shape)

    def array(self) -> Array:
        """Give the numbers: a view of the file, or a conversion of its 16-bit floats to float32.

        Raises:
            Unsupported: they are of a type that is not read.
        """
        if self.element is None:
            raise Unsupported(
                f"Tensor {self.name!r} is of the type {self.kind}, which is not read."
            )
        return self.stored if self.element.convert is None else self.element.convert(self.stored)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subgraph:
    """A graph within a node, as of If and Loop: seen, not read."""

    start: int  # bytes of the file
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueInfo:
    """One input or output of the graph."""

    name: str
    kind: str  # of its numbers: "float32"; "" where it is no tensor, or not stated
    shape: tuple[Side, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Node:
    """One operation. An input called "" is one that is left out."""

    op_type: str
    domain: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]  # int, float, str, Tensor, Subgraph, or a tuple of one of them
    offset: int  # where in the file it stands

    @property
    def title(self) -> str:
        """What errors and notes call it."""
        return f"{self.op_type} {self.name or next(iter(self.outputs), '')!r}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OnnxModel:
    """The content of an ONNX file. Nodes stand in the order in which they can be run."""

    file: str  # what errors call it
    ir_version: int
    opsets: Mapping[str, int]  # domain -> version; the default domain is ""
    producer: str
    metadata: Mapping[str, str]
    name: str
    inputs: tuple[ValueInfo, ...]  # those that have to be given
    outputs: tuple[ValueInfo, ...]
    nodes: tuple[Node, ...]
    initializers: Mapping[str, Tensor]
    functions: tuple[str, ...] = ()  # "domain.name" of operations the file defines itself
    size_bytes: int = 0  # of the file and of those that its tensors lie in

    @property
    def opset(self) -> int:
        """The version of the default domain's operations."""
        return self.opsets[""]
