"""Reading the options of a scheme out of a text: numbers in their range, words of a list."""

import math
from collections.abc import Callable

Option = float | int | str
Reader = Callable[[str], Option]

LARGEST = 1e6  # of any option; a filter's numbers lie far below
MOST_COUNT = 10**6


def number(text: str) -> float:
    """Read a finite number.

    Raises:
        ValueError: it is none; the message says what it should be. So do the others.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not abs(value) <= LARGEST:
        raise ValueError(f"it should be a number from {-LARGEST:g} to {LARGEST:g}")
    return value


def not_negative(text: str) -> float:
    """Read a number that is 0 or more."""
    value = number(text)
    if value < 0:
        raise ValueError("it should be 0 or more")
    return value


def count_from(least: int) -> Reader:
    """Give the reader of whole numbers that are at least ``least``."""

    def read(text: str) -> int:
        is_whole = text.removeprefix("-").isdecimal() and text.isascii()
        if not is_whole or not least <= int(text) <= MOST_COUNT:
            raise ValueError(f"it should be a whole number from {least} to {MOST_COUNT}")
        return int(text)

    return read


def one_of(*words: str) -> Reader:
    """Give the reader of these words."""

    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"it should be {', '.join(words[:-1])} or {words[-1]}")
        return text

    return read
