"""Layers that make maps larger or smaller by looking between, or back to, places."""

from torch import Tensor
from torch.nn import functional

from zoo.networks.layers.base import Layer

Pair = tuple[int, int]


class Interp(Layer):
    """Bilinear resizing with aligned corners, after the edges are cut off; of DeepLab's fork.

    The size is that of a second blob where one is read; else ``size`` where given; else it is made
    smaller by ``shrink``, then larger by ``zoom`` (InterpLayer::LayerSetUp).
    """

    def __init__(self, *, size: Pair, shrink: int, zoom: int, cut: Pair) -> None:
        super().__init__()
        self.size, self.shrink, self.zoom = size, shrink, zoom
        self.cut = cut  # rows and columns taken off at the beginning and at the end, 0 or more

    def forward(self, x: Tensor, like: Tensor | None = None) -> Tensor:
        """Resize N x C x H x W."""
        begin, end = self.cut
        x = x[:, :, begin : x.shape[2] - end, begin : x.shape[3] - end]
        if like is not None:
            size = like.shape[2], like.shape[3]
        else:
            size = self.resized((x.shape[2], x.shape[3]))
        return functional.interpolate(x, size, mode="bilinear", align_corners=True)

    def resized(self, size: Pair) -> Pair:
        """Tell the size after resizing of a map of this size whose edges are off."""
        if any(self.size):
            return self.size
        high, wide = ((side - 1) // self.shrink + 1 for side in size)
        return (
            high + (high - 1) * (self.zoom - 1),
            wide + (wide - 1) * (self.zoom - 1),
        )


class Unpool(Layer):
    """Put each number where a pooling's mask says it was, zeros elsewhere; of SegNet's fork.

    The new size is ``size`` where given, else ``scale`` times the old one.
    """

    def __init__(self, *, scale: Pair, size: Pair) -> None:
        super().__init__()
        self.scale, self.size = scale, size

    def resized(self, size: Pair) -> Pair:
        """Tell the size of what is made of maps of this size."""
        if any(self.size):
            return self.size
        return size[0] * self.scale[0], size[1] * self.scale[1]

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Make larger maps of N x C x H x W; ``mask`` has its shape."""
        high, wide = self.resized((x.shape[2], x.shape[3]))
        empty = x.new_zeros(*x.shape[:2], high * wide)
        filled = empty.scatter(2, mask.flatten(2).long(), x.flatten(2))
        return filled.view(*x.shape[:2], high, wide)
