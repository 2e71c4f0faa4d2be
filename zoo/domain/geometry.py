"""How the cells of a map lie over the picture they are computed from."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from zoo.domain.reading import read_list, read_object, read_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side of a map against that side of the picture; everything in pixels of the picture.

    Cell ``i`` reads the pixels from ``stride_px * i + start_px``, ``window_px`` of them; those
    before the picture and behind it are the zeros of the padding. A picture of N pixels gives
    ``floor((N + shift_px) / stride_px)`` cells: convolutions that round down and poolings that
    round up, one after the other, make no other formula, because nested floors are one floor.
    """

    stride_px: int  # from one cell to the next: the effective stride
    window_px: int  # what a cell can see: the receptive field
    start_px: int  # where the window of the first cell begins; below 0 in the padding
    shift_px: int
    smallest_px: int  # of a picture that gives a cell

    def cells(self, size_px: int) -> int:
        """Count the cells of a picture's side; none where it is smaller than the smallest."""
        return max((size_px + self.shift_px) // self.stride_px, 0) * (size_px >= self.smallest_px)

    def window(self, cell: int) -> tuple[int, int]:
        """Give where a cell's window begins, and the pixel behind its end."""
        begin = self.stride_px * cell + self.start_px
        return begin, begin + self.window_px

    def centre(self, cell: int) -> float:
        """Give the middle of a cell's window, where pixel 0 reaches from 0 to 1."""
        begin, end = self.window(cell)
        return (begin + end) / 2

    @property
    def formula(self) -> str:
        """Say how many cells N pixels give: ``floor((N - 199) / 32) + 1``."""
        least = self.stride_px - self.shift_px
        inner = "N" if least == 0 else f"(N {'-' if least > 0 else '+'} {abs(least)})"
        return f"floor({inner} / {self.stride_px}) + 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """How a dense network's map lies over pictures."""

    height: Side
    width: Side
    native_px: tuple[int, int]  # height, width of the pictures it classified
    whole_picture: tuple[str, ...] = ()  # layers that read all of the picture, whatever its size

    @property
    def smallest_px(self) -> tuple[int, int]:
        """Give the smallest picture's height and width."""
        return self.height.smallest_px, self.width.smallest_px

    @property
    def is_local(self) -> bool:
        """Tell whether each cell depends on its window alone."""
        return not self.whole_picture

    def map_size(self, size_px: tuple[int, int]) -> tuple[int, int]:
        """Give rows and columns of a picture's map, for its height and width."""
        return self.height.cells(size_px[0]), self.width.cells(size_px[1])

    def as_json(self) -> dict[str, Any]:
        """Write it down, with the formulas for those who read it."""
        return {
            "height": asdict(self.height) | {"formula": self.height.formula},
            "width": asdict(self.width) | {"formula": self.width.formula},
            "native_px": list(self.native_px),
            "whole_picture": list(self.whole_picture),
        }

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read what ``as_json`` wrote.

        Raises:
            ValueError: a value is of another kind, or out of range.
            KeyError: one is missing.
        """
        data = read_object(value, "geometry")
        height, width = read_list(data["native_px"], "native_px", count=2)
        named = read_list(data["whole_picture"], "whole_picture")
        return cls(
            height=_read_side(read_object(data["height"], "height")),
            width=_read_side(read_object(data["width"], "width")),
            native_px=(_read_pixels(height, "native_px"), _read_pixels(width, "native_px")),
            whole_picture=tuple(read_text(name, "whole_picture") for name in named),
        )


MOST_PX = 2**31


def _read_side(data: Mapping[str, Any]) -> Side:
    pixels = {
        name: _read_pixels(data[name], name)
        for name in ("stride_px", "window_px", "start_px", "shift_px", "smallest_px")
    }
    if pixels["stride_px"] < 1 or pixels["window_px"] < 1 or pixels["smallest_px"] < 1:
        raise ValueError("a side's stride, window and smallest picture are at least one pixel")
    return Side(**pixels)


def _read_pixels(value: object, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > MOST_PX:
        raise ValueError(f"{name} should be a whole number of pixels, not {str(value)[:60]}")
    return value
