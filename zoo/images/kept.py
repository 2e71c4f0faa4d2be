"""Decoded pictures held in memory, within a bound."""

from collections.abc import Callable
from dataclasses import dataclass, field

from zoo.images.prepare import Pixels


@dataclass(slots=True, kw_only=True)
class KeptPictures:
    """Reads pictures by name, and keeps as many of them as fit."""

    read: Callable[[str], Pixels]
    most_bytes: int
    held: dict[str, Pixels] = field(default_factory=dict)
    size_bytes: int = 0

    def get(self, name: str) -> Pixels:
        """Give a picture; one that does not fit any more is read each time."""
        if name in self.held:
            return self.held[name]
        picture = self.read(name)
        if self.size_bytes + picture.nbytes <= self.most_bytes:
            self.held[name] = picture
            self.size_bytes += picture.nbytes
        return picture
