"""Values out of JSON that anybody may have written: of the right kind and range, or refused."""

import math
from typing import Any

MOST_CLASSES = 10**6
TOLD = 60  # letters of a value that an error shows


def read_object(value: object, name: str) -> dict[str, Any]:
    """Read an object.

    Raises:
        ValueError: it is something else; this and the others name the field and the reason.
    """
    if not isinstance(value, dict):
        raise _refusal(value, name, "an object")
    return value


def read_list(value: object, name: str, *, count: int | None = None) -> list[Any]:
    """Read a list, of so many entries where that is given."""
    if not isinstance(value, list) or count not in {None, len(value)}:
        raise _refusal(value, name, "a list" if count is None else f"a list of {count}")
    return value


def read_text(value: object, name: str) -> str:
    """Read a text."""
    if not isinstance(value, str):
        raise _refusal(value, name, "a text")
    return value


def read_whole(value: object, name: str, *, most: int) -> int:
    """Read a whole number from 1 to ``most``."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise _refusal(value, name, f"a whole number from 1 to {most}")
    return value


def read_number(value: object, name: str) -> float:
    """Read a finite number."""
    try:
        number = float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:
        number = math.inf
    if isinstance(value, bool) or not math.isfinite(number):
        raise _refusal(value, name, "a finite number")
    return number


def read_numbers(value: object, name: str, *, count: int) -> tuple[float, ...]:
    """Read ``count`` finite numbers."""
    return tuple(read_number(one, name) for one in read_list(value, name, count=count))


def read_labels(value: object, name: str) -> tuple[str, ...]:
    """Read the names of classes; two may be called alike."""
    labels = read_list(value, name)
    read_whole(len(labels), f"the number of {name}", most=MOST_CLASSES)
    return tuple(read_text(label, f"{name}[{index}]") for index, label in enumerate(labels))


def _refusal(value: object, name: str, wanted: str) -> ValueError:
    return ValueError(f"{name} should be {wanted}, not {_told(value)}")


def _told(value: object) -> str:
    """Show a value without writing all of a long one out."""
    if isinstance(value, list | dict):
        return f"{'a list' if isinstance(value, list) else 'an object'} of {len(value)}"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**TOLD:
        return "a number that is far larger"
    return repr(value)[:TOLD]
