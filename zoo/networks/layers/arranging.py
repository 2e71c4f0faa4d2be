"""Layers that put numbers elsewhere and change none."""

from torch import Tensor

from zoo.networks.layers.base import Layer


class Slice(Layer):
    """Cut along an axis at ``points``, or into ``parts`` of one size where there are none."""

    def __init__(self, *, axis: int, parts: int, points: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.axis, self.parts, self.points = axis, parts, points

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Cut; give the parts in order."""
        return x.tensor_split(self.points or self.parts, dim=self.axis)


class Crop(Layer):
    """Cut all axes from ``axis`` on to the sizes of another blob, each from its offset on."""

    def __init__(self, *, axis: int, offsets: tuple[int, ...]) -> None:
        super().__init__()
        self.axis, self.offsets = axis, offsets

    def forward(self, x: Tensor, like: Tensor) -> Tensor:
        """Cut; what ``like`` holds does not matter."""
        for axis, offset in enumerate(self.offsets, self.axis):
            x = x.narrow(axis, offset, like.shape[axis])
        return x


class Reshape(Layer):
    """The axes from ``axis`` on, ``num_axes`` of them, become ``dims``: 0 copies, -1 is the rest.

    A ``num_axes`` of -1 is all of them. ``axis`` counts from the front.
    """

    def __init__(self, dims: tuple[int, ...], *, axis: int, num_axes: int) -> None:
        super().__init__()
        self.dims, self.axis, self.num_axes = dims, axis, num_axes

    def forward(self, x: Tensor) -> Tensor:
        """Shape anew; the numbers keep their order."""
        dims = [size or x.shape[axis] for axis, size in enumerate(self.dims, self.axis)]
        return x.reshape(*x.shape[: self.axis], *dims, *x.shape[self.end(x.dim()) :])

    def end(self, axes: int) -> int:
        """Tell the first axis behind those that are shaped anew, of a blob of so many."""
        return axes if self.num_axes < 0 else self.axis + self.num_axes


class Permute(Layer):
    """All axes in another order."""

    def __init__(self, order: tuple[int, ...]) -> None:
        super().__init__()
        self.order = order

    def forward(self, x: Tensor) -> Tensor:
        """Reorder the axes."""
        return x.permute(self.order)


class Tile(Layer):
    """The whole of what is read, ``tiles`` times along an axis."""

    def __init__(self, *, axis: int, tiles: int) -> None:
        super().__init__()
        self.axis, self.tiles = axis, tiles

    def forward(self, x: Tensor) -> Tensor:
        """Repeat."""
        return x.repeat([self.tiles if axis == self.axis else 1 for axis in range(x.dim())])


class ShuffleChannel(Layer):
    """The channels of ``groups`` groups taken in turn; of ShuffleNet's fork."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        """Reorder the channels of N x C x ...; the shape stays."""
        groups: Tensor = x.unflatten(1, (self.groups, -1))
        return groups.transpose(1, 2).flatten(1, 2)
