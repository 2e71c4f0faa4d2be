"""What two graphs cost a picture, in CPU time of one run, so that their ratio holds."""

import os
import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from zoo.errors import NotRunnable
from zoo.export.parity import OUTPUT, RUNTIME_ERRORS
from zoo.export.pictures import IMAGES
from zoo.export.ranges import PROVIDERS

ROUNDS = 6  # in which both are run by turns; the best of each counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """CPU milliseconds a picture, by turns in one process."""

    threads: int
    before_cpu_ms: float
    after_cpu_ms: float

    @property
    def ratio(self) -> float:
        """Give how many times less the second costs."""
        return self.before_cpu_ms / self.after_cpu_ms

    def as_json(self) -> dict[str, Any]:
        """Write it down with plain JSON types."""
        return {
            key: round(value, 3) for key, value in (asdict(self) | {"ratio": self.ratio}).items()
        }


def compare_costs(before: bytes, after: bytes, pictures: NDArray[np.uint8]) -> tuple[Cost, ...]:
    """Compare what two graphs cost one prepared picture, on one thread and on every core.

    Raises:
        NotRunnable: ONNX Runtime cannot run one of them.
    """
    cores = len(os.sched_getaffinity(0))
    try:
        return tuple(_compare(before, after, pictures, threads) for threads in sorted({1, cores}))
    except RUNTIME_ERRORS as error:
        raise NotRunnable(f"ONNX Runtime cannot run the graph: {error}") from error


def _compare(before: bytes, after: bytes, pictures: NDArray[np.uint8], threads: int) -> Cost:
    sessions = [_open(graph, threads) for graph in (before, after)]
    for session in sessions:
        session.run([OUTPUT], {IMAGES: pictures[:1]})  # The first run allocates.
    spent = [[_time(session, pictures) for session in sessions] for _ in range(ROUNDS)]
    best = np.min(spent, axis=0)
    return Cost(threads=threads, before_cpu_ms=float(best[0]), after_cpu_ms=float(best[1]))


def _time(session: onnxruntime.InferenceSession, pictures: NDArray[np.uint8]) -> float:
    """Give the CPU milliseconds a picture, read one at a time as a server does."""
    start_s = time.process_time()
    for index in range(len(pictures)):
        session.run([OUTPUT], {IMAGES: pictures[index : index + 1]})
    return (time.process_time() - start_s) * 1000 / len(pictures)


def _open(graph: bytes, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(graph, sess_options=options, providers=list(PROVIDERS))
