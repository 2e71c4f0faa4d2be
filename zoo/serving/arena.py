"""The memory that runs take: an arena for each graph, bounded, measured, and given back.

ONNX Runtime's arena takes memory from the system as runs need it, and keeps all of it for the next
until its sessions are closed: one run of 64 large pictures leaves gigabytes, which no later run of
one needs. So each graph has an arena of its own that its sessions share. It says how large it has
become, refuses what goes beyond its bound, and gives back what no run uses when it is told to.
"""

import contextlib
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from zoo.serving.predictor import Opening, lacks_room, list_refusals, open_bare

# One node that gives so many zeros.
ZEROS = (
    b'\x08\x08:2\n\x17\n\x01x\x12\x01y"\x0fConstantOfShape\x12\x01gZ\x0f\n\x01x\x12\n\n\x08\x08\x07'
    b"\x12\x04\n\x02\x08\x01b\x03\n\x01yB\x04\n\x00\x10\x11"
)
BEYOND = 2**44  # of zeros: bytes that no arena has room for
LEFT = re.compile(r"Available memory of (\d+) is smaller")
AS_ASKED = 1  # kSameAsRequested
RELEASED_BYTES = 1  # of the arena that is registered while no session is being opened

LOOK_S = 10.0  # between two looks at an arena in use: what a graph takes may depend on values
CALM_RUNS = 64  # in a row that need far less than the arena was made for, before it is shrunk
CALM_SHARE = 4  # Less than this part of the largest run's bytes is far less.
WORTH_BYTES = 2**26  # of an arena, below which it is left as it is

_registering = threading.Lock()


@dataclass(slots=True, kw_only=True, eq=False)
class Arena:
    """Memory of the sessions of a graph; safe to be used by many threads."""

    most_bytes: int
    size_bytes: int = 0  # when it was last looked at
    added_bytes: int = 0  # of that, what came since its sessions had been opened and warmed
    _loaded_bytes: int = 0
    _keeper: Any = field(init=False)  # a session that does nothing but read and shrink it

    def __post_init__(self) -> None:
        self._keeper = open_bare(ZEROS, Opening(device="cpu", threads=1, is_in_arena=True))

    def begin(self) -> None:
        """Count from now on what runs add: its sessions are loaded."""
        self.look()
        self._loaded_bytes, self.added_bytes = self.size_bytes, 0

    def look(self) -> None:
        """Look how large it is by now.

        The library tells it nowhere but where it refuses memory.
        """
        try:
            self._keeper.run(None, {"x": np.array([BEYOND])}, _options())
        except list_refusals() as error:
            if (told := LEFT.search(str(error))) is not None:
                self.size_bytes = self.most_bytes - int(told[1])
                self.added_bytes = max(0, self.size_bytes - self._loaded_bytes)

    def shrink(self) -> None:
        """Give back what neither runs nor their answers use just now: an answer is not copied."""
        options = _options(("memory.enable_memory_arena_shrinkage", "cpu:0"))
        # Of no zeros, for one would lie in what is to be given back.
        self._keeper.run(None, {"x": np.array([0])}, options)
        self.look()


@contextlib.contextmanager
def opening_arena(most_bytes: int) -> Iterator[Arena]:
    """Give an arena, which the sessions that are opened in between are to be in.

    The library has one place where the arena of sessions to come is told, and holds what is there:
    afterwards that is one of nothing, so that this one goes when its sessions are closed.
    """
    with _registering:
        try:
            _register(most_bytes)
            arena = Arena(most_bytes=most_bytes)
            yield arena
            arena.begin()
        finally:
            _register(RELEASED_BYTES)


@dataclass(slots=True, eq=False)
class Watched:
    """A session in an arena, whose runs are watched for what they add to it.

    Looking costs half a millisecond, so that is done after the first two runs of inputs and outputs
    larger than any before (the second may take one block more), and now and then. An arena made for
    a run that was far larger than the last ``CALM_RUNS`` is shrunk: those that came as large again
    would pay for that with up to two fifths of their time.
    """

    session: Any
    arena: Arena
    _largest: int = 0  # bytes of inputs and outputs
    _unseen: int = 0  # from how many bytes on the arena may grow
    _small: int = 0  # below how many bytes a run needs far less than the arena was made for
    _calm: int = 0  # such runs, since the last that was larger
    _look_s: float = 0.0  # when to look again

    def run(self, outputs: Sequence[str], inputs: Mapping[str, Any]) -> list[Any]:
        """Run the session, as `InferenceSession.run`."""
        if self._calm >= CALM_RUNS:
            self._shrink()
        try:
            answer: list[Any] = self.session.run(outputs, inputs)
        except list_refusals() as error:
            if not lacks_room(error):
                raise
            # What other runs left may lie in pieces, none of which is large enough.
            self._shrink()
            answer = self.session.run(outputs, inputs)
        size = 0
        for one in (*inputs.values(), *answer):
            size += one.nbytes
        if size >= self._unseen or time.monotonic() >= self._look_s:
            self._look(size)
        elif size >= self._small:
            self._calm = 0
        else:
            self._calm += 1
        return answer

    def get_inputs(self) -> list[Any]:
        """Describe what the graph takes, as ONNX Runtime does."""
        inputs: list[Any] = self.session.get_inputs()
        return inputs

    def get_outputs(self) -> list[Any]:
        """Describe what the graph gives, as ONNX Runtime does."""
        outputs: list[Any] = self.session.get_outputs()
        return outputs

    def _look(self, size: int) -> None:
        """Look at the arena after a run of so many bytes."""
        self.arena.look()
        if size > self._largest:
            self._largest = self._unseen = size
        elif size == self._unseen:
            self._unseen += 1
        is_worth_it = self.arena.size_bytes >= WORTH_BYTES
        self._small = self._largest // CALM_SHARE if is_worth_it else 0
        self._look_s = time.monotonic() + LOOK_S

    def _shrink(self) -> None:
        """Begin anew: the next run is the largest."""
        self.arena.shrink()
        self._largest = self._unseen = self._small = self._calm = 0


def _register(most_bytes: int) -> None:
    """Tell the library what arena the sessions to come are in."""
    import onnxruntime  # noqa: PLC0415  # slow

    memory = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    # Taken as it is asked for: of powers of two the first would be kept for good.
    arena = onnxruntime.OrtArenaCfg({"max_mem": most_bytes, "arena_extend_strategy": AS_ASKED})
    onnxruntime.create_and_register_allocator(memory, arena)


def _options(*entries: tuple[str, str]) -> Any:  # noqa: ANN401  # the library has no types
    """Give options of a run that says nothing on stderr where it fails."""
    from onnxruntime import RunOptions  # noqa: PLC0415  # slow

    options = RunOptions()
    options.log_severity_level = 4
    for name, value in entries:
        options.add_run_config_entry(name, value)
    return options
