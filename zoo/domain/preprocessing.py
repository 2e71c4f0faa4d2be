"""How a picture becomes the numbers a network reads: one value, from import to serving."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

from zoo.domain.reading import read_list, read_number, read_numbers, read_text, read_whole

MOST_PX = 8192  # of a side


class Resize(StrEnum):
    """What happens to a picture's shape before the crop."""

    SHORT_SIDE = "short_side"  # the shorter side becomes resize_px, the shape is kept
    SQUASH = "squash"  # both sides become resize_px, the shape is lost


class Interpolation(StrEnum):
    """How pixels between pixels are found when a picture is resized."""

    BILINEAR = "bilinear"
    BICUBIC = "bicubic"


class Channels(StrEnum):
    """The order in which the network reads colour."""

    RGB = "RGB"
    BGR = "BGR"
    GRAY = "GRAY"  # ITU-R 601 luma, one channel


CHANNEL_COUNTS = {Channels.RGB: 3, Channels.BGR: 3, Channels.GRAY: 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocessing:
    """Resize, centre crop, order of channels, then ``(x * scale - mean) / std`` on 0..255.

    Resize and crop give an H x W x 3 uint8 RGB array; everything after that is inside the exported
    graph. ``mean`` and ``std`` have one number per channel, in the order of ``channels``. A mean
    image (c x h x w, the size of the crop, already cropped, not resized) is a tensor beside the
    weights, named by ``mean_tensor``, and replaces ``mean``.
    """

    resize: Resize = Resize.SHORT_SIDE
    resize_px: int = 256
    crop_px: tuple[int, int] = (224, 224)  # height, width
    interpolation: Interpolation = Interpolation.BILINEAR
    channels: Channels = Channels.RGB
    scale: float = 1 / 255
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    mean_tensor: str | None = None
    source: str = "stated"  # where these numbers come from, for the card

    @property
    def channel_count(self) -> int:
        """Channels the network reads: 3, or 1 for gray."""
        return CHANNEL_COUNTS[self.channels]

    def as_json(self) -> dict[str, Any]:
        """Write the value down with plain JSON types."""
        return asdict(self) | {
            "resize": self.resize.value,
            "interpolation": self.interpolation.value,
            "channels": self.channels.value,
            "crop_px": list(self.crop_px),
            "mean": list(self.mean),
            "std": list(self.std),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read what ``as_json`` wrote; keys of later versions are an error, not a guess.

        Raises:
            ValueError: a value is of another kind, or out of range.
        """
        channels = Channels(data["channels"])
        count = CHANNEL_COUNTS[channels]
        tensor = data["mean_tensor"]
        return cls(
            **data
            | {
                "resize": Resize(data["resize"]),
                "resize_px": read_whole(data["resize_px"], "resize_px", most=MOST_PX),
                "crop_px": _read_crop(data["crop_px"]),
                "interpolation": Interpolation(data.get("interpolation", "bilinear")),
                "channels": channels,
                "scale": _read_scale(data["scale"]),
                "mean": read_numbers(data["mean"], "mean", count=count),
                "std": _read_std(data["std"], count),
                "mean_tensor": None if tensor is None else read_text(tensor, "mean_tensor"),
                "source": read_text(data["source"], "source"),
            }
        )


def _read_crop(value: object) -> tuple[int, int]:
    height, width = read_list(value, "crop_px", count=2)
    return (
        read_whole(height, "crop_px[0]", most=MOST_PX),
        read_whole(width, "crop_px[1]", most=MOST_PX),
    )


def _read_scale(value: object) -> float:
    scale = read_number(value, "scale")
    if scale == 0:
        raise ValueError("scale is 0, which leaves nothing of a picture")
    return scale


def _read_std(value: object, count: int) -> tuple[float, ...]:
    std = read_numbers(value, "std", count=count)
    if min(std) <= 0:
        raise ValueError(f"std is {list(std)}; pictures are divided by it, so it is above 0")
    return std
