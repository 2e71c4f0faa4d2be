"""What a training description is fed with, and what it gives: the input and outputs of prediction.

A train_val.prototxt has a data layer where a deploy.prototxt has an Input, and losses where it has
probabilities.
"""

from collections.abc import Callable, Iterable

from zoo.errors import MalformedPrototxt
from zoo.formats.caffe.axes import Shape
from zoo.formats.caffe.net import Blobs, Layer, Parameters, Sigmoid
from zoo.formats.caffe.states import is_source
from zoo.formats.caffe.table_numbers import read_softmax
from zoo.formats.caffe.tree import Message

PICTURE_AXES = 4
COLOURS = 3

# What stands in a loss: the layer that makes probabilities of what it reads first.
PROBABILITIES: dict[str, Callable[[Message], Parameters]] = {
    "SigmoidCrossEntropyLoss": lambda _layer: Sigmoid(),
    "SoftmaxWithLoss": read_softmax,
}
PLAIN = {"SigmoidCrossEntropyLoss": "Sigmoid", "SoftmaxWithLoss": "Softmax"}


def find_source(kept: Iterable[Message], layers: Iterable[Message]) -> Message | None:
    """Find the data layer that gives the pictures, of the TEST phase or else of any."""
    for each in (kept, layers):
        for layer in each:
            if is_source(layer) and layer.texts("top"):
                return layer
    return None


def picture_shape(source: Message, kept: list[Message], blobs: Blobs | None) -> tuple[int, ...]:
    """Read the shape of the pictures a data layer gives: its crop, or what it resizes to.

    The channels are those that the first weights read, where weights are given.

    Raises:
        MalformedPrototxt: nothing tells the size.
    """
    dummies = source.message("dummy_data_param").messages("shape")
    if dummies:
        return tuple(dummies[0].integers("dim"))
    transform, memory = source.message("transform_param"), source.message("memory_data_param")
    resizes = (
        (source.message("image_data_param"), "new_height", "new_width"),
        (memory, "height", "width"),
        (transform.message("resize_param"), "height", "width"),
    )
    crop = transform.integer("crop_size", 0)
    sizes = [(crop, crop)]
    sizes += [
        (section.integer(high, 0), section.integer(wide, 0)) for section, high, wide in resizes
    ]
    height, width = next((size for size in sizes if min(size) > 0), (0, 0))
    if not height:
        name = source.text("name")
        raise MalformedPrototxt(
            f"{source.name}, line {source.line}: no Input layer is there, and the data layer"
            f" {name!r} does not tell the size of its pictures.",
            hint="Write a deploy.prototxt with an Input layer, or give the data layer a crop_size.",
            file=source.name,
            line=source.line,
        )
    channels = (
        memory.integer("channels", 0)
        or _channels_read(kept, blobs or {}, height * width)
        or _channels_told(source)
    )
    return 1, channels, height, width


def find_losses(kept: list[Message]) -> tuple[list[Message], list[Message]]:
    """Find the losses in whose place stand probabilities, and those that only help to train.

    Of several losses those of the largest weight count; GoogLeNet's first two have less. A loss
    beside a layer that makes the same probabilities is neither.
    """
    made = {(layer.text("type"), bottom) for layer in kept for bottom in layer.texts("bottom")[:1]}
    losses: dict[tuple[str, str], Message] = {}
    for layer in kept:
        for bottom in layer.texts("bottom")[:1]:
            kind = layer.text("type")
            if kind in PROBABILITIES and (PLAIN[kind], bottom) not in made:
                losses.setdefault((kind, bottom), layer)
    weights = {id(layer): max(layer.numbers("loss_weight"), default=1) for layer in losses.values()}
    largest = max(weights.values(), default=1)
    heads = [layer for layer in losses.values() if weights[id(layer)] == largest]
    return heads, [layer for layer in losses.values() if weights[id(layer)] < largest]


def prune(layers: list[Layer], ends: set[str]) -> tuple[list[Layer], list[Layer]]:
    """Part the layers that something else needs from those that lead to ``ends`` alone.

    ``ends`` names the layers whose tops only a loss reads that helps to train.
    """
    writers: dict[str, int] = {}
    reads = []
    readers = [0] * len(layers)
    for index, layer in enumerate(layers):
        reads.append([writers[blob] for blob in layer.bottoms if blob in writers])
        for writer in reads[index]:
            readers[writer] += 1
        writers |= dict.fromkeys(layer.tops, index)
    was_read = [count > 0 for count in readers]
    pruned: set[int] = set()
    for index in reversed(range(len(layers))):
        if readers[index] == 0 and (was_read[index] or layers[index].name in ends):
            pruned.add(index)
            for writer in reads[index]:
                readers[writer] -= 1
    kept = [layer for index, layer in enumerate(layers) if index not in pruned]
    return kept, [layers[index] for index in sorted(pruned)]


def _channels_read(kept: list[Message], blobs: Blobs, area: int) -> int:
    """Count the channels that the first weights read; 0 where that cannot be told."""
    for layer in kept:
        kind, found = layer.text("type"), blobs.get(layer.text("name"), ())
        if kind in CHANNELS and found:
            return CHANNELS[kind](layer, found[0].shape, area)
    return 0


def _of_convolution(layer: Message, shape: Shape, _area: int) -> int:
    group = layer.message("convolution_param").integer("group", 1)
    return shape[1] * max(group, 1) if len(shape) == PICTURE_AXES else 0


def _of_depthwise(_layer: Message, shape: Shape, _area: int) -> int:
    return shape[0] if len(shape) == PICTURE_AXES else 0


def _of_inner_product(layer: Message, shape: Shape, area: int) -> int:
    is_transposed = layer.message("inner_product_param").flag("transpose", default=False)
    return shape[-2 if is_transposed else -1] // area if len(shape) > 1 else 0


CHANNELS: dict[str, Callable[[Message, Shape, int], int]] = {
    "Convolution": _of_convolution,
    "ConvolutionDepthwise": _of_depthwise,
    "InnerProduct": _of_inner_product,
}


def _channels_told(source: Message) -> int:
    transform, resize = source.message("transform_param"), source.message("image_data_param")
    is_gray = transform.flag("force_gray", default=False)
    is_gray = is_gray or not resize.flag("is_color", default=True)
    return 1 if is_gray else COLOURS
