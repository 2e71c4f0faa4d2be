"""How pages write values down: numbers, bytes, times, and texts that may hold anything."""

import re
from datetime import datetime
from typing import Any

from flask import Flask
from markupsafe import Markup

STEP = 1000  # of units of bytes and of numbers
UNITS = ("B", "kB", "MB", "GB", "TB")
SHORT = ("", " K", " M", " G", " T")
# What a text could do to the page around it: controls, and turns of the direction of writing.
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


def install(app: Flask) -> None:
    """Have templates write values down so, and show characters that could not be seen."""
    app.jinja_env.finalize = show_unseen
    app.jinja_env.filters |= {
        "bytes": tell_bytes,
        "count": tell_count,
        "short": tell_short,
        "number": tell_number,
        "percent": tell_percent,
        "time": tell_time,
        "shape": tell_shape,
    }


def show_unseen(value: Any) -> Any:  # noqa: ANN401  # whatever a template writes
    """Write characters that could not be seen as their numbers; what is markup stays."""
    if isinstance(value, str) and not isinstance(value, Markup) and UNSEEN.search(value):
        return UNSEEN.sub(_number_of, value)
    return "" if value is None else value


def _number_of(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"  # noqa: PLR2004  # two digits


def tell_bytes(size: float) -> str:
    """Write a number of bytes: ``4.95 MB``."""
    return _scaled(size, UNITS, " ")


def tell_short(number: float) -> str:
    """Write a large number shortly: ``1.25 M``."""
    return _scaled(number, SHORT, "")


def _scaled(number: float, units: tuple[str, ...], space: str) -> str:
    step = 0
    while number >= STEP and step < len(units) - 1:
        number, step = number / STEP, step + 1
    digits = f"{number:.3g}" if number < STEP else f"{number:,.0f}"
    return f"{digits}{space}{units[step]}"


def tell_count(number: object) -> str:
    """Write a whole number with its thousands apart; anything else as it is."""
    return f"{number:,}" if isinstance(number, int) else str(number)


def tell_number(number: object, digits: int = 3) -> str:
    """Write a measured number; a dash where there is none."""
    if isinstance(number, bool) or not isinstance(number, int | float):
        return "\N{EN DASH}"
    return f"{number:.{digits}g}".replace("-", "\N{MINUS SIGN}")


def tell_percent(share: object, digits: int = 1) -> str:
    """Write a share as percent; a dash where there is none."""
    if isinstance(share, bool) or not isinstance(share, int | float):
        return "\N{EN DASH}"
    return f"{100 * share:.{digits}f}\N{NARROW NO-BREAK SPACE}%"


def tell_time(at: datetime | None) -> Markup:
    """Write a time, in UTC, to the minute."""
    if at is None:
        return Markup("\N{EN DASH}")
    return Markup('<time datetime="{}">{}</time>').format(
        at.isoformat(), at.strftime("%Y-%m-%d %H:%M")
    )


def tell_shape(shape: tuple[int, ...] | list[int] | None) -> str:
    """Write the sides of a tensor: ``64 x 3 x 7 x 7`` with signs of multiplication."""
    if shape is None:
        return "\N{EN DASH}"
    return " \N{MULTIPLICATION SIGN} ".join(map(str, shape)) or "1"
