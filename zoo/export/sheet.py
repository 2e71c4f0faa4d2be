"""An ONNX graph while it is written: nodes and constants, in order."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper
from torch import Tensor

from zoo.errors import Unsupported


@dataclass(frozen=True, slots=True)
class Sheet:
    """The nodes and constants written so far."""

    nodes: list[NodeProto] = field(default_factory=list)
    constants: dict[str, TensorProto] = field(default_factory=dict)

    def add(self, operator: str, reads: list[str], writes: str, **attributes: Any) -> str:  # noqa: ANN401  # whatever the operator takes
        """Write down one node, named by the value it writes; give that name."""
        self.nodes.append(helper.make_node(operator, reads, [writes], name=writes, **attributes))
        return writes

    def keep(self, name: str, value: NDArray[Any]) -> str:
        """Write down a constant as raw little-endian bytes; give its name."""
        kind = helper.np_dtype_to_tensor_dtype(value.dtype)
        raw = value.astype(value.dtype.newbyteorder("<"), copy=False).tobytes()
        self.constants[name] = helper.make_tensor(name, kind, value.shape, raw, raw=True)
        return name

    def number(self, name: str, value: float) -> str:
        """Write down a single number."""
        return self.keep(name, np.array(value, dtype=np.float32))


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one call of a module is written: what it reads, what its values are called."""

    sheet: Sheet
    layer: str  # for errors
    reads: list[str]
    writes: str
    prefix: str  # of the module's tensors, as in the state dict

    def add(self, operator: str, *more: str, **attributes: Any) -> str:  # noqa: ANN401  # whatever the operator takes
        """Write down the node that gives the module's value; ``more`` follows what it reads."""
        return self.sheet.add(operator, [*self.reads, *more], self.writes, **attributes)

    def step(self, name: str, operator: str, *reads: str, **attributes: Any) -> str:  # noqa: ANN401  # whatever the operator takes
        """Write down a node before that one."""
        return self.sheet.add(operator, list(reads), f"{self.writes}/{name}", **attributes)

    def keep(self, *, end_axes: int = 0, **tensors: Tensor | None) -> list[str]:
        """Write down the module's tensors under their names in the state dict; no tensor, no name.

        ``end_axes`` axes of size 1 are put after theirs, to broadcast over a map.
        """
        return [
            self.sheet.keep(
                f"{self.prefix}.{name}",
                tensor.detach().cpu().numpy().reshape(*tensor.shape, *(1,) * end_axes),
            )
            for name, tensor in tensors.items()
            if tensor is not None
        ]

    def number(self, name: str, value: float) -> str:
        """Write down a number the module holds."""
        return self.sheet.number(f"{self.writes}/{name}", value)

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
