"""How pictures are fed to a Caffe network, which no deploy.prototxt tells.

What is known wins in this order: the readme's ``preprocessing:``; the training description and the
mean image of the package; what networks of this shape were trained with, which is then called
assumed. No path written in a prototxt is ever opened.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.domain.preprocessing import Channels, Preprocessing, Resize
from zoo.errors import (
    IncompletePackage,
    MalformedCard,
    MalformedPrototxt,
    Unsupported,
    WeightsMismatch,
)
from zoo.formats.caffe.caffemodel import read_mean
from zoo.formats.caffe.families import prepare_as_family
from zoo.formats.caffe.net import Net
from zoo.formats.caffe.package import Package
from zoo.formats.caffe.reading import read_text
from zoo.formats.caffe.training import Transformation, find_transformation
from zoo.formats.statement import MEAN_TENSOR, read_given, read_statement

Floats = NDArray[np.float32]

COLOURS = (1, 3)  # channels of a picture
COMPLETE = {"resize", "resize_px", "channels", "scale"}  # a statement that leaves nothing to assume
MEANS = {"mean", "mean_tensor"}


def find_preprocessing(
    package: Package, net: Net, *, given: Mapping[str, Any] | None = None
) -> tuple[Preprocessing, Floats | None]:
    """Tell how pictures become the network's input, and give the mean image if there is one.

    The image is float32, channels x height x width, cropped to the input and in the units of
    ``Preprocessing.mean``; it belongs beside the weights as the tensor ``mean_tensor`` names.

    ``given`` are fields stated at the import, which win over all others.

    Raises:
        Invalid: a field that was given cannot be.
        Unsupported: the network does not read one picture of 1 or 3 channels.
        MalformedCard: the readme's statement cannot be.
        IncompletePackage: the readme wants a mean image, and none is there.
        WeightsMismatch: the mean image has other channels than the network.
    """
    channels, *sides = _picture_shape(net)
    wished = read_given(given or {}, channels=channels)
    # A mean that was given replaces the image that the readme may want.
    without = {"mean_tensor": None} if "mean" in wished else {}
    stated = _read_stated(package, channels) | without | wished
    trained = _read_trained(package)
    chosen = _assume(
        channels, *stated.get("crop_px", sides), name=net.name, order=stated.get("channels")
    )
    if trained and package.train_val:
        chosen = _as_trained(chosen, trained, name=package.train_val.name)
    chosen = _as_stated(chosen, stated)
    image = _find_image(package, stated, trained, channels)
    has_image = image is not None
    if image is not None:
        chosen, image = _with_image(chosen, image, is_size_stated="resize_px" in stated)
    _check_crop(package, chosen)
    source = stated.get("source") or _source(package, chosen, stated, trained, has_image=has_image)
    if wished:
        source = f"given at the import ({', '.join(wished)}); {source}"
    return replace(chosen, source=source.rstrip("; ")), image


def _picture_shape(net: Net) -> tuple[int, ...]:
    """Give channels, height and width of the one picture the network reads."""
    shapes = [given.shape for given in net.inputs]
    if len(shapes) != 1 or len(shapes[0]) != len("NCHW") or shapes[0][1] not in COLOURS:
        raise Unsupported(
            f"The network reads blobs of the shapes {shapes}, not one picture.",
            hint="Networks for pictures have one input: number x 1 or 3 channels x height x width.",
            shapes=shapes,
        )
    return shapes[0][1:]


def _read_stated(package: Package, channels: int) -> dict[str, Any]:
    if package.readme is None or "preprocessing" not in package.front_matter:
        return {}
    content = package.front_matter["preprocessing"]
    return read_statement(content, name=package.readme.name, channels=channels)


def _read_trained(package: Package) -> Transformation | None:
    given = package.train_val
    return (
        find_transformation(read_text(given.path, name=given.name), name=given.name)
        if given
        else None
    )


def _assume(
    channels: int, height: int, width: int, *, name: str, order: Channels | None
) -> Preprocessing:
    """Take the family's numbers; its mean belongs to colours, so it follows their order."""
    chosen = prepare_as_family(channels, height, width, name=name)
    if order in {None, chosen.channels}:
        return chosen
    return replace(chosen, channels=order, mean=chosen.mean[::-1], std=chosen.std[::-1])


