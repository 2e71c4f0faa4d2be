"""What is known of a network's value: its places' axes, and how they lie over the picture."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

from torch.fx import Node

from zoo.domain.geometry import Side
from zoo.networks.receptive.sides import join

Axes = tuple[int, int]
Sides = tuple[Side, Side]
MAP_AXES: Axes = (2, 3)  # height and width of N x C x H x W

# Why a value's places are no even windows any more, each after the name of a layer.
ATTENDING = "reads all places of the map at once"
BESIDE = "puts maps beside each other"
COVERING = "holds numbers of its own for each place of the map, such as a position embedding"
DIFFERING = "puts maps together whose sizes agree for some sizes of picture only"
FIXED = "takes a part of the map that is of one size"
FLATTENING = "makes rows of one length of the map's places"
RESIZING = "makes maps of other sizes, whose cells do not lie evenly over the picture"
TOKENS = "puts rows beside the places of the map that are no places, such as a class token"
UNKNOWN = "is not known to read windows around each place alone"


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A layer after which a map's cells are no even windows any more, and why."""

    node: Node
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """How a value that depends on the picture lies over it.

    With ``sides`` it is a map that grows with the picture. Without, and without obstacles, it is of
    one size whatever the picture's, because the layers ``pooled`` have read all of a map.
    """

    axes: Axes | None  # which axes are height and width; one and the same where they are one row
    sides: Sides | None = None
    pooled: frozenset[Node] = frozenset()
    obstacles: tuple[Obstacle, ...] = ()

    @property
    def is_settled(self) -> bool:
        """Tell whether its size is the same for pictures of every size."""
        return self.sides is None and not self.obstacles

    @property
    def is_map(self) -> bool:
        """Tell whether it is N x C x H x W, as convolutions read it."""
        return self.axes == MAP_AXES

    def moved(self, axes: Axes | None) -> Self:
        """Give the same with height and width at other axes."""
        return replace(self, axes=axes)

    def lost(self, node: Node, why: str, *, axes: Axes | None = None) -> Self:
        """Give what is left after a layer whose cells are no windows."""
        if self.is_settled:
            return replace(self, axes=axes)
        return replace(
            self, axes=axes, sides=None, obstacles=(*self.obstacles, Obstacle(node, why))
        )


def join_laid(node: Node, values: Iterable[Laid]) -> Laid:
    """Give what comes of values that are put together number by number, their axes aligned.

    What is settled takes no part in how maps lie; ``pooled`` then keeps what has read all of one.
    """
    every = list(values)
    spread = [value for value in every if not value.is_settled]
    axes = next((value.axes for value in (*spread, *every) if value.axes), None)
    pooled = frozenset[Node]().union(*(value.pooled for value in every))
    obstacles = tuple(dict.fromkeys(one for value in spread for one in value.obstacles))
    if obstacles or not spread:
        return Laid(axes=axes, pooled=pooled, obstacles=obstacles)
    maps = [value.sides for value in spread if value.sides is not None]
    high, wide = join(sides[0] for sides in maps), join(sides[1] for sides in maps)
    is_even = len({value.axes for value in spread}) == 1
    if high is None or wide is None or not is_even:
        return Laid(axes=axes, pooled=pooled, obstacles=(Obstacle(node, DIFFERING),))
    return Laid(axes=axes, sides=(high, wide), pooled=pooled)
