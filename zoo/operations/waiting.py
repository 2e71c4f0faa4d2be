"""Bytes of uploads that are not finished: they wait in the cache, and take room there too."""

from pathlib import Path

from zoo.domain.revision import Blob
from zoo.operations.opening import Zoo
from zoo.operations.quotas import check_room

PARTS, PIECES, XORBS = "parts", "uploads", "xet"  # by their way in


def waiting_folder(zoo: Zoo, way: str) -> Path:
    """Tell where what the caller has not finished waits."""
    return zoo.settings.home / "cache" / way / zoo.caller.account


def check_waiting(zoo: Zoo, model: str) -> None:
    """Refuse to begin with more where what waits already is all the room that is left.

    Raises:
        QuotaExceeded: the owner of the model may not have so much.
    """
    waiting = sum(
        _size(path)
        for way in (PARTS, PIECES, XORBS)
        for path in waiting_folder(zoo, way).rglob("*")
    )
    if waiting:
        check_room(zoo, model, [Blob(digest="unfinished", size_bytes=waiting)])


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except FileNotFoundError:
        return 0  # It has just been finished.
