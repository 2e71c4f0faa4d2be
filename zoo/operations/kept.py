"""What was computed of bytes, kept under their digest; never trusted, and computed again."""

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from zoo.domain.reading import read_object
from zoo.operations.opening import Zoo


def read_kept(zoo: Zoo, kind: str, digest: str, *, version: int) -> dict[str, Any] | None:
    """Read what was kept of some bytes; None where there is nothing, or nothing of this version."""
    try:
        data = dict(read_object(json.loads(_path(zoo, kind, digest).read_bytes()), "what was kept"))
    except (OSError, ValueError, RecursionError):
        return None
    return data if data.get("version") == version else None


def keep(zoo: Zoo, kind: str, digest: str, value: dict[str, Any], *, version: int) -> None:
    """Keep what was computed: the file appears whole or not at all; where it cannot, it is lost."""
    text = json.dumps({"version": version, **value}, allow_nan=False)
    _write(_path(zoo, kind, digest), text.encode())


def read_kept_picture(zoo: Zoo, kind: str, tag: str) -> bytes | None:
    """Read a small picture that was drawn; None where there is none of this tag."""
    try:
        return _path(zoo, kind, tag, "picture").read_bytes() or None
    except OSError:
        return None


def keep_picture(zoo: Zoo, kind: str, tag: str, picture: bytes) -> None:
    """Keep a small picture by a tag that changes with all it depends on, as ``keep`` does."""
    _write(_path(zoo, kind, tag, "picture"), picture)


def _write(path: Path, data: bytes) -> None:
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".part-") as folder:
            part = Path(folder) / path.name
            with part.open("wb") as opened:
                opened.write(data)
                opened.flush()
                os.fsync(opened.fileno())
            part.replace(path)


def _path(zoo: Zoo, kind: str, digest: str, ending: str = "json") -> Path:
    return zoo.settings.home / "cache" / kind / f"{digest}.{ending}"
