"""Codes: a network's activations below its head, computed once a picture and kept.

The cache is a folder per body: its name is derived from everything the codes depend on but the
pictures (weights, recipe, preprocessing). In it lie shards of some hundred pictures each, written
whole or not at all: an interrupted job goes on where it stopped, and datasets that share pictures
share their codes.
"""

import contextlib
import hashlib
import json
import lzma
import os
import tempfile
import time
import zlib
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

Pixels = NDArray[np.uint8]
Codes = NDArray[np.float32]
BATCH = 16
STALE_S = 3600
SHARD = 128  # pictures whose codes are lost at most by a kill
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


@dataclass(frozen=True, slots=True, kw_only=True)
class CodesTask:
    """What it takes to compute codes."""

    body: nn.Module  # float N x C x H x W to codes N x D, or a tuple of them
    preprocess: nn.Module  # uint8 N x H x W x 3 to float N x C x H x W
    load: Callable[[str], Pixels]  # picture digest to uint8 H x W x 3
    device: torch.device


def gather_codes(
    task: CodesTask,
    digests: Iterable[str],
    cache: CodesCache,
    report: Callable[[int, int], None],
) -> dict[str, Codes]:
    """Give the codes of these pictures by digest, from the cache or computed and then kept.

    ``report`` is told (done, total) after every batch that was computed.
    """
    (codes,) = gather_taps(task, digests, (cache,), report)
    return codes


def gather_taps(
    task: CodesTask,
    digests: Iterable[str],
    caches: Sequence[CodesCache],
    report: Callable[[int, int], None],
) -> list[dict[str, Codes]]:
    """Give the codes of these pictures at several taps, each with a cache of its own.

    The body gives a tuple of N x D, one for each cache, from a single pass; pictures that all
    caches know take none.
    """
    wanted = dict.fromkeys(digests)
    known = [cache.read(wanted) for cache in caches]
    missing = [digest for digest in wanted if not all(digest in one for one in known)]
    waiting: dict[str, Sequence[Codes]] = {}
    for done, (digest, codes) in enumerate(_compute(task, missing), 1):
        waiting[digest] = codes
        if len(waiting) == SHARD or done == len(missing):
            for number, (cache, found) in enumerate(zip(caches, known, strict=True)):
                fresh = {key: each[number] for key, each in waiting.items() if key not in found}
                if fresh:
                    cache.add(list(fresh), np.stack(list(fresh.values())))
                    found.update(fresh)
            waiting = {}
        if done % BATCH == 0 or done == len(missing):
            report(done, len(missing))
    return [{digest: found[digest] for digest in wanted} for found in known]


def _compute(task: CodesTask, digests: Sequence[str]) -> Iterator[tuple[str, Sequence[Codes]]]:
    """Run the body over pictures, batch by batch, in evaluation mode."""
    task.body.eval()
    for start in range(0, len(digests), BATCH):
        batch = digests[start : start + BATCH]
        images = torch.from_numpy(np.stack([task.load(digest) for digest in batch]))
        with torch.inference_mode():
            given = task.body(task.preprocess(images.to(task.device)))
            taps = given if isinstance(given, tuple) else (given,)
            codes = [tap.float().cpu().numpy() for tap in taps]
        for row, digest in enumerate(batch):
            yield digest, [tap[row] for tap in codes]
