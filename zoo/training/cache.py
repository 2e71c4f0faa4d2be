"""The cache of codes: what was computed of pictures, kept by their digests.

A folder per body: its name is derived from everything the codes depend on but the pictures
(weights, recipe, preprocessing). In it lie shards of some hundred pictures each, written whole or
not at all: an interrupted job goes on where it stopped, and datasets that share pictures share
their codes.
"""

import contextlib
import hashlib
import json
import lzma
import os
import tempfile
import time
import zlib
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.float32]
STALE_S = 3600
DAMAGE = (  # what NumPy and zipfile raise, according to which byte is wrong
    BadZipFile,
    EOFError,
    KeyError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    lzma.LZMAError,
    zlib.error,
)


def body_key(parts: Mapping[str, object]) -> str:
    """Derive a cache folder's name from what the codes depend on: 40 hex digits."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:40]


@dataclass(frozen=True, slots=True, kw_only=True)
class CodesCache:
    """The codes of one body, by picture digest."""

    folder: Path

    def read(self, wanted: Container[str]) -> dict[str, Codes]:
        """Read the codes of the wanted pictures that are kept, by digest."""
        found: dict[str, Codes] = {}
        for path in sorted(self.folder.glob("*.npz")):
            try:
                os.utime(path)  # what is used is the last to be given up when room is short
                # NumPy leaves a file that it opened itself open where that is damaged.
                with path.open("rb") as file, np.load(file) as shard:
                    pairs = zip(shard["digests"].tolist(), shard["codes"], strict=True)
                    # Copies, so that a shard of which little is wanted is not held whole.
                    found |= {digest: code.copy() for digest, code in pairs if digest in wanted}
            except DAMAGE:
                path.unlink(missing_ok=True)  # A damaged shard is computed again.
        return found

    def add(self, digests: Sequence[str], codes: Codes) -> None:
        """Keep the codes of some pictures: a shard appears whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._clear_parts()
        name = hashlib.sha256("".join(digests).encode()).hexdigest()[:32]
        with tempfile.NamedTemporaryFile(dir=self.folder, suffix=".part", delete=False) as file:
            try:
                np.savez(file, digests=np.array(digests), codes=codes)
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).replace(self.folder / f"{name}.npz")
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise

    def _clear_parts(self) -> None:
        """Remove what writers that were killed left behind; a shard takes no hour to write."""
        for path in self.folder.glob("*.part"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > STALE_S:
                    path.unlink()
