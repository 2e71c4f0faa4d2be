"""Graphs kept as ONNX Runtime optimised them for this machine: they open several times faster.

Such a file holds for one release of the runtime, one kind of processor and one provider; the key is
made of them and of the graph's digest. Beside it stands what the graph says of one picture that is
always the same: a file that says something else is damaged, and is made anew.
"""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from zoo.domain.reading import read_numbers, read_whole
from zoo.serving.predictor import weights_of

TOLERANCE = 1e-3  # relative; runs by other numbers of threads round differently
NOTED = 16  # probabilities of the picture that are written down, the largest
CPU_FLAGS = Path("/proc/cpuinfo")
MOST_TOGETHER = 128
SCRATCH = "new-"
ABANDONED_S = 86_400  # A process that was killed leaves its folder.
READ_ONLY = 0o444
FORM = 5  # of what is kept; raise it when that changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What was measured when a graph was optimised."""

    answer: tuple[float, ...]  # the largest probabilities of one picture
    most_together: int  # pictures that one run may hold

    @classmethod
    def of(cls, answer: NDArray[np.float32], most_together: int) -> Self:
        """Note what a graph says of the picture."""
        return cls(answer=_largest(answer), most_together=most_together)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what was noted.

        Raises:
            ValueError, KeyError, TypeError: it is something else.
        """
        try:
            data = json.loads(text)
        except RecursionError as error:
            raise ValueError("it is nested too deeply") from error
        return cls(
            answer=read_numbers(data["answer"], "answer", count=len(data["answer"])),
            most_together=read_whole(data["most_together"], "most_together", most=MOST_TOGETHER),
        )

    def is_of(self, answer: NDArray[np.float32]) -> bool:
        """Tell whether a session gives the answer noted."""
        found = _largest(answer)
        return len(found) == len(self.answer) and np.allclose(
            found, self.answer, rtol=TOLERANCE, atol=TOLERANCE**2
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphCache:
    """A folder of optimised graphs, of up to ``most_bytes``."""

    folder: Path
    most_bytes: int

    def find(self, digest: str) -> tuple[Path, Note] | None:
        """Give the optimised graph of a graph and what was noted of it, or None."""
        graph, note = self._paths(digest)
        try:
            found = Note.parse(note.read_text(encoding="utf-8"))
            os.utime(graph)  # It was used just now.
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return graph, found

    def drop(self, digest: str) -> None:
        """Forget a graph."""
        graph, _ = self._paths(digest)
        with contextlib.suppress(OSError):
            _delete(graph)

    @contextmanager
    def adding(self, digest: str) -> Iterator[Path | None]:
        """Give a path to write an optimised graph to, gone afterwards; None where none can be."""
        scratch = self._make_scratch()
        graph, _ = self._paths(
            digest
        )  # It names the file of its weights, so it keeps its own name.
        try:
            yield scratch and scratch / graph.name
        finally:
            if scratch is not None:
                shutil.rmtree(scratch, ignore_errors=True)

    def keep(self, digest: str, written: Path, note: Note) -> None:
        """Keep a graph that was written, and make room for it; a disk that is full keeps none."""
        graph, noted = self._paths(digest)
        with contextlib.suppress(OSError):
            draft = written.with_suffix(".json")
            draft.write_text(json.dumps(asdict(note)), encoding="utf-8")
            if weights_of(written).exists():  # A graph whose tensors are all small has none.
                weights_of(written).chmod(READ_ONLY)  # Who maps it ends if it is cut short.
                weights_of(written).replace(weights_of(graph))
            written.replace(graph)
            draft.replace(noted)
            self._evict()

    def _make_scratch(self) -> Path | None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            return Path(tempfile.mkdtemp(dir=self.folder, prefix=SCRATCH))
        except OSError:
            return None  # A home that is full or read only serves all the same.

    def _paths(self, digest: str) -> tuple[Path, Path]:
        key = hashlib.sha256(f"{FORM} {digest} {_machine()}".encode()).hexdigest()
        return self.folder / f"{key}.onnx", self.folder / f"{key}.json"

    def _evict(self) -> None:
        """Delete the graphs that were used least lately until the rest fits, and what was left."""
        told = [(path.stat().st_mtime_ns, path) for path in self.folder.glob("*.onnx")]
        kept = 0
        for _, path in sorted(told, reverse=True):
            kept += path.stat().st_size + size_of_weights(path)
            if kept > self.most_bytes:
                _delete(path)
        for path in self.folder.glob(f"{SCRATCH}*"):
            if time.time() - path.stat().st_mtime > ABANDONED_S:
                shutil.rmtree(path, ignore_errors=True)


def size_of_weights(graph: Path) -> int:
    """Tell the bytes of the weights beside an optimised graph; 0 where it has none there."""
    try:
        return weights_of(graph).stat().st_size
    except FileNotFoundError:
        return 0


def _delete(graph: Path) -> None:
    for path in (graph.with_suffix(".json"), graph, weights_of(graph)):
        path.unlink(missing_ok=True)


def _largest(answer: NDArray[np.float32]) -> tuple[float, ...]:
    return tuple(map(float, np.sort(answer[0])[::-1][:NOTED]))


@cache
def _machine() -> str:
    """Say what an optimised graph holds for: the runtime's release, what the processor can."""
    import onnxruntime  # noqa: PLC0415  # slow

    try:
        lines = CPU_FLAGS.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    kind = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return f"{onnxruntime.__version__} CPUExecutionProvider {kind}"
