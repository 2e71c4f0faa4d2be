"""What a network is made of, layer by layer: shapes, parameters, operations and windows."""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from zoo.domain.reading import read_list, read_object, read_text
from zoo.errors import LayerNotFound

MOST = 2**63 - 1  # of any number here
NEAR = 3  # names that an error tells
NUMBERED = re.compile(r":+[0-9]+$")  # which of the values that a layer gives

Pair = tuple[int, int]  # height, width


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What each place of a layer's map sees of the picture, in its pixels: height, width."""

    window_px: Pair  # the receptive field
    stride_px: Pair  # from one place to the next
    start_px: Pair  # where the first place's window begins; below 0 in the padding


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerRow:
    """One value that a layer gives for one picture."""

    name: str  # as ``zoo.networks.names`` has it: ``conv1``, ``relu:2``
    kind: str  # the module's type, or the function
    output: tuple[int, ...] | None  # its shape without the batch; None: it is no tensor
    parameters: int  # numbers that are learned; those read again are counted where they are first
    macs: int  # multiply-adds
    window: Window | None  # None: it is no map, or each place sees what no window tells
    tensors: tuple[str, ...]  # of the state dict, that the layer reads

    def as_json(self) -> dict[str, Any]:
        """Write it down."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read what ``as_json`` wrote.

        Raises:
            ValueError: a value is of another kind, or out of range.
            KeyError: one is missing.
        """
        data = read_object(value, "layer")
        output, window = data["output"], data["window"]
        return cls(
            name=read_text(data["name"], "name"),
            kind=read_text(data["kind"], "kind"),
            output=None if output is None else _read_counts(output, "output"),
            parameters=_read_count(data["parameters"], "parameters"),
            macs=_read_count(data["macs"], "macs"),
            window=None if window is None else _read_window(window),
            tensors=tuple(
                read_text(name, "tensors") for name in read_list(data["tensors"], "tensors")
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """The content of a revision's layers.json."""

    inputs: tuple[tuple[int, ...], ...]  # the shape of each input, without the batch
    rows: tuple[LayerRow, ...]  # in the order in which they are computed

    @property
    def layers(self) -> tuple[str, ...]:
        """Name the layers, each once, in their order; ``relu`` where values are ``relu:1`` ..."""
        return tuple(dict.fromkeys(NUMBERED.sub("", row.name) for row in self.rows))

    @property
    def last_weighted(self) -> int | None:
        """Give the place of the last row that reads tensors: a classifier's head, if there is one.

        All that has weights lies below a head. None where no row tells of any.
        """
        return max((place for place, row in enumerate(self.rows) if row.tensors), default=None)

    def find_place(self, name: str) -> int | None:
        """Give the place of the value that a name stands for: of a layer's several, the last."""
        named = [place for place, row in enumerate(self.rows) if row.name == name]
        numbered = [
            place for place, row in enumerate(self.rows) if NUMBERED.sub("", row.name) == name
        ]
        return max(named or numbered, default=None)

    @property
    def parameters(self) -> int:
        """Count the numbers that are learned and that computing reads."""
        return sum(row.parameters for row in self.rows)

    @property
    def macs(self) -> int:
        """Count the multiply-adds of one picture."""
        return sum(row.macs for row in self.rows)

    def as_json(self) -> dict[str, Any]:
        """Write it down, with the totals for those who read it."""
        return {
            "inputs": [list(shape) for shape in self.inputs],
            "parameters": self.parameters,
            "macs": self.macs,
            "layers": [row.as_json() for row in self.rows],
        }

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read what ``as_json`` wrote.

        Raises:
            ValueError: a value is of another kind, or out of range.
            KeyError: one is missing.
        """
        data = read_object(value, "layers")
        return cls(
            inputs=tuple(
                _read_counts(shape, "inputs") for shape in read_list(data["inputs"], "inputs")
            ),
            rows=tuple(LayerRow.from_json(row) for row in read_list(data["layers"], "layers")),
        )


def unknown_layer(
    name: str, layers: Sequence[str], others: Iterable[str] = (), *, is_input: bool = False
) -> LayerNotFound:
    """Say that a network has no layer of a name, and which ones are called alike.

    ``layers`` are those it has, in their order, and ``others`` what else can be named.
    """
    near = _near(name, [*layers, *others])
    asked = f"Did you mean {' or '.join(map(repr, near))}?"
    last = f"Its last layers are {', '.join(layers[-NEAR:])}."
    more = " It is the network's input." if is_input else ""
    return LayerNotFound(
        f"The network has no layer {name!r}.{more}",
        hint=f"{asked if near else last} See: zoo show MODEL --layers",
        layer=name,
        near=near,
    )


def _near(name: str, known: Iterable[str]) -> list[str]:
    """Give names like this one: with it as a part, or written alike, in letters of any size."""
    lowered = {each.casefold(): each for each in known}
    written = difflib.get_close_matches(name.casefold(), lowered, n=NEAR)
    part = re.compile(rf"(^|\W){re.escape(name.casefold())}($|\W)")
    having = [each for each in lowered if part.search(each)]
    return [lowered[each] for each in dict.fromkeys([*having, *written])][:NEAR]


def _read_window(value: object) -> Window:
    data = read_object(value, "window")
    return Window(
        window_px=_read_pair(data["window_px"], "window_px"),
        stride_px=_read_pair(data["stride_px"], "stride_px"),
        start_px=_read_pair(data["start_px"], "start_px"),
    )


def _read_pair(value: object, name: str) -> Pair:
    height, width = read_list(value, name, count=2)
    return _read_integer(height, name), _read_integer(width, name)


def _read_counts(value: object, name: str) -> tuple[int, ...]:
    return tuple(_read_count(one, name) for one in read_list(value, name))


def _read_count(value: object, name: str) -> int:
    number = _read_integer(value, name)
    if number < 0:
        raise ValueError(f"{name} should count something, not be {number}")
    return number


def _read_integer(value: object, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > MOST:
        raise ValueError(f"{name} should be a whole number, not {str(value)[:60]}")
    return value
