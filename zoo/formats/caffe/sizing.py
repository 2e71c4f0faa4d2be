"""The size of the pictures of a network whose description does not tell it, from its weights.

A fully connected layer reads a map of one size only, so its weights tell how large the picture was.
"""

from collections.abc import Callable, Iterator

from zoo.errors import MalformedPrototxt, Unsupported, WeightsMismatch
from zoo.formats.caffe.feeding import find_source
from zoo.formats.caffe.matching import to_weights
from zoo.formats.caffe.net import Blobs, InnerProduct, Net
from zoo.formats.caffe.states import is_kept
from zoo.formats.caffe.tree import Message, Word

USUAL = (224, 227, 299, 256, 32, 28, 24, 48, 64, 96, 112, 128, 331, 12, 40, 60, 80)  # pixels
OTHERS = range(8, 161)  # pixels; tried where no usual size fits

Assemble = Callable[[Message], Net]


def find_sized(root: Message, blobs: Blobs, assemble: Assemble) -> Net | None:
    """Put the network together with the size of pictures that its weights fit, if one does.

    Rounding lets some neighbouring sizes fit as well: usual ones are tried first. Without a fully
    connected layer any size would do, so nothing is found.
    """
    layers = root.messages("layer")
    source = find_source(filter(is_kept, layers), layers)
    if source is None or not any(layer.text("type") == "InnerProduct" for layer in layers):
        return None
    for side in _sides():
        _set_crop(source, side)
        try:
            net = assemble(root)
            to_weights(net, blobs)
        except (MalformedPrototxt, Unsupported, WeightsMismatch):
            continue
        if any(isinstance(layer.parameters, InnerProduct) for layer in net.layers):
            return net
    return None


def _sides() -> Iterator[int]:
    yield from USUAL
    yield from (side for side in OTHERS if side not in USUAL)


def _set_crop(source: Message, side: int) -> None:
    """Let the data layer crop its pictures to this size."""
    crop = ("crop_size", Word(str(side), source.line))
    kept = [(key, value) for key, value in source.fields if key != "transform_param"]
    section = Message(source.name, source.line, [crop])
    source.fields[:] = [*kept, ("transform_param", section)]