def _as_trained(chosen: Preprocessing, trained: Transformation, *, name: str) -> Preprocessing:
    """Take over what the data layer did: ``(x - m) * s`` is ``x * s - m * s``."""
    count = len(chosen.mean)
    raw = tuple(value / chosen.scale for value in chosen.mean)
    if trained.mean_values:
        if len(trained.mean_values) not in {1, count}:
            raise MalformedPrototxt(
                f"{name}: it has {len(trained.mean_values)} mean_value for {count} channels.",
                file=name,
            )
        raw = (trained.mean_values * count)[:count]
    elif not trained.has_mean_file:
        raw = (0.0,) * count
    mean = tuple(value * trained.scale for value in raw)
    # A data layer has no divisor; the family's belongs to its own way of training.
    chosen = replace(chosen, scale=trained.scale, mean=mean, std=(1.0,) * count)
    if trained.squash_px and trained.squash_px >= max(chosen.crop_px):
        chosen = replace(chosen, resize=Resize.SQUASH, resize_px=trained.squash_px)
    return chosen


def _as_stated(chosen: Preprocessing, stated: dict[str, Any]) -> Preprocessing:
    """Let the readme win; a mean that it does not state follows the scale that it does."""
    factor = stated.get("scale", chosen.scale) / chosen.scale
    mean = tuple(value * factor for value in chosen.mean)
    return replace(chosen, **{"mean": mean, **stated})


def _find_image(
    package: Package, stated: dict[str, Any], trained: Transformation | None, channels: int
) -> Floats | None:
    """Read the mean image, unless numbers for the mean are stated in its place."""
    is_wanted = stated.get("mean_tensor") is not None
    has_numbers = stated.keys() & MEANS or (trained and trained.mean_values)
    if package.mean is None:
        if is_wanted:
            raise IncompletePackage(
                "The readme wants a mean image, and the package has no mean.binaryproto.",
                hint="Put the mean image beside the weights, or state `mean:` as numbers.",
            )
        return None
    if has_numbers and not is_wanted:
        return None
    image = read_mean(package.mean.path, name=package.mean.name)
    if len(image) != channels:
        raise WeightsMismatch(
            f"{package.mean.name} has {len(image)} channels, the network reads {channels}.",
            hint="Use the mean image of the pictures this network was trained on.",
            file=package.mean.name,
        )
    return image


def _with_image(
    chosen: Preprocessing, image: Floats, *, is_size_stated: bool
) -> tuple[Preprocessing, Floats | None]:
    """Crop the image as Caffe does at prediction: the centre, rounded down, never resized.

    An image smaller than the crop is reduced to its mean per channel.
    """
    height, width = chosen.crop_px
    spare_rows, spare_columns = image.shape[1] - height, image.shape[2] - width
    is_cropped = spare_rows >= 0 and spare_columns >= 0
    scaled = np.asarray(image * np.float32(chosen.scale), dtype=np.float32)
    if is_cropped:
        top, left = spare_rows // 2, spare_columns // 2
        scaled = np.ascontiguousarray(scaled[:, top : top + height, left : left + width])
    mean = tuple(float(value) for value in scaled.mean(axis=(1, 2), dtype=np.float64))
    chosen = replace(chosen, mean=mean, mean_tensor=MEAN_TENSOR if is_cropped else None)
    if is_cropped and not is_size_stated:
        chosen = replace(chosen, resize_px=max(chosen.resize_px, *image.shape[1:]))
    return chosen, scaled if is_cropped else None


def _check_crop(package: Package, chosen: Preprocessing) -> None:
    if max(chosen.crop_px) > chosen.resize_px:
        name = package.readme.name if package.readme else "the package"
        raise MalformedCard(
            f"{name}: preprocessing crops {chosen.crop_px} from pictures of {chosen.resize_px}"
            " pixels.",
            hint="Make resize_px at least as large as the crop.",
        )


def _source(
    package: Package,
    chosen: Preprocessing,
    stated: dict[str, Any],
    trained: Transformation | None,
    *,
    has_image: bool,
) -> str:
    """Say where the numbers come from, and which of them are only assumed."""
    parts = []
    if "preprocessing" in package.front_matter and package.readme:
        parts.append(f"{package.readme.name} ({', '.join(package.front_matter['preprocessing'])})")
    if trained and package.train_val:
        lost = trained.has_mean_file and not package.mean
        parts.append(package.train_val.name + (", whose mean image is not here" if lost else ""))
    if has_image and package.mean:
        averaged = "" if chosen.mean_tensor else ", smaller than the crop, by its mean per channel"
        parts.append(package.mean.name + averaged)
    if not (stated.keys() >= COMPLETE and stated.keys() & MEANS):
        parts.append(chosen.source)
    return "; ".join(parts)
