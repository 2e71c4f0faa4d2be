"""Tensors that lie in other files: only in those that came along, and only where these have bytes.

A location is a name to be looked up, never a path to be opened.
Source: https://github.com/onnx/onnx/blob/main/docs/ExternalData.md
"""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from zoo.domain.revision import check_file_path
from zoo.errors import BadName, MalformedCheckpoint
from zoo.formats.mapped import map_file
from zoo.formats.wire import Message

MOST_DIGITS = 19  # of a place in a file


def beside(files: Mapping[str, Path], name: str) -> dict[str, Path]:
    """Give the files that a graph may keep tensors in, by their path from its own folder."""
    folder = PurePosixPath(name).parent
    return {
        PurePosixPath(path).relative_to(folder).as_posix(): local
        for path, local in files.items()
        if path != name and PurePosixPath(path).is_relative_to(folder)
    }


class ExternalFiles:
    """The files beside an ONNX file, by the name it may call them; each is mapped once."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self.files = files
        self.mapped: dict[str, memoryview] = {}

    @property
    def size_bytes(self) -> int:
        """Bytes of all files that were looked into."""
        return sum(len(octets) for octets in self.mapped.values())

    def find(
        self, message: Message, entries: Mapping[str, str], size_bytes: int
    ) -> tuple[memoryview, int]:
        """Give the file that a tensor's entries name, and where in it its ``size_bytes`` begin.

        Raises:
            MalformedCheckpoint: the location is no plain name of a file that came along, or the
                bytes do not lie within it.
        """
        location = entries.get("location", "")
        octets = self._open(message, location)
        start = _place(message, entries.get("offset", "0"), "offset")
        length = _place(message, entries.get("length", str(size_bytes)), "length")
        if length != size_bytes:
            raise message.refuse(
                message.start, f"a tensor of {size_bytes} bytes has {length} in {location!r}"
            )
        if start + length > len(octets):
            raise message.refuse(
                message.start,
                f"a tensor ends at byte {start + length} of {location!r}, which has {len(octets)}",
            )
        return octets, start

    def _open(self, message: Message, location: str) -> memoryview:
        if location not in self.mapped:
            self.mapped[location] = map_file(self._path(message, location), name=location)
        return self.mapped[location]

    def _path(self, message: Message, location: str) -> Path:
        try:
            check_file_path(location)
        except BadName as error:
            raise MalformedCheckpoint(
                f"{message.name} keeps numbers in {location[:80]!r}, which no file beside it can be"
                f" called: byte {message.start}.",
                hint="Write it as one file: onnx.save(onnx.load('model.onnx'), 'one.onnx')",
                file=message.name,
                offset=message.start,
            ) from error
        path = self.files.get(location)
        if path is None or path.is_symlink() or not path.is_file():
            raise MalformedCheckpoint(
                f"{message.name} keeps numbers in {location!r}, which did not come with it:"
                f" byte {message.start}.",
                hint=f"Import the folder that holds both {message.name} and {location}.",
                file=message.name,
                offset=message.start,
            )
        return path


def _place(message: Message, text: str, what: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS):
        raise message.refuse(message.start, f"a tensor's {what} is {text[:40]!r}, not a number")
    return int(text)
