"""What networks are fed when nothing says so, by the shape of their input, and why."""

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


FAMILIES = {
    "gray": Family(
        channels=Channels.GRAY,
        resize=Resize.SQUASH,
        scale=1 / 256,
        mean=(0.0,),
        because="one channel, as Caffe's LeNet on MNIST: pixels / 256, whole picture",
    ),
    "thumbnail": Family(
        channels=Channels.RGB,
        resize=Resize.SQUASH,
        scale=1.0,
        mean=(0.0, 0.0, 0.0),
        because="a small colour input, as Caffe's CIFAR-10 nets: RGB planes, whole picture",
    ),
    "imagenet": Family(
        channels=Channels.BGR,
        resize=Resize.SHORT_SIDE,
        scale=1.0,
        mean=(104.0, 117.0, 123.0),
        because="a colour input, as the Model Zoo's ImageNet nets: BGR, mean 104, 117, 123",
    ),
}


def find_family(channels: int, height: int, width: int) -> Family:
    """Choose the family by the shape of the input; ``channels`` is 1 or 3."""
    if channels == 1:
        return FAMILIES["gray"]
    return FAMILIES["thumbnail" if max(height, width) < SMALL_SIDE else "imagenet"]


def assume(channels: int, height: int, width: int) -> Preprocessing:
    """Give the preprocessing of the family, for this size of input."""
    family = find_family(channels, height, width)
    side = max(height, width)
    if family.resize is Resize.SHORT_SIDE:
        grown = round(side * TRAINED_SIDE / TRAINED_CROP)
        side = TRAINED_SIDE if side <= TRAINED_SIDE else grown
    return Preprocessing(
        resize=family.resize,
        resize_px=side,
        crop_px=(height, width),
        channels=family.channels,
        scale=family.scale,
        mean=tuple(value * family.scale for value in family.mean),
        std=(1.0,) * channels,
        source=f"assumed: {family.because}",
    )
