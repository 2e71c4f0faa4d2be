"""The tree of a text-format file, with getters that know types but no schema.

Forks of Caffe add fields that change results, and a schema's reader drops or refuses them. Here
every field is kept; the getters remember what was asked for, so what nobody asked for can be told.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from zoo.errors import MalformedPrototxt

INTEGER = re.compile(r"[+-]?(?:0[xX][0-9a-fA-F]{1,8}|0|[1-9][0-9]{0,9})")
FLOAT = re.compile(r"[+-]?(?:[0-9]{1,64}(?:\.[0-9]{0,64})?|\.[0-9]{1,64})(?:[eE][+-]?[0-9]{1,4})?")
FLAGS = {"true": True, "True": True, "t": True, "1": True} | {
    "false": False,
    "False": False,
    "f": False,
    "0": False,
}
INT32 = range(-(2**31), 2**31)

Default = TypeVar("Default")


@dataclass(frozen=True, slots=True)
class Word:
    """A value that is no message: a number, an enum's name, a bool or a string."""

    text: str
    line: int


@dataclass(slots=True)
class Message:
    """Fields as (name, value) in file order, and which names were asked for."""

    name: str  # of the file, for errors
    line: int
    fields: list[tuple[str, "Word | Message"]] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)

    def has(self, key: str) -> bool:
        """Tell whether the field is written down."""
        return any(name == key for name, _ in self.fields)

    def skip(self, *keys: str) -> None:
        """Count these fields as understood: they mean nothing for prediction."""
        self.asked.update(keys)

    def unasked(self) -> Iterator[str]:
        """List the fields, here and in messages that were looked into, that nobody asked for."""
        for key, value in self.fields:
            if key not in self.asked:
                yield key
            elif isinstance(value, Message) and value.asked:
                yield from (f"{key}.{inner}" for inner in value.unasked())

    def messages(self, key: str) -> list["Message"]:
        """Give every message of this name."""
        found = self._all(key)
        for value in found:
            if isinstance(value, Word):
                raise self.refuse(f"{key} should be a message in braces", line=value.line)
        return [value for value in found if isinstance(value, Message)]

    def message(self, key: str) -> "Message":
        """Give the one message of this name; an absent one is empty."""
        found = self.messages(key)
        self._check_single(key, found)
        return found[0] if found else Message(self.name, self.line)

    def words(self, key: str) -> list[Word]:
        """Give every value of this name that is no message."""
        found = self._all(key)
        for value in found:
            if isinstance(value, Message):
                raise self.refuse(f"{key} should not be a message", line=value.line)
        return [value for value in found if isinstance(value, Word)]

    def texts(self, key: str) -> list[str]:
        """Give every string of this name."""
        return [word.text for word in self.words(key)]

    def text(self, key: str, default: str = "") -> str:
        """Give the one string of this name."""
        word = self._single(key)
        return word.text if word else default

    def integers(self, key: str) -> list[int]:
        """Give every whole number of this name; each fits 32 bits."""
        return [self._integer(key, word) for word in self.words(key)]

    def integer(self, key: str, default: Default) -> int | Default:
        """Give the one whole number of this name."""
        word = self._single(key)
        return self._integer(key, word) if word else default

    def numbers(self, key: str) -> list[float]:
        """Give every number of this name; each is finite."""
        return [self._number(key, word) for word in self.words(key)]

    def number(self, key: str, default: Default) -> float | Default:
        """Give the one number of this name."""
        word = self._single(key)
        return self._number(key, word) if word else default

    def flag(self, key: str, *, default: bool) -> bool:
        """Give the one bool of this name, in any of protobuf's spellings."""
        word = self._single(key)
        if word is None:
            return default
        if word.text not in FLAGS:
            raise self.refuse(f"{key} is {word.text!r}, not true or false", line=word.line)
        return FLAGS[word.text]

    def choice(self, key: str, names: Mapping[int, str], default: str) -> str:
        """Give the one enum value of this name, written by name or number, as a name.

        A name that is not in ``names`` is given as it is: forks have their own.
        """
        return self.named(self._single(key), names, default)

    @staticmethod
    def named(word: Word | None, names: Mapping[int, str], default: str) -> str:
        """Spell an enum value by its name."""
        if word is None:
            return default
        is_number = INTEGER.fullmatch(word.text)
        return names.get(int(word.text, 0), word.text) if is_number else word.text

    def refuse(self, reason: str, *, line: int | None = None) -> MalformedPrototxt:
        """Make the error that names the file, the line and the reason."""
        return refuse(self.name, line or self.line, reason)

    def _all(self, key: str) -> list["Word | Message"]:
        self.asked.add(key)
        return [value for name, value in self.fields if name == key]

    def _single(self, key: str) -> Word | None:
        found = self.words(key)
        self._check_single(key, found)
        return found[0] if found else None

    def _check_single(self, key: str, found: list[Word] | list["Message"]) -> None:
        if len(found) > 1:
            raise self.refuse(f"{key} is given {len(found)} times", line=found[1].line)

    def _integer(self, key: str, word: Word) -> int:
        if not INTEGER.fullmatch(word.text) or int(word.text, 0) not in INT32:
            raise self.refuse(f"{key} is {word.text!r}, not a whole number", line=word.line)
        return int(word.text, 0)

    def _number(self, key: str, word: Word) -> float:
        digits = word.text.removesuffix("f").removesuffix("F")
        value = float(digits) if FLOAT.fullmatch(digits) else float("nan")
        if not abs(value) < float("inf"):
            raise self.refuse(f"{key} is {word.text!r}, not a finite number", line=word.line)
        return value


def refuse(name: str, line: int, reason: str) -> MalformedPrototxt:
    """Make the error that names the file, the line and the reason."""
    return MalformedPrototxt(f"{name}, line {line}: {reason}.", file=name, line=line)
