"""What a Hub repository's configuration says: how a network is built, fed and labelled."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zoo.domain.preprocessing import MOST_PX, Channels, Interpolation, Preprocessing
from zoo.domain.reading import read_list, read_number, read_numbers, read_whole
from zoo.domain.recipe import Source

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
MOST_CHANNELS = 3
INTERPOLATIONS = {"bilinear": Interpolation.BILINEAR, "bicubic": Interpolation.BICUBIC}


@dataclass(frozen=True, slots=True, kw_only=True)
class HubConfig:
    """What the configuration of a Hub repository says; None is what it does not."""

    architecture: str
    source: Source | None  # None: stored, not runnable, and ``reason`` says why
    labels: tuple[str, ...] | None
    preprocessing: Preprocessing | None
    reason: str = ""
    notes: tuple[str, ...] = ()


def read_pixels(value: object, name: str) -> int:
    """Read a side in pixels.

    Raises:
        ValueError: it is none, or too large.
    """
    return read_whole(value, name, most=MOST_PX)


def shrink(side_px: int, share: float, name: str) -> int:
    """Give the side of a picture of which a crop of ``side_px`` is this share.

    Raises:
        ValueError: the share is not above 0, or the picture would be too large.
    """
    if share <= 0:
        raise ValueError(f"{name} is {share}; it is a share of a side, so it is above 0")
    return read_pixels(int(min(side_px / share, 2 * MOST_PX)), f"the side that {name} asks for")


def read_spread(data: Mapping[str, Any], key: str, channels: Channels) -> tuple[float, ...]:
    """Read what pictures are divided by, one number a channel.

    Raises:
        ValueError: it is other than numbers above 0.
    """
    spread = read_statistic(data, key, IMAGENET_STD, channels)
    if min(spread) <= 0:
        raise ValueError(f"{key} is {list(spread)}; pictures are divided by it, so it is above 0")
    return spread


def read_statistic(
    data: Mapping[str, Any], key: str, default: tuple[float, ...], channels: Channels
) -> tuple[float, ...]:
    """Read a mean or a spread, one number a channel; three for a gray picture are averaged.

    Raises:
        ValueError: it is other than numbers, or as many as there are channels.
    """
    if data.get(key) is None:
        numbers = default
    elif isinstance(data[key], list):
        numbers = read_numbers(data[key], key, count=len(read_list(data[key], key)))
    else:
        numbers = (read_number(data[key], key),) * MOST_CHANNELS
    wanted = 1 if channels is Channels.GRAY else MOST_CHANNELS
    if len(numbers) == wanted:
        return numbers
    if wanted == 1 and numbers:
        return (sum(numbers) / len(numbers),)
    raise ValueError(f"{key} has {len(numbers)} numbers for {wanted} channels")
