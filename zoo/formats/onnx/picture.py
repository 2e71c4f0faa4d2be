"""Where a picture enters a graph, and how it has to lie there."""

from dataclasses import dataclass, replace

from zoo.domain.preprocessing import Channels, Preprocessing, Resize
from zoo.formats.onnx.model import OnnxModel, Side, ValueInfo
from zoo.formats.onnx.own import find_own

CHANNELS = (3, 1)
MAPS = 4
KINDS = ("float32", "float16", "float64")
LARGEST_SIDE = 2**13  # pixels
USUAL_SIDE, USUAL_CROP = 256, 224  # ImageNet's
SMALL_SIDE = 64  # below it whole pictures are shown, as of CIFAR and MNIST
ROW = 2  # axes of pictures x scores


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureInput:
    """The one input of a graph that reads pictures. Sizes that are None are free."""

    name: str
    kind: str  # of its numbers: "float32"
    layout: str  # "NCHW" or "NHWC"
    channels: int
    height: int | None
    width: int | None
    batch: int | None


def find_picture_input(model: OnnxModel) -> PictureInput | str:
    """Find where pictures enter; or the reason why the graph reads none.

    Of the zoo's own graphs it is where the prepared picture enters the network.
    """
    own = find_own(model)
    if own:
        channels, height, width = own.shape
        return PictureInput(
            name=own.start,
            kind="float32",
            layout="NCHW",
            channels=channels,
            height=height,
            width=width,
            batch=None,
        )
    if len(model.inputs) != 1:
        names = ", ".join(repr(one.name) for one in model.inputs[:8])
        return f"It has {len(model.inputs)} inputs ({names or 'none'}), not one."
    return _find(model.inputs[0])


def _find(given: ValueInfo) -> PictureInput | str:
    if given.kind not in KINDS:
        return f"Its input {given.name!r} is of the type {given.kind or 'unknown'}, not float."
    if given.shape is None or len(given.shape) != MAPS:
        axes = "an unknown number of" if given.shape is None else len(given.shape)
        return f"Its input {given.name!r} has {axes} axes, not those of pictures."
    layout = _layout(given.shape)
    if layout is None:
        told = " x ".join(str(side) if side else "?" for side in given.shape)
        return f"Its input {given.name!r} of {told} has no axis of 1 or 3 channels."
    batch, *rest = (side if isinstance(side, int) else None for side in given.shape)
    channels, height, width = rest if layout == "NCHW" else (rest[2], rest[0], rest[1])
    if max(height or 1, width or 1) > LARGEST_SIDE:
        return f"Its input is {height} x {width}, more than {LARGEST_SIDE} a side."
    return PictureInput(
        name=given.name,
        kind=given.kind,
        layout=layout,
        channels=channels or CHANNELS[0],
        height=height,
        width=width,
        batch=batch,
    )


def _layout(shape: tuple[Side, ...]) -> str | None:
    """Tell where the channels are; they may be free only where the sizes say enough."""
    _, first, _, last = shape
    if first in CHANNELS and not (first == 1 and last == CHANNELS[0]):
        return "NCHW"
    if last in CHANNELS:
        return "NHWC"
    return None if isinstance(first, int) or isinstance(last, int) else "NCHW"


def gives_scores(model: OnnxModel) -> bool:
    """Tell whether some output can be one row of scores for each picture, by its shape."""
    return any(_is_row(one) for one in model.outputs)


def _is_row(given: ValueInfo) -> bool:
    if given.kind not in {*KINDS, ""}:
        return False
    shape = given.shape
    return shape is None or (len(shape) >= ROW and all(side in {1, None} for side in shape[ROW:]))


def assume_preprocessing(picture: PictureInput) -> Preprocessing:
    """Give the usual preprocessing for a graph that states none; ``source`` says it is assumed.

    RGB with ImageNet's means and deviations, as torchvision and timm train; gray pictures are only
    brought to 0..1.
    """
    height, width = picture.height or USUAL_CROP, picture.width or USUAL_CROP
    longest = max(height, width)
    is_small = longest < SMALL_SIDE
    is_gray = picture.channels == 1
    plain = Preprocessing(
        resize=Resize.SQUASH if is_small else Resize.SHORT_SIDE,
        resize_px=longest if is_small else round(longest * USUAL_SIDE / USUAL_CROP),
        crop_px=(height, width),
        source="assumed: RGB with ImageNet's mean and deviation, as torchvision and timm train",
    )
    if not is_gray:
        return plain
    return replace(
        plain,
        channels=Channels.GRAY,
        mean=(0.0,),
        std=(1.0,),
        source="assumed: one channel, pixels / 255",
    )
