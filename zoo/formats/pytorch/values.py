"""What a checkpoint's pickle is made of here: names and numbers, none of which can do anything.

None of these is compared, hashed or written out by what it holds: values in values, each mentioned
twice, would take for ever.
"""

from dataclasses import dataclass, field

import numpy as np

from zoo.formats.elements import ELEMENTS, Element


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Named:
    """A function or class that a pickle names: its name, nothing more."""

    name: str  # "torch._utils._rebuild_tensor_v2"


@dataclass(slots=True, eq=False, repr=False)
class Record:
    """An object of a class that only holds values: what it was made of, by the class's name."""

    name: str
    content: object = ()
    state: object = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class OddKey:
    """A key that is neither text nor a small number.

    It is hashed by its place in memory: hashing what a stranger wrote can take for ever.
    """

    value: object


@dataclass(slots=True, eq=False, repr=False)
class Storage:
    """A run of bytes in the file, which tensors view.

    ``start`` is its first byte; unknown while the pickle is read, as old files tell it afterwards.
    A view of another storage counts its ``offset`` (bytes) from there.
    """

    key: str
    size_bytes: int
    element: Element | None  # None: whatever its tensors say
    start: int = -1
    base: "Storage | None" = None
    offset: int = 0

    def place(self) -> int:
        """Give its first byte in the file."""
        return self.start if self.base is None else self.base.place() + self.offset


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Tensor:
    """A tensor whose numbers were found to lie within its storage; in elements, not bytes."""

    storage: Storage
    element: Element
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(slots=True, eq=False, repr=False)
class NumpyType:
    """A type of numpy's: the code it was made with, then the order of its bytes."""

    code: str
    order: str = "="

    def find(self) -> np.dtype[np.generic] | None:
        """Find the type, where it is one of plain numbers."""
        if self.code not in NUMBERS or self.order not in {"=", "<", ">", "|"}:
            return None
        return np.dtype(self.code).newbyteorder(">" if self.order == ">" else "<")


@dataclass(slots=True, eq=False, repr=False)
class NumpyArray:
    """An array of numpy's, in the order of C unless ``is_fortran``."""

    shape: tuple[object, ...] = ()
    dtype: NumpyType = field(default_factory=lambda: NumpyType("O"))
    content: object = b""
    is_fortran: bool = False


NUMBERS = frozenset(np.dtype(element.dtype).str[1:] for element in ELEMENTS.values())
