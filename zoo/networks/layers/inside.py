"""A layer that knows which cells of a map see the picture alone."""

from torch import Tensor

from zoo.networks.layers.base import Layer

Pair = tuple[int, int]


class CropInside(Layer):
    """Keep the cells of a map whose windows lie wholly inside the picture.

    Cell ``i`` of a side sees what ends before row ``stride * i + reach`` of the picture; ``first``
    is the first whose window begins in it. All are pairs: along height, along width.
    """

    def __init__(self, *, stride: Pair, reach: Pair, first: Pair) -> None:
        super().__init__()
        self.stride, self.reach, self.first = stride, reach, first

    def forward(self, x: Tensor, picture: Tensor) -> Tensor:
        """Cut N x C x H x W; only the size of ``picture`` matters. There may be no cell left."""
        for axis, stride, reach, first in zip(
            (2, 3), self.stride, self.reach, self.first, strict=True
        ):
            end = (picture.shape[axis] - reach) // stride + 1
            whole = (slice(None),) * axis
            x = x[(*whole, slice(first, max(end, first)))]
        return x
