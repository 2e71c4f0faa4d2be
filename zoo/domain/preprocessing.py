"""How a picture becomes the numbers a network reads: one value, from import to serving."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self


class Resize(StrEnum):
    """What happens to a picture's shape before the crop."""

    SHORT_SIDE = "short_side"  # the shorter side becomes resize_px, the shape is kept
    SQUASH = "squash"  # both sides become resize_px, the shape is lost


class Channels(StrEnum):
    """The order in which the network reads colour."""

    RGB = "RGB"
    BGR = "BGR"
    GRAY = "GRAY"  # ITU-R 601 luma, one channel


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
    channels: Channels = Channels.RGB
    scale: float = 1 / 255
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    mean_tensor: str | None = None
    source: str = "stated"  # where these numbers come from, for the card

    @property
    def channel_count(self) -> int:
        """Channels the network reads: 3, or 1 for gray."""
        return 1 if self.channels is Channels.GRAY else 3

    def as_json(self) -> dict[str, Any]:
        """Write the value down with plain JSON types."""
        return asdict(self) | {
            "resize": self.resize.value,
            "channels": self.channels.value,
            "crop_px": list(self.crop_px),
            "mean": list(self.mean),
            "std": list(self.std),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read what ``as_json`` wrote; keys of later versions are an error, not a guess."""
        return cls(
            **data
            | {
                "resize": Resize(data["resize"]),
                "crop_px": tuple(data["crop_px"]),
                "channels": Channels(data["channels"]),
                "mean": tuple(data["mean"]),
                "std": tuple(data["std"]),
            }
        )
