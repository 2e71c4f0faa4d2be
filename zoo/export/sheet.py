"""An ONNX graph while it is written: nodes and constants, in order."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper
from torch import Tensor

from zoo.errors import Unsupported

Shape = tuple[int, ...]
Values = str | tuple[str, ...]  # what the value of a node is called, or several of them
BATCH, CHANNELS = 0, 1  # axes


@dataclass(frozen=True, slots=True)
class Sheet:
    """The nodes and constants written so far."""

    nodes: list[NodeProto] = field(default_factory=list)
    constants: dict[str, TensorProto] = field(default_factory=dict)
    pinned: set[int] = field(default_factory=set)  # axes of blobs whose sizes are written in
    # Those written in, by identity and shape. They are held, or another could have their identity.
    tensors: dict[tuple[int, Shape], tuple[Tensor, str]] = field(default_factory=dict)

    @property
    def has_fixed_batch(self) -> bool:
        """Tell whether the number of pictures is written in."""
        return BATCH in self.pinned

    @property
    def has_fixed_sizes(self) -> bool:
        """Tell whether other sizes are: any axis may be one of a map, laid otherwise."""
        return bool(self.pinned - {BATCH})

    def add(self, operator: str, reads: list[str], writes: str, **attributes: Any) -> str:  # noqa: ANN401  # whatever the operator takes
        """Write down one node, named by the value it writes; give that name."""
        self.add_all(operator, reads, [writes], **attributes)
        return writes

    def add_all(
        self,
        operator: str,
        reads: list[str],
        writes: list[str],
        **attributes: Any,  # noqa: ANN401  # whatever the operator takes
    ) -> tuple[str, ...]:
        """Write down one node of several values, named by the first; give their names."""
        self.nodes.append(helper.make_node(operator, reads, writes, name=writes[0], **attributes))
        return tuple(writes)

    def keep(self, name: str, value: NDArray[Any]) -> str:
        """Write down a constant as raw little-endian bytes; give its name."""
        kind = helper.np_dtype_to_tensor_dtype(value.dtype)
        raw = value.astype(value.dtype.newbyteorder("<"), copy=False).tobytes()
        self.constants[name] = helper.make_tensor(name, kind, value.shape, raw, raw=True)
        return name

    def tensor(self, name: str, tensor: Tensor, shape: Shape) -> str:
        """Write down a tensor in this shape, once for all that read it; give its name.

        Its name is the one given; with a mark where it is written in other shapes too.
        """
        key = id(tensor), shape
        if key not in self.tensors:
            while name in self.constants:
                name += "'"
            value = tensor.detach().cpu().numpy().reshape(shape)
            self.tensors[key] = tensor, self.keep(name, value)
        return self.tensors[key][1]

    def number(self, name: str, value: float) -> str:
        """Write down a single number."""
        return self.keep(name, np.array(value, dtype=np.float32))

    def integers(self, name: str, values: Sequence[int]) -> str:
        """Write down a row of whole numbers, such as axes and sizes."""
        return self.keep(name, np.array(values, dtype=np.int64))


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one call of a module is written: what it reads, what its values are called."""

    sheet: Sheet
    layer: str  # for errors
    reads: list[str]
    writes: str
    prefix: str  # of the module's tensors, as in the state dict
    shapes: list[Shape] = field(default_factory=list)  # of what it reads, in a trial

    def add(self, operator: str, *more: str, **attributes: Any) -> str:  # noqa: ANN401  # whatever the operator takes
        """Write down the node that gives the module's value; ``more`` follows what it reads."""
        return self.sheet.add(operator, [*self.reads, *more], self.writes, **attributes)

    def end(self, operator: str, *reads: str, **attributes: Any) -> str:  # noqa: ANN401  # whatever the operator takes
        """Write down the node that gives the module's value and reads these alone."""
        return self.sheet.add(operator, list(reads), self.writes, **attributes)

    def step(self, name: str, operator: str, *reads: str, **attributes: Any) -> str:  # noqa: ANN401  # whatever the operator takes
        """Write down a node before that one."""
        return self.sheet.add(operator, list(reads), f"{self.writes}/{name}", **attributes)

    def keep(self, *, end_axes: int = 0, **tensors: Tensor | None) -> list[str]:
        """Write down the module's tensors under their names in the state dict; no tensor, no name.

        ``end_axes`` axes of size 1 are put after theirs, to broadcast over a map. A tensor that
        another module has too is written once.
        """
        return [
            self.sheet.tensor(f"{self.prefix}.{name}", tensor, (*tensor.shape, *(1,) * end_axes))
            for name, tensor in tensors.items()
            if tensor is not None
        ]

    def number(self, name: str, value: float) -> str:
        """Write down a number the module holds."""
        return self.sheet.number(f"{self.writes}/{name}", value)

    def integers(self, name: str, *values: int) -> str:
        """Write down whole numbers that the module's nodes read, such as axes and sizes."""
        return self.sheet.integers(f"{self.writes}/{name}", values)

    def axes(self, read: int = 0) -> int:
        """Count the axes of what it reads."""
        return len(self.shapes[read])

    def size(self, axis: int) -> int:
        """Give the size of an axis of what it reads, which is then written into the graph."""
        self.pin(axis)
        return self.shapes[0][axis]

    def pin(self, *axes: int) -> None:
        """Note that sizes along these axes are written into the graph."""
        self.sheet.pinned.update(axes)

    def refuse_if(self, refused: bool, what: str) -> None:  # noqa: FBT001  # it reads as a sentence
        """Refuse an option that has no equal in ONNX.

        Raises:
            Unsupported: the module has it.
        """
        if refused:
            raise self.refusal(what)

    def refusal(self, what: str) -> Unsupported:
        """Word the error of a layer that cannot be written, and why."""
        return Unsupported(
            f"Layer {self.layer!r} cannot be written as ONNX: {what}.",
            hint="Choose a network without that layer; zoo/export/modules.py lists what can be.",
            layer=self.layer,
        )
