"""The ``preprocessing:`` of a readme's front matter, our addition to the Model Zoo's keys."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from zoo.domain.preprocessing import Channels, Interpolation, Resize
from zoo.errors import Invalid, MalformedCard

LARGEST_SIDE = 2**13  # pixels
MEAN_TENSOR = "preprocessing.mean"


def read_statement(content: object, *, name: str, channels: int) -> dict[str, Any]:
    """Read the fields of a Preprocessing that the front matter states; ``name`` is the file's.

    Numbers per channel may be one number for all. ``channels`` is how many the network reads.

    Raises:
        MalformedCard: a field is unknown, or its value cannot be; says which.
    """
    if not isinstance(content, Mapping):
        raise _refuse(name, "preprocessing should be a mapping of fields")
    stated: dict[str, Any] = {}
    for key, value in content.items():
        if key not in FIELDS:
            raise _refuse(name, f"preprocessing has no field {key!r}; it has {', '.join(FIELDS)}")
        try:
            stated[key] = FIELDS[key](value, channels)
        except ValueError as error:
            raise _refuse(name, f"preprocessing.{key} is {value!r}; {error}") from error
    return stated


def as_given(fields: Mapping[str, Any], *, channels: int) -> dict[str, Any]:
    """Check fields that were given beside the files, and give what to replace of a Preprocessing.

    Raises:
        Invalid: a field is unknown, or its value cannot be.
    """
    stated = read_given(fields, channels=channels)
    mean = {"mean_tensor": None} if "mean" in stated else {}
    return {**stated, **mean, "source": "given at the import"}


def read_given(fields: Mapping[str, Any], *, channels: int) -> dict[str, Any]:
    """Check fields that were given beside the files.

    Raises:
        Invalid: a field is unknown, or its value cannot be.
    """
    try:
        return read_statement(fields, name="options", channels=channels)
    except MalformedCard as error:
        raise Invalid(str(error), hint="See: zoo import --help", fields=dict(fields)) from error


def _resize(value: object, _channels: int) -> Resize:
    if value not in list(Resize):
        raise ValueError("it should be " + " or ".join(Resize))
    return Resize(str(value))


def _interpolation(value: object, _channels: int) -> Interpolation:
    if value not in list(Interpolation):
        raise ValueError("it should be " + " or ".join(Interpolation))
    return Interpolation(str(value))


def _pixels(value: object, _channels: int = 0) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= LARGEST_SIDE:
        raise ValueError(f"it should be a whole number from 1 to {LARGEST_SIDE}")
    return value


def _crop(value: object, _channels: int) -> tuple[int, int]:
    sides = value if isinstance(value, list) else [value, value]
    if len(sides) != len(("height", "width")):
        raise ValueError("it should be a height and a width")
    return _pixels(sides[0]), _pixels(sides[1])


def _order(value: object, channels: int) -> Channels:
    fitting = [order for order in Channels if (order is Channels.GRAY) == (channels == 1)]
    if value not in fitting:
        raise ValueError(f"a network of {channels} channels takes {' or '.join(fitting)}")
    return Channels(str(value))


def _number(value: object, _channels: int = 0) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("it should be a number")
    return float(value)


def _divisor(value: object, _channels: int = 0) -> float:
    number = _number(value)
    if number <= 0:
        raise ValueError("it should be above 0")
    return number


def _per_channel(value: object, channels: int) -> tuple[float, ...]:
    values = value if isinstance(value, list) else [value] * channels
    if len(values) != channels:
        raise ValueError(f"it should be {channels} numbers, one a channel")
    return tuple(map(_number, values))


def _divisors(value: object, channels: int) -> tuple[float, ...]:
    return tuple(map(_divisor, _per_channel(value, channels)))


def _mean_tensor(value: object, _channels: int) -> str | None:
    if value is not None and value != MEAN_TENSOR:
        raise ValueError(f"it should be {MEAN_TENSOR}, for the mean image, or null")
    return MEAN_TENSOR if value else None


def _source(value: object, _channels: int) -> str:
    return str(value)


FIELDS: dict[str, Callable[[object, int], object]] = {
    "resize": _resize,
    "resize_px": _pixels,
    "crop_px": _crop,
    "interpolation": _interpolation,
    "channels": _order,
    "scale": _divisor,
    "mean": _per_channel,
    "std": _divisors,
    "mean_tensor": _mean_tensor,
    "source": _source,
}


def _refuse(name: str, reason: str) -> MalformedCard:
    return MalformedCard(
        f"{name}: {reason}.", hint="Mend this field in the readme's front matter.", file=name
    )
