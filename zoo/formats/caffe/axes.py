"""Sizes and axes as Caffe counts them, and the error that names the layer they are wrong in."""

from zoo.errors import MalformedPrototxt
from zoo.formats.caffe.net import Layer

Shape = tuple[int, ...]


def canonical_axis(layer: Layer, axis: int, bottom: Shape) -> int:
    """Count a negative axis from the end, as Caffe's CanonicalAxisIndex does."""
    if not -len(bottom) <= axis < len(bottom):
        raise refusal(layer, f"axis {axis} does not exist in its bottom of shape {bottom}")
    return axis % len(bottom)


def four_axes(layer: Layer, bottom: Shape) -> Shape:
    """Give a shape that has to be number x channels x height x width."""
    if len(bottom) != len("NCHW"):
        raise refusal(layer, f"its bottom has shape {bottom}, not number x channels x h x w")
    return bottom


def channels_of(layer: Layer, bottom: Shape) -> int:
    """Give the size of axis 1."""
    return bottom[canonical_axis(layer, 1, bottom)]


def describe(layer: Layer) -> str:
    """Name a layer for an error."""
    return f"Layer {layer.name!r} ({layer.type})"


def refusal(layer: Layer, reason: str) -> MalformedPrototxt:
    """Make the error that names the layer and the reason."""
    return MalformedPrototxt(
        f"{describe(layer)}: {reason}.",
        hint="Compare this layer and the input's size with the publisher's prototxt.",
        layer=layer.name,
    )
