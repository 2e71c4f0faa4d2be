"""A session on a GPU whose pictures and rows lie in buffers that were bound to it once.

For each of the numbers of pictures that runs are padded to there is a slot: a buffer of the
device's memory for pictures, one for rows. A run copies pictures in, runs, and copies rows out;
nothing is allocated for it, and with fixed addresses it can be a CUDA graph, captured once and
replayed. What fits no slot runs plainly, and so does everything once a run on buffers failed.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from zoo.serving.batches import pad_to
from zoo.serving.lane import Lane
from zoo.serving.predictor import list_faults
from zoo.serving.signature import IMAGES, PROBABILITIES

GRAPH_ID = "gpu_graph_id"  # of a run: which CUDA graph it captures or replays
NO_GRAPH = "-1"
PLAIN_RUN = "plain"

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Slot:
    """Buffers for so many pictures and their rows, bound to a session."""

    shape: tuple[int, ...]  # of the pictures: N x H x W x 3
    images: Any  # uint8, in the device's memory
    rows: Any  # float32, N x K, beside them
    binding: Any
    options: Any  # of a run: which CUDA graph it is

    @classmethod
    def bind(cls, session: Any, shape: tuple[int, ...], classes: int, memory: str) -> Self:  # noqa: ANN401  # the library has no types
        """Bind buffers in this memory, ``cuda`` or ``cpu``.

        Raises:
            Exception: one of `list_faults`, as where the memory is full.
        """
        from onnxruntime import OrtValue  # noqa: PLC0415  # slow

        allocate = OrtValue.ortvalue_from_shape_and_type
        images = allocate(list(shape), np.uint8, memory, 0)
        rows = allocate([shape[0], classes], np.float32, memory, 0)
        binding = session.io_binding()
        binding.bind_ortvalue_input(IMAGES, images)
        binding.bind_ortvalue_output(PROBABILITIES, rows)
        options = run_options(str(shape[0]))
        return cls(shape=shape, images=images, rows=rows, binding=binding, options=options)

    @property
    def size_bytes(self) -> int:
        """Count the bytes of its buffers."""
        return int(self.images.tensor_size_in_bytes() + self.rows.tensor_size_in_bytes())

    def takes(self, images: NDArray[np.uint8]) -> bool:
        """Tell whether pictures are of its kind and size."""
        return images.dtype == np.uint8 and images.shape[1:] == self.shape[1:]

    def run(self, session: Any, images: NDArray[np.uint8], count: int) -> NDArray[np.float32]:  # noqa: ANN401  # the library has no types
        """Run as many pictures as it has room for, and give the first rows."""
        self.images.update_inplace(images)
        session.run_with_iobinding(self.binding, self.options)
        rows: NDArray[np.float32] = self.rows.numpy()
        return rows[:count].copy()  # In the CPU's memory they are the buffer itself.


@dataclass(slots=True, kw_only=True, eq=False)
class Bound:
    """A session of which every run is on one thread, on buffers where there are some.

    Safe to be used by many threads.
    """

    session: Any
    lane: Lane
    way: str = PLAIN_RUN  # how it runs
    has_graphs: bool = False  # whether its slots are captured as CUDA graphs
    is_tried: bool = False  # until then what fails on a slot is told, not run plainly
    slots: dict[int, Slot] = field(default_factory=dict)  # by their numbers of pictures
    _plainly: Any = field(init=False)  # the options of a run that is on no slot

    def __post_init__(self) -> None:
        # Else ONNX Runtime would capture a run whose buffers are gone when it is replayed.
        self._plainly = run_options(NO_GRAPH) if self.has_graphs else None

    def __del__(self) -> None:
        held = [self.session, self.slots]
        del self.session, self.slots
        self.lane.let_go(held)

    def add(self, shape: tuple[int, ...], classes: int, memory: str) -> None:
        """Have a slot for N x H x W x 3 pictures.

        Raises:
            Exception: one of `list_faults`, as where the memory is full.
        """
        slot = self.lane.call(Slot.bind, self.session, shape, classes, memory)
        self.slots[shape[0]] = slot

    def drop(self, count: int) -> None:
        """Have no slot for so many pictures."""
        if (slot := self.slots.pop(count, None)) is not None:
            held: list[object] = [slot]
            del slot
            self.lane.let_go(held)

    @property
    def size_bytes(self) -> int:
        """Count the bytes of all buffers."""
        return sum(slot.size_bytes for slot in self.slots.values())

    def run(self, outputs: Sequence[str], inputs: Mapping[str, Any]) -> list[Any]:
        """Run the session, as `InferenceSession.run`."""
        if (slot := self._find(outputs, inputs)) is not None:
            images = inputs[IMAGES]
            try:
                padded = _pad(images, slot.shape[0])
                return [self.lane.call(slot.run, self.session, padded, len(images))]
            except list_faults() as error:
                if not self.is_tried:
                    raise
                self._give_up(error)
        answer: list[Any] = self.lane.call(
            self.session.run, list(outputs), dict(inputs), self._plainly
        )
        return answer

    def get_inputs(self) -> list[Any]:
        """Describe what the graph takes, as ONNX Runtime does."""
        inputs: list[Any] = self.session.get_inputs()
        return inputs

    def get_outputs(self) -> list[Any]:
        """Describe what the graph gives, as ONNX Runtime does."""
        outputs: list[Any] = self.session.get_outputs()
        return outputs

    def _find(self, outputs: Sequence[str], inputs: Mapping[str, Any]) -> Slot | None:
        if not self.slots or list(outputs) != [PROBABILITIES]:
            return None
        images = inputs[IMAGES]
        slot = self.slots.get(pad_to(len(images)))
        return slot if slot is not None and slot.takes(images) else None

    def _give_up(self, error: Exception) -> None:
        """Run plainly from now on: what failed once on these buffers may do so again."""
        if self.slots:
            LOG.warning("Runs on bound buffers failed and are plain from now on: %s", error)
        held: list[object] = [self.slots]
        self.slots, self.way = {}, PLAIN_RUN
        self.lane.let_go(held)


def way_of(session: Any) -> str:  # noqa: ANN401  # of ONNX Runtime, or one of several of them
    """Tell how a session runs on a GPU; nothing of one on the CPU, where there is one way."""
    return str(getattr(session, "way", ""))


def run_options(graph_id: str) -> Any:  # noqa: ANN401  # the library has no types
    """Give options of a run: which CUDA graph it is, where the session captures them."""
    from onnxruntime import RunOptions  # noqa: PLC0415  # slow

    options = RunOptions()
    options.add_run_config_entry(GRAPH_ID, graph_id)
    return options


def _pad(images: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
    """Lay black pictures behind these, up to the count."""
    if lacking := count - len(images):
        black = np.zeros((lacking, *images.shape[1:]), np.uint8)
        return np.concatenate([images, black])
    return np.ascontiguousarray(images)
