"""Files that a command writes: there whole, or not at all."""

import tempfile
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Write a file beside its place and move it there; one that lies there is replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".zoo-") as folder:
        part = Path(folder) / "part"
        part.write_bytes(data)
        part.replace(path)
