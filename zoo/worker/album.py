"""The pictures of a zoo as a network reads them; those that take long to decode are kept decoded.

They lie in ``ZOO_HOME/cache/pictures``, one file each, under all that their pixels depend on: the
digest of the file, resize and crop, the releases of what decodes and resizes. Jobs of all models
that read pictures alike share them. What is kept is as good as decoding: it has a checksum, and is
made anew where it is damaged.
"""

import contextlib
import secrets
import zlib
from dataclasses import dataclass, field
from importlib.metadata import version
from io import BytesIO
from pathlib import Path

import numpy as np

from zoo.domain.preprocessing import Preprocessing
from zoo.images.prepare import Pixels, read_picture, read_uncropped
from zoo.images.resize import pixels_key
from zoo.operations.opening import Zoo
from zoo.training.cache import body_key
from zoo.training.eviction import evict

# Smaller files are decoded nearly as quickly as their pixels are written and read: a JPEG of 256 px
# takes 0.6 ms, its pixels 0.4 and 0.1; one of 600 px takes 4 ms to decode, of 3000 px 31.
KEPT_FROM_BYTES = 2**16
ENDING, CHECKSUM_BYTES, VERSION = ".pixels", 4, 1
MAKERS = ("pillow", "cykooz-resizer")  # of pixels
CHECKED_EVERY = 16  # times while the bound's bytes are written, so that it is hardly ever exceeded


@dataclass(slots=True, kw_only=True)
class Album:
    """Reads pictures by digest, for one preprocessing."""

    zoo: Zoo
    preprocessing: Preprocessing
    _written: int = 0  # bytes since the bound was looked at
    _folders: dict[bool, Path] = field(default_factory=dict)  # by is_whole

    def read(self, digest: str, *, name: str = "") -> Pixels:
        """Read a picture as it is served, ``crop_px`` x 3; errors call it ``name``.

        Raises:
            BlobNotFound: the store does not hold it.
            UnreadablePicture: it cannot be read.
        """
        return self._read(digest, name or digest, is_whole=False)

    def read_whole(self, digest: str, *, name: str = "") -> Pixels:
        """Read a picture at the same size, all of it; as ``read`` otherwise."""
        return self._read(digest, name or digest, is_whole=True)

    def _read(self, digest: str, name: str, *, is_whole: bool) -> Pixels:
        source = self.zoo.blobs.local_path(digest)
        is_large = source.stat().st_size >= KEPT_FROM_BYTES
        path = self._folder(is_whole=is_whole) / digest[:2] / f"{digest}{ENDING}"
        if is_large and (kept := _load(path)) is not None:
            return kept
        reader = read_uncropped if is_whole else read_picture
        most = self.zoo.settings.max_picture_pixels
        pixels = reader(source, self.preprocessing, name=name, max_pixels=most)
        if is_large and pixels.nbytes <= self.zoo.settings.cache_bytes:
            self._keep(path, pixels)
        return pixels

    def _folder(self, *, is_whole: bool) -> Path:
        if is_whole not in self._folders:
            self._folders[is_whole] = self._name_folder(is_whole=is_whole)
        return self._folders[is_whole]

    def _name_folder(self, *, is_whole: bool) -> Path:
        told = self.preprocessing.as_json()
        key = body_key(
            {
                **{
                    part: told[part] for part in ("resize", "resize_px", "crop_px", "interpolation")
                },
                "whole": is_whole,
                "most": self.zoo.settings.max_picture_pixels,
                **{name: version(name) for name in MAKERS},
                "pixels": pixels_key(),
                "version": VERSION,
            }
        )
        return self.zoo.pictures_folder / key

    def _keep(self, path: Path, pixels: Pixels) -> None:
        """Keep pixels: the file appears whole or not at all; where it cannot, it is lost."""
        buffer = BytesIO()
        np.save(buffer, pixels)
        data = buffer.getbuffer()
        part = path.with_name(f".{secrets.token_hex(8)}{ENDING}")  # left behind, it is evicted too
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with part.open("wb") as file:
                    file.write(zlib.crc32(data).to_bytes(CHECKSUM_BYTES, "big"))
                    file.write(data)
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
        self._written += len(data)
        if self._written * CHECKED_EVERY > self.zoo.settings.cache_bytes:
            self._written = 0
            evict(self.zoo.pictures_folder, self.zoo.settings.cache_bytes, pattern=f"*{ENDING}")


def _load(path: Path) -> Pixels | None:
    """Read pixels that are kept; None where there are none, or their bytes are not those kept."""
    try:
        data = path.read_bytes()
        checksum, array = data[:CHECKSUM_BYTES], memoryview(data)[CHECKSUM_BYTES:]
        if zlib.crc32(array).to_bytes(CHECKSUM_BYTES, "big") != checksum:
            return None
        path.touch()  # What is used is the last to be given up when room is short.
        pixels: Pixels = np.load(BytesIO(array))
    except (OSError, ValueError, EOFError):
        return None
    return pixels
