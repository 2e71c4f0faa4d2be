"""Paths that users give."""

from pathlib import Path


def is_there(path: Path) -> bool:
    """Tell whether there is a file or folder; no for a path that the system does not even take."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
