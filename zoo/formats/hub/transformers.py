"""transformers' config.json and preprocessor_config.json, of classifiers of pictures."""

from collections.abc import Mapping
from typing import Any

from zoo.domain.preprocessing import (
    MOST_PX,
    Channels,
    Interpolation,
    Preprocessing,
    Resize,
)
from zoo.domain.reading import (
    MOST_CLASSES,
    read_list,
    read_number,
    read_object,
    read_text,
    read_whole,
)
from zoo.domain.recipe import Source
from zoo.formats.hub.settings import (
    IMAGENET_MEAN,
    HubConfig,
    read_pixels,
    read_spread,
    read_statistic,
    shrink,
)

CLASSIFIERS = ("ForImageClassification", "ForImageClassificationWithTeacher")
RESAMPLINGS = {2.0: Interpolation.BILINEAR, 3.0: Interpolation.BICUBIC}  # Pillow's numbers
DEFAULT_PX = 224
CONVNEXT_SHARE = DEFAULT_PX / 256  # of the resized side; from 384 pixels on nothing is cropped
CONVNEXT_WHOLE_PX = 384
CROP_PX, RESIZE_PX = 224, 256  # what is usual where no size is stated
PLACEHOLDER = "LABEL_"  # what transformers calls classes that nobody named


def read_transformers_config(
    data: Mapping[str, Any], preprocessor: Mapping[str, Any] | None, *, path: str
) -> HubConfig:
    """Read what config.json and preprocessor_config.json say; ``path`` is where the first is kept.

    Raises:
        ValueError: a value is of another kind, or out of range.
    """
    kind = read_text(data.get("model_type"), "model_type")
    classes = [
        read_text(name, "architectures")
        for name in read_list(data.get("architectures") or [], "architectures")
    ]
    notes: list[str] = []
    runnable = not classes or any(name.endswith(CLASSIFIERS) for name in classes)
    return HubConfig(
        architecture=kind,
        source=Source(kind="transformers", path=path, architecture=kind) if runnable else None,
        reason="" if runnable else f"{classes[0]} is no classifier of pictures.",
        labels=_read_labels(data),
        preprocessing=_assume(data)
        if preprocessor is None
        else _read_pictures(preprocessor, notes),
        notes=tuple(notes),
    )


def _assume(data: Mapping[str, Any]) -> Preprocessing:
    """Assume what is usual, at the size that the network states, if it states one."""
    stated = data.get("image_size")
    side = read_whole(stated, "image_size", most=MOST_PX) if isinstance(stated, int) else CROP_PX
    return Preprocessing(
        crop_px=(side, side),
        resize_px=round(side * RESIZE_PX / CROP_PX),
        source="assumed: no preprocessor_config.json is there, RGB with ImageNet's mean and"
        " deviation",
    )


def _read_labels(data: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Give the names of the classes by their number; None where they are numbers only."""
    named = read_object(data.get("id2label") or {}, "id2label")
    if not named:
        return None
    count = read_whole(len(named), "the number of id2label", most=MOST_CLASSES)
    missing = [str(index) for index in range(count) if str(index) not in named]
    if missing:
        raise ValueError(f"id2label has {count} classes and none of the number {missing[0]}")
    labels = tuple(read_text(named[str(index)], f"id2label.{index}") for index in range(count))
    return None if all(label.startswith(PLACEHOLDER) for label in labels) else labels


def _read_pictures(data: Mapping[str, Any], notes: list[str]) -> Preprocessing:
    is_flipped = bool(data.get("do_flip_channel_order", False))
    order = Channels.BGR if is_flipped else Channels.RGB
    is_scaled = bool(data.get("do_rescale", True))
    scale = read_number(data.get("rescale_factor", 1 / 255), "rescale_factor") if is_scaled else 1.0
    if scale == 0:
        raise ValueError("rescale_factor is 0, which leaves nothing of a picture")
    resize, resize_px, crop_px = _read_sizes(data)
    mean, std = _read_statistics(data, order)
    if data.get("include_top"):
        notes.append("Pictures were normalised twice (include_top); they are normalised once here.")
    if data.get("rescale_offset"):
        mean = tuple(value + 1 for value in mean)
    return Preprocessing(
        resize=resize,
        resize_px=resize_px,
        crop_px=crop_px,
        interpolation=_read_interpolation(data, notes),
        channels=order,
        scale=scale,
        mean=mean,
        std=std,
        source="preprocessor_config.json",
    )


def _read_statistics(
    data: Mapping[str, Any], order: Channels
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Read mean and spread in the order of the channels; the files have them as RGB."""
    # MobileViT's processor flips the channels and normalises nothing.
    if not data.get("do_normalize", "image_mean" in data):
        return (0.0,) * 3, (1.0,) * 3
    step = -1 if order is Channels.BGR else 1
    mean = read_statistic(data, "image_mean", IMAGENET_MEAN, order)
    return mean[::step], read_spread(data, "image_std", order)[::step]


def _read_interpolation(data: Mapping[str, Any], notes: list[str]) -> Interpolation:
    number = read_number(data.get("resample", 2), "resample")
    if number not in RESAMPLINGS:
        notes.append(f"Pictures were resized by Pillow's filter {number:g}; bicubically here.")
    return RESAMPLINGS.get(number, Interpolation.BICUBIC)


def _read_sizes(data: Mapping[str, Any]) -> tuple[Resize, int, tuple[int, int]]:
    """Find how a picture is resized, to how many pixels, and what is cropped from its middle.

    ConvNeXt's processors crop a share of what they resize to, and squash from 384 pixels on.
    """
    size = data.get("size", DEFAULT_PX)
    stated = {key: read_pixels(side, f"size.{key}") for key, side in _sides(size).items()}
    crop_px = _read_crop(data)
    if "height" in stated and "width" in stated:
        height, width = stated["height"], stated["width"]
        if height != width:
            raise ValueError(f"size is {height} x {width}; only squares can be resized to")
        return Resize.SQUASH, height, crop_px or (height, width)
    side = stated.get("shortest_edge")
    if side is None:
        raise ValueError(f"size has {', '.join(stated) or 'nothing'}, not a shortest_edge")
    is_shared = _is_cropped_by_share(data)
    if is_shared and (crop_px or side < CONVNEXT_WHOLE_PX):
        told = data.get("crop_pct")
        share = CONVNEXT_SHARE if told is None else read_number(told, "crop_pct")
        return Resize.SHORT_SIDE, shrink(side, share, "crop_pct"), crop_px or (side, side)
    is_square = crop_px is None and (is_shared or not isinstance(size, dict))
    return Resize.SQUASH if is_square else Resize.SHORT_SIDE, side, crop_px or (side, side)


def _is_cropped_by_share(data: Mapping[str, Any]) -> bool:
    names = (data.get("image_processor_type"), data.get("feature_extractor_type"))
    return "crop_pct" in data or any(str(name).startswith("ConvNext") for name in names)


def _sides(size: object) -> Mapping[str, Any]:
    """Name the sides of a size; older files have one number, a square but where it is cropped."""
    if isinstance(size, list):
        height, width = read_list(size, "size", count=2)
        return {"height": height, "width": width}
    return size if isinstance(size, dict) else {"shortest_edge": size}


def _read_crop(data: Mapping[str, Any]) -> tuple[int, int] | None:
    if not data.get("do_center_crop", False):
        return None
    crop = data.get("crop_size", DEFAULT_PX)
    if isinstance(crop, dict):
        return read_pixels(crop.get("height"), "crop_size.height"), read_pixels(
            crop.get("width"), "crop_size.width"
        )
    side = read_pixels(crop, "crop_size")
    return side, side
