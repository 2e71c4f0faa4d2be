"""Counts and durations of what was asked of each revision, as Triton counts them."""

import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Reason(StrEnum):
    """Why a request was not answered with probabilities; the names are Triton's."""

    REJECTED = "REJECTED"  # the queue was full, or the deadline passed in it
    CANCELED = "CANCELED"  # its client went away
    BACKEND = "BACKEND"  # the graph failed
    OTHER = "OTHER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Duration:
    """How often something happened, and how long it took in all."""

    count: int = 0
    total_ns: int = 0

    def __add__(self, other: "Duration") -> "Duration":
        """Add up."""
        return Duration(count=self.count + other.count, total_ns=self.total_ns + other.total_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How long the parts of one request took."""

    input_ns: int = 0  # receiving is not counted; decoding and preparing are
    queue_ns: int = 0
    infer_ns: int = 0
    output_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What was asked of one revision since the process started."""

    success: Duration = field(default_factory=Duration)
    queue: Duration = field(default_factory=Duration)
    input: Duration = field(default_factory=Duration)
    infer: Duration = field(default_factory=Duration)
    output: Duration = field(default_factory=Duration)
    failures: Mapping[Reason, Duration] = field(default_factory=dict)
    inferences: int = 0  # pictures answered
    executions: int = 0  # runs of the session
    batches: Mapping[int, Duration] = field(default_factory=dict)  # runs, by pictures in one
    pending: int = 0  # requests that wait or run
    last_ms: int = 0  # when the last one was answered, in milliseconds since 1970


class _Count:
    """A duration that is added to."""

    __slots__ = ("count", "total_ns")

    def __init__(self) -> None:
        self.count = self.total_ns = 0

    def add(self, ns: int) -> None:
        self.count += 1
        self.total_ns += ns

    def read(self) -> Duration:
        return Duration(count=self.count, total_ns=self.total_ns)


class _Counts:
    """A tally that is added to, a fifth of the cost of making a new one for each request.

    Whatever is answered has waited, was prepared, ran and was written: they are counted as one.
    """

    def __init__(self) -> None:
        self.answered = self.queue_ns = self.input_ns = self.infer_ns = self.output_ns = 0
        self.failures: defaultdict[Reason, _Count] = defaultdict(_Count)
        self.batches: defaultdict[int, _Count] = defaultdict(_Count)
        self.inferences = self.executions = self.pending = self.last_ms = 0

    def read(self) -> Tally:
        total_ns = self.queue_ns + self.input_ns + self.infer_ns + self.output_ns
        return Tally(
            success=Duration(count=self.answered, total_ns=total_ns),
            queue=Duration(count=self.answered, total_ns=self.queue_ns),
            input=Duration(count=self.answered, total_ns=self.input_ns),
            infer=Duration(count=self.answered, total_ns=self.infer_ns),
            output=Duration(count=self.answered, total_ns=self.output_ns),
            failures={reason: one.read() for reason, one in self.failures.items()},
            inferences=self.inferences,
            executions=self.executions,
            batches={pictures: one.read() for pictures, one in self.batches.items()},
            pending=self.pending,
            last_ms=self.last_ms,
        )


@dataclass(slots=True)
class Figures:
    """The tallies of all revisions, by (model, revision id); safe to be used by many threads."""

    _counts: defaultdict[tuple[str, str], _Counts] = field(
        default_factory=lambda: defaultdict(_Counts)
    )
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self) -> dict[tuple[str, str], Tally]:
        """Give every tally as it stands."""
        with self._lock:
            return {key: counts.read() for key, counts in self._counts.items()}

    def begin(self, key: tuple[str, str]) -> None:
        """Count a request that has come in."""
        with self._lock:
            self._counts[key].pending += 1

    def succeed(self, key: tuple[str, str], times: Times, pictures: int) -> None:
        """Count a request that is answered."""
        with self._lock:
            counts = self._counts[key]
            counts.answered += 1
            counts.queue_ns += times.queue_ns
            counts.input_ns += times.input_ns
            counts.infer_ns += times.infer_ns
            counts.output_ns += times.output_ns
            counts.inferences += pictures
            counts.pending -= 1
            counts.last_ms = time.time_ns() // 1_000_000

    def fail(self, key: tuple[str, str], reason: Reason, total_ns: int) -> None:
        """Count a request that is refused or has failed."""
        with self._lock:
            counts = self._counts[key]
            counts.failures[reason].add(total_ns)
            counts.pending -= 1

    def count_run(self, key: tuple[str, str], pictures: int, infer_ns: int) -> None:
        """Count a run of the session over so many pictures."""
        with self._lock:
            counts = self._counts[key]
            counts.executions += 1
            counts.batches[pictures].add(infer_ns)
