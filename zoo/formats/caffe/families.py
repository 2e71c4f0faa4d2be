"""What networks are fed when no file says so: by the family their name tells, else by their input.

The numbers are those the families' publishers state; ``docs/concepts.md`` lists them.
"""

import re
from dataclasses import dataclass

from zoo.domain.preprocessing import Channels, Preprocessing, Resize

SMALL_SIDE = 64  # pixels; below it a network was made for thumbnails such as CIFAR's
TRAINED_SIDE, TRAINED_CROP = 256, 227  # pixels; of CaffeNet and those that followed it


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """How the networks of one kind were trained, in Caffe's numbers: pixels 0..255."""

    channels: Channels
    resize: Resize
    scale: float
    mean: tuple[float, ...]
    because: str
    std: tuple[float, ...] = ()  # in pixels; none is 1 for every channel
    side: tuple[int, int] = (TRAINED_SIDE, TRAINED_CROP)  # resized to, for a crop of


def _imagenet(  # noqa: PLR0913  # the parts of one line of a table
    because: str,
    mean: tuple[float, float, float],
    *,
    scale: float = 1.0,
    std: tuple[float, ...] = (),
    side: tuple[int, int] = (256, 224),
    channels: Channels = Channels.BGR,
) -> Family:
    return Family(
        channels=channels,
        resize=Resize.SHORT_SIDE,
        scale=scale,
        mean=mean,
        std=std,
        side=side,
        because=because,
    )


# By the name a network gives itself; the first that fits counts.
NAMED: dict[str, Family] = {
    r"vgg": _imagenet("VGG: BGR, mean 103.939, 116.779, 123.68", (103.939, 116.779, 123.68)),
    r"dense[-_ ]?net|mobile[-_ ]?net": _imagenet(
        "DenseNet and MobileNet: BGR, mean 103.94, 116.78, 123.68, scale 0.017",
        (103.94, 116.78, 123.68),
        scale=0.017,
    ),
    r"\bse[-_]|senet": _imagenet("SENet: BGR, mean 104, 117, 123", (104.0, 117.0, 123.0)),
    r"dpn": _imagenet(
        "DPN: BGR, mean 104, 117, 124, scale 1/59.88", (104.0, 117.0, 124.0), scale=1 / 59.88
    ),
    r"resnext|\bair": _imagenet(
        "ResNeXt and AIR: BGR, mean and deviation per channel",
        (103.52, 116.28, 123.675),
        std=(57.375, 57.12, 58.395),
    ),
    r"inception[-_ ]?(v[2-4]|resnet)|xception": _imagenet(
        "Inception and Xception: BGR, (x - 128) / 128",
        (128.0, 128.0, 128.0),
        scale=1 / 128,
        side=(320, 299),
    ),
    r"goog?le?[-_ ]?net": _imagenet("GoogLeNet: BGR, mean 104, 117, 123", (104.0, 117.0, 123.0)),
    r"alex[-_ ]?net|caffe[-_ ]?net|r-?cnn|flickr": _imagenet(
        "CaffeNet and AlexNet: BGR, mean 104, 117, 123", (104.0, 117.0, 123.0), side=(256, 227)
    ),
    r"squeeze[-_ ]?net": _imagenet(
        "SqueezeNet: BGR, mean 104, 117, 123", (104.0, 117.0, 123.0), side=(256, 227)
    ),
}
GRAY = Family(
    channels=Channels.GRAY,
    resize=Resize.SQUASH,
    scale=1 / 256,
    mean=(0.0,),
    because="one channel, as Caffe's LeNet on MNIST: pixels / 256, whole picture",
)
THUMBNAIL = Family(
    channels=Channels.RGB,
    resize=Resize.SQUASH,
    scale=1.0,
    mean=(0.0, 0.0, 0.0),
    because="a small colour input, as Caffe's CIFAR-10 nets: RGB planes, whole picture",
)
COLOUR = _imagenet(
    "a colour input, as the Model Zoo's ImageNet nets: BGR, mean 104, 117, 123",
    (104.0, 117.0, 123.0),
    side=(256, 227),
)


def find_named(name: str) -> Family | None:
    """Find the family that a network's name tells."""
    return next(
        (family for pattern, family in NAMED.items() if re.search(pattern, name, re.IGNORECASE)),
        None,
    )


def prepare_as_family(channels: int, height: int, width: int, *, name: str = "") -> Preprocessing:
    """Give the preprocessing of the family, for this size of input; ``channels`` is 1 or 3.

    ``source`` says whether the network's name told it, or whether it is only assumed.
    """
    is_small = max(height, width) < SMALL_SIDE
    named = None if channels == 1 or is_small else find_named(name)
    family = named or (GRAY if channels == 1 else THUMBNAIL if is_small else COLOUR)
    crop = max(height, width)
    resized, trained_crop = family.side
    side = crop
    if family.resize is Resize.SHORT_SIDE:
        side = resized if crop <= trained_crop else round(crop * resized / trained_crop)
    return Preprocessing(
        resize=family.resize,
        resize_px=side,
        crop_px=(height, width),
        channels=family.channels,
        scale=family.scale,
        mean=tuple(value * family.scale for value in family.mean),
        std=tuple(value * family.scale for value in family.std) or (1.0,) * channels,
        source=f"the family that its name tells, {family.because}"
        if named
        else f"assumed: {family.because}",
    )
