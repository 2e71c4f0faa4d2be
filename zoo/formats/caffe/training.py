"""What a train_val.prototxt tells of the pictures a network was trained on."""

from dataclasses import dataclass

from zoo.formats.caffe.prototxt import parse_prototxt
from zoo.formats.caffe.states import is_kept
from zoo.formats.caffe.tree import Message
from zoo.formats.caffe.upgrade import upgrade

# Where the transformation stands: in its own message, or in V1's data layers themselves.
SECTIONS = ("transform_param", "data_param", "image_data_param")


@dataclass(frozen=True, slots=True, kw_only=True)
class Transformation:
    """Caffe's data layer: ``(x - mean) * scale`` on pixels 0..255."""

    scale: float = 1.0
    mean_values: tuple[float, ...] = ()
    has_mean_file: bool = False
    squash_px: int | None = None  # both sides, where the layer resizes to a square


def find_transformation(text: str, *, name: str) -> Transformation | None:
    """Read the data layer of the TEST phase, or of any; None where there is none.

    The files it names are never opened.

    Raises:
        MalformedPrototxt: the text cannot be read; ``name`` is the file's.
    """
    layers = upgrade(parse_prototxt(text, name=name)).messages("layer")
    sources = [layer for layer in layers if not layer.has("bottom") and _has_section(layer)]
    tested = [layer for layer in sources if is_kept(layer)]
    return next(map(_transformation, tested or sources), None)


def _has_section(layer: Message) -> bool:
    return any(layer.has(section) for section in SECTIONS)


def _transformation(layer: Message) -> Transformation:
    sections = [layer.message(section) for section in SECTIONS]
    resize = layer.message("image_data_param")
    height, width = resize.integer("new_height", 0), resize.integer("new_width", 0)
    scales = [section.number("scale", 1.0) for section in sections if section.has("scale")]
    if not min(scales, default=1.0) > 0:
        raise layer.refuse(f"scale is {min(scales)}; it must be above 0")
    return Transformation(
        scale=scales[0] if scales else 1.0,
        mean_values=tuple(sections[0].numbers("mean_value")),
        has_mean_file=any(section.has("mean_file") for section in sections),
        squash_px=height if height == width > 0 else None,
    )
