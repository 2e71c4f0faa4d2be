"""What is done to a network after it is built, as values that a recipe writes down."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from zoo.domain.reading import MOST_CLASSES, read_list, read_object, read_text, read_whole
from zoo.errors import Unsupported

LONGEST_SIDE = 2**16  # pixels of a picture, or of what is put around it
MOST_CHANNELS = 2**16


class Pads(StrEnum):
    """What a dense network gives where its windows reach beyond the picture."""

    KEEP = "keep"  # cells there see the zeros that the layers pad with, as the original does
    REMOVE = "remove"  # no such cells: each one is the network, without padding, on its window


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceHead:
    """Put a new classifier on the codes of the one ``at`` this layer, and drop all after it."""

    at: str  # layer name of the old head
    classes: int
    also: tuple[str, ...] = ()  # further heads, of a network with several outputs, replaced too
    kind: str = "replace_head"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachHead:
    """Put a new classifier on the averages of some layers side by side, and drop all else."""

    taps: tuple[str, ...]  # layer names, or "codes": what the old classifier reads
    shape: tuple[int, int, int]  # channels, height, width of the pictures
    classes: int
    kind: str = "attach_head"


@dataclass(frozen=True, slots=True, kw_only=True)
class Convolutionalize:
    """Turn fully connected layers into convolutions, so that pictures of any size are read."""

    shape: tuple[int, int, int]  # channels, height, width of the pictures it classified
    pads: Pads = Pads.KEEP
    border_px: int = 0  # zeros put around what the network reads, as FCN does
    kind: str = "convolutionalize"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Return what the layer ``at`` computes, and drop all that comes after it."""

    at: str
    kind: str = "cut"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldBatchNorm:
    """Fold each batch normalisation into the weighted layer it follows."""

    kind: str = "fold_batch_norm"


Surgery = ReplaceHead | AttachHead | Convolutionalize | Cut | FoldBatchNorm


def surgery_as_json(surgery: Surgery) -> dict[str, Any]:
    """Write a surgery down with plain JSON types."""
    written = asdict(surgery)
    return {
        key: list(value) if isinstance(value, tuple) else value for key, value in written.items()
    }


def read_surgery(value: object, name: str = "surgery") -> Surgery:
    """Read what ``surgery_as_json`` wrote.

    Raises:
        ValueError: a value is of another kind, or out of range.
        KeyError, TypeError: a key is missing, or unknown.
        Unsupported: it is a surgery that this version does not know.
    """
    data = dict(read_object(value, name))
    kind = read_text(data.pop("kind"), f"{name}.kind")
    if kind not in READERS:
        raise Unsupported(
            f"This version of the zoo knows no surgery {kind!r}, only {', '.join(READERS)}.",
            hint="The model was made by a newer zoo; update this one.",
            kind=kind,
            known=list(READERS),
        )
    make, fields = READERS[kind]
    unknown = sorted(set(data) - set(fields))
    if unknown:
        raise TypeError(f"{name} has no field {unknown[0]!r}")
    read = {key: fields[key](given, f"{name}.{key}") for key, given in data.items()}
    try:
        made: Surgery = make(**read)
    except TypeError as error:
        raise KeyError(f"{name} of the kind {kind!r} lacks a field") from error
    return made


def _read_classes(value: object, name: str) -> int:
    return read_whole(value, name, most=MOST_CLASSES)


def _read_names(value: object, name: str) -> tuple[str, ...]:
    return tuple(read_text(one, name) for one in read_list(value, name))


def _read_taps(value: object, name: str) -> tuple[str, ...]:
    taps = _read_names(value, name)
    if not taps:
        raise ValueError(f"{name} names no layer")
    return taps


def _read_shape(value: object, name: str) -> tuple[int, int, int]:
    channels, height, width = read_list(value, name, count=3)
    return (
        read_whole(channels, f"{name}[0]", most=MOST_CHANNELS),
        read_whole(height, f"{name}[1]", most=LONGEST_SIDE),
        read_whole(width, f"{name}[2]", most=LONGEST_SIDE),
    )


def _read_border(value: object, name: str) -> int:
    return 0 if value == 0 else read_whole(value, name, most=LONGEST_SIDE)


def _read_pads(value: object, name: str) -> Pads:
    return Pads(read_text(value, name))


# What makes each kind, and how its fields are read.
READERS: Mapping[str, tuple[Any, Mapping[str, Any]]] = {
    "replace_head": (
        ReplaceHead,
        {"at": read_text, "classes": _read_classes, "also": _read_names},
    ),
    "attach_head": (
        AttachHead,
        {"taps": _read_taps, "shape": _read_shape, "classes": _read_classes},
    ),
    "convolutionalize": (
        Convolutionalize,
        {"shape": _read_shape, "pads": _read_pads, "border_px": _read_border},
    ),
    "cut": (Cut, {"at": read_text}),
    "fold_batch_norm": (FoldBatchNorm, {}),
}
