"""timm's config.json."""

from collections.abc import Mapping
from typing import Any

from zoo.domain.preprocessing import Channels, Interpolation, Preprocessing, Resize
from zoo.domain.reading import (
    MOST_CLASSES,
    read_labels,
    read_list,
    read_number,
    read_object,
    read_text,
    read_whole,
)
from zoo.domain.recipe import Source
from zoo.formats.hub.settings import (
    IMAGENET_MEAN,
    INTERPOLATIONS,
    MOST_CHANNELS,
    HubConfig,
    read_pixels,
    read_spread,
    read_statistic,
    shrink,
)

DEFAULT_SHARE = 0.875  # of the resized side, what timm crops where nothing is said
RESIZES = {"center": Resize.SHORT_SIDE, "squash": Resize.SQUASH}


def read_timm_config(data: Mapping[str, Any]) -> HubConfig:
    """Read what timm's config.json says: architecture, classes, arguments, preprocessing, labels.

    Raises:
        ValueError: a value is of another kind, or out of range.
    """
    told = read_object(data.get("pretrained_cfg", {}), "pretrained_cfg")
    architecture = read_text(data.get("architecture"), "architecture")
    arguments = dict(read_object(data.get("model_args", {}), "model_args"))
    classes = data.get("num_classes", told.get("num_classes"))
    if classes is not None:
        arguments["num_classes"] = read_whole(classes, "num_classes", most=MOST_CLASSES)
    notes: list[str] = []
    pictures = _read_pictures(told, arguments, notes) if told else None
    if pictures and pictures.channels is Channels.GRAY:
        arguments.setdefault("in_chans", 1)
    return HubConfig(
        architecture=architecture,
        source=Source(kind="timm", architecture=architecture, arguments=arguments),
        labels=_read_labels(data, told),
        preprocessing=pictures,
        notes=tuple(notes),
    )


def _read_pictures(
    told: Mapping[str, Any], arguments: Mapping[str, Any], notes: list[str]
) -> Preprocessing:
    size = read_list(told.get("input_size", [3, 224, 224]), "input_size", count=3)
    channels = read_whole(arguments.get("in_chans", size[0]), "channels", most=MOST_CHANNELS)
    order = Channels.GRAY if channels == 1 else Channels.RGB
    height, width = (read_pixels(side, "input_size") for side in size[1:])
    share = read_number(told.get("crop_pct", DEFAULT_SHARE), "crop_pct")
    mode = read_text(told.get("crop_mode") or "center", "crop_mode")
    if mode not in RESIZES:
        notes.append(f"Pictures were cropped as {mode!r}; they are cropped from the middle here.")
    return Preprocessing(
        resize=RESIZES.get(mode, Resize.SHORT_SIDE),
        resize_px=shrink(min(height, width), share, "crop_pct"),
        crop_px=(height, width),
        interpolation=_read_interpolation(told, notes),
        channels=order,
        mean=read_statistic(told, "mean", IMAGENET_MEAN, order),
        std=read_spread(told, "std", order),
        source="config.json of timm",
    )


def _read_interpolation(told: Mapping[str, Any], notes: list[str]) -> Interpolation:
    name = read_text(told.get("interpolation") or "bicubic", "interpolation")
    if name not in INTERPOLATIONS:
        notes.append(f"Pictures were resized by {name!r}; they are resized bicubically here.")
    return INTERPOLATIONS.get(name, Interpolation.BICUBIC)


def _read_labels(data: Mapping[str, Any], told: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Give the names of the classes, described where the names are codes."""
    names = data.get("label_names", told.get("label_names"))
    if not names:
        return None
    described = data.get("label_descriptions", told.get("label_descriptions")) or {}
    descriptions = read_object(described, "label_descriptions")
    return tuple(
        read_text(descriptions.get(name, name), "label_descriptions")
        for name in read_labels(names, "label_names")
    )
