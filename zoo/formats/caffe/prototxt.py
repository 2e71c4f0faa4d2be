"""Reading protobuf's text format, in time linear in its length, into a tree.

Source: the "Text Format Language Specification" of the Protocol Buffers documentation, with what
published files do beside it: separators, lists, adjacent strings, braces without a colon.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from zoo.errors import MalformedPrototxt
from zoo.formats.caffe.tree import Message, Word, refuse

DEEPEST = 32  # messages in messages; Caffe's own nest five deep

MOST_VALUES = 2**16  # fields and what stands in lists; the largest published file has some 25,000

# Possessive, as the matcher would keep a stack of all places it could go back to.
TOKEN = re.compile(
    r"""
      (?P<space>(?:\s++|\#[^\n]*+)++)
    | (?P<string>"(?:[^"\\\n]++|\\[^\n])*+"|'(?:[^'\\\n]++|\\[^\n])*+')
    | (?P<word>[^\s\#{}<>\[\]:,;"']+)
    | (?P<mark>[{}<>\[\]:,;])
    """,
    re.VERBOSE,
)
NAME = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")
ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|(.))")
PLAIN_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
CLOSING = {"{": "}", "<": ">"}


def parse_prototxt(text: str, *, name: str) -> Message:
    """Read text format into a tree; ``name`` is the file's name, for errors.

    Raises:
        MalformedPrototxt: the text does not follow the format; says at which line.
    """
    tokens = _Tokens(_tokenize(text, name), name)
    root = Message(name, 1)
    _read_fields(tokens, root, end="", depth=0)
    return root


class _Token(NamedTuple):
    kind: str  # "string", "word", "mark", or "" at the end
    text: str
    line: int


class _Tokens:
    """A line of tokens of which the next can be looked at before it is taken."""

    def __init__(self, tokens: Iterable[_Token], name: str) -> None:
        self.name = name
        self.left = MOST_VALUES
        self._tokens = iter(tokens)
        self.next = next(self._tokens)

    def take(self) -> _Token:
        taken = self.next
        self.next = next(self._tokens, taken)
        return taken

    def take_if(self, *marks: str) -> bool:
        is_there = self.next.kind == "mark" and self.next.text in marks
        if is_there:
            self.take()
        return is_there

    def spend(self) -> None:
        """Count a value, of which no network has as many as there are allowed."""
        self.left -= 1
        if self.left < 0:
            raise self.refuse(f"there are more than {MOST_VALUES} values")

    def refuse(self, reason: str) -> MalformedPrototxt:
        found = repr(self.next.text) if self.next.kind else "the end of the file"
        return refuse(self.name, self.next.line, f"{reason}, found {found}")


def _tokenize(text: str, name: str) -> Iterator[_Token]:
    position, line = 0, 1
    while match := TOKEN.match(text, position):
        kind, found = str(match.lastgroup), match[0]
        if kind == "space":
            line += found.count("\n")
        else:
            yield _Token(kind, found, line)
        position = match.end()
    if position < len(text):
        raise refuse(name, line, "a string does not end on its line")
    yield _Token("", "", line)


def _read_fields(tokens: _Tokens, message: Message, *, end: str, depth: int) -> None:
    if depth > DEEPEST:
        raise tokens.refuse(f"messages are nested more than {DEEPEST} deep")
    while tokens.next.kind and not (tokens.next.kind == "mark" and tokens.next.text == end):
        _read_field(tokens, message, depth)
        tokens.take_if(",", ";")
    if end and not tokens.take_if(end):
        raise tokens.refuse(f"expected {end!r} to close the message of line {message.line}")


def _read_field(tokens: _Tokens, message: Message, depth: int) -> None:
    if tokens.next.kind != "word" or not NAME.fullmatch(tokens.next.text):
        raise tokens.refuse("expected the name of a field")
    key = tokens.take().text
    has_colon = tokens.take_if(":")
    if tokens.take_if("["):
        while not tokens.take_if("]"):
            message.fields.append((key, _read_value(tokens, message.name, key, depth)))
            if not tokens.take_if(",") and tokens.next.text != "]":
                raise tokens.refuse("expected ',' or ']' in a list")
        return
    if not has_colon and tokens.next.text not in CLOSING:
        raise tokens.refuse(f"expected ':' or '{{' after {key!r}")
    message.fields.append((key, _read_value(tokens, message.name, key, depth)))


def _read_value(tokens: _Tokens, file: str, key: str, depth: int) -> Word | Message:
    tokens.spend()
    token = tokens.next
    if token.kind == "mark" and token.text in CLOSING:
        tokens.take()
        message = Message(file, token.line)
        _read_fields(tokens, message, end=CLOSING[token.text], depth=depth + 1)
        return message
    if token.kind == "word":
        return Word(tokens.take().text, token.line)
    if token.kind != "string":
        raise tokens.refuse(f"expected a value for {key!r}")
    parts = []
    while tokens.next.kind == "string":  # Adjacent strings are one, as in C.
        tokens.spend()
        parts.append(_unquote(tokens.take().text))
    return Word("".join(parts), token.line)


def _unquote(quoted: str) -> str:
    return ESCAPE.sub(_unescape, quoted[1:-1])


def _unescape(match: re.Match[str]) -> str:
    octal, hexadecimal, plain = match.groups()
    if plain is not None:
        return PLAIN_ESCAPES.get(plain, plain)
    return chr(int(octal, 8) if octal else int(hexadecimal, 16))
