"""How a library prepares pictures for an architecture, and the classes of its own weights."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from zoo.domain.preprocessing import Channels, Interpolation, Preprocessing, Resize
from zoo.domain.recipe import Source
from zoo.networks.vision.architectures import check_name, list_architectures
from zoo.networks.vision.libraries import import_timm, import_torchvision

DEFAULT_PX = 224
IMAGENET = 1000
INTERPOLATIONS = {"bilinear": Interpolation.BILINEAR, "bicubic": Interpolation.BICUBIC}
RESIZES = {"center": Resize.SHORT_SIDE, "squash": Resize.SQUASH}


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What a library knows of an architecture beside how it is built."""

    preprocessing: Preprocessing
    input_px: tuple[int, int]  # height, width
    classes: int  # of the library's own weights
    labels: tuple[str, ...] | None  # of those classes, in order, where the library names them


def describe_architecture(
    kind: str, architecture: str, *, file: str = "", arguments: Mapping[str, Any] | None = None
) -> Described:
    """Tell how the library prepares pictures for an architecture, and its own classes.

    torchvision has several sets of weights for some, prepared for differently: ``file``, the name
    of the weights' file, picks the one it was published as, ``arguments["image_size"]`` the one of
    that size; else it is torchvision's default. timm's are told by a tag, ``resnet18.a1_in1k``.

    Raises:
        Unsupported: the library is not installed, or knows no such architecture.
    """
    list_architectures(kind)
    check_name(kind, architecture)
    return DESCRIBERS[kind](architecture, file, arguments or {})


def picture_shape(built: nn.Module, source: Source) -> tuple[int, int, int]:
    """Tell the shape of a picture the module surely takes."""
    if source.kind == "transformers":
        config: Any = built.model.config  # type: ignore[union-attr]  # the module made above
        side = getattr(config, "image_size", DEFAULT_PX)
        height, width = (side, side) if isinstance(side, int) else side
        return config.num_channels, height, width
    if source.kind == "timm":
        own = getattr(built, "pretrained_cfg", {}).get("input_size", (3, DEFAULT_PX, DEFAULT_PX))
        height, width = _input_px(source.arguments.get("img_size"), own)
        return source.arguments.get("in_chans", own[0]), height, width
    side = source.arguments.get("image_size", DEFAULT_PX)
    return 3, side, side


def _describe_torchvision(architecture: str, file: str, arguments: Mapping[str, Any]) -> Described:
    every = list(import_torchvision().get_model_weights(architecture))
    wanted_px = arguments.get("image_size")
    fitting = [
        *(one for one in every if file and Path(one.url).name == Path(file).name),
        *(one for one in every if wanted_px and one.transforms().crop_size == [wanted_px]),
        import_torchvision().get_model_weights(architecture).DEFAULT,
    ]
    chosen = fitting[0]
    told = chosen.transforms()
    (resize_px,), (crop_px,) = told.resize_size, told.crop_size
    if wanted_px and wanted_px != crop_px:
        resize_px = crop_px = wanted_px
    labels = tuple(chosen.meta["categories"])
    return Described(
        preprocessing=Preprocessing(
            resize_px=resize_px,
            crop_px=(crop_px, crop_px),
            interpolation=INTERPOLATIONS[told.interpolation.value],
            mean=tuple(told.mean),
            std=tuple(told.std),
            source=f"torchvision's {chosen}",
        ),
        input_px=(crop_px, crop_px),
        classes=len(labels),
        labels=labels,
    )


def _describe_timm(architecture: str, _file: str, arguments: Mapping[str, Any]) -> Described:
    told = import_timm().get_pretrained_cfg(architecture)
    height, width = _input_px(arguments.get("img_size"), told.input_size)
    is_gray = arguments.get("in_chans", told.input_size[0]) == 1
    interpolation = INTERPOLATIONS.get(told.interpolation)
    noted = "" if interpolation else f", its {told.interpolation} taken as bicubic"
    return Described(
        preprocessing=Preprocessing(
            resize=RESIZES.get(told.crop_mode, Resize.SHORT_SIDE),
            resize_px=int(min(height, width) / told.crop_pct),
            crop_px=(height, width),
            interpolation=interpolation or Interpolation.BICUBIC,
            channels=Channels.GRAY if is_gray else Channels.RGB,
            mean=_per_channel(told.mean, is_gray=is_gray),
            std=_per_channel(told.std, is_gray=is_gray),
            source=f"timm's settings of {architecture}{noted}",
        ),
        input_px=(height, width),
        classes=told.num_classes,
        labels=_imagenet_labels(told.num_classes),
    )


def _per_channel(values: tuple[float, ...], *, is_gray: bool) -> tuple[float, ...]:
    """Give the numbers of three channels, or their average for the one of gray pictures."""
    return (sum(values) / len(values),) if is_gray else tuple(values)


def _input_px(wanted: object, own: tuple[int, int, int]) -> tuple[int, int]:
    if isinstance(wanted, int):
        return wanted, wanted
    return (wanted[0], wanted[1]) if isinstance(wanted, list) else (own[1], own[2])


def _imagenet_labels(classes: int) -> tuple[str, ...] | None:
    """Give the names of ImageNet's 1000 classes as timm has them, where they are 1000."""
    if classes != IMAGENET:
        return None
    told = import_timm().data.ImageNetInfo("imagenet-1k")
    return tuple(told.index_to_description(index, detailed=False) for index in range(classes))


DESCRIBERS: Mapping[str, Callable[[str, str, Mapping[str, Any]], Described]] = {
    "torchvision": _describe_torchvision,
    "timm": _describe_timm,
}
