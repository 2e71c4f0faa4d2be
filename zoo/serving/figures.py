"""Counts and durations of what was asked of each revision, as Triton counts them."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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

    @property
    def total_ns(self) -> int:
        """Add them up."""
        return self.input_ns + self.queue_ns + self.infer_ns + self.output_ns


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


@dataclass(slots=True)
class Figures:
    """The tallies of all revisions, by (model, revision id); safe to be used by many threads."""

    _tallies: dict[tuple[str, str], Tally] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self) -> dict[tuple[str, str], Tally]:
        """Give every tally as it stands."""
        with self._lock:
            return dict(self._tallies)

    def begin(self, key: tuple[str, str]) -> None:
        """Count a request that has come in."""
        with self._lock:
            tally = self._tallies.get(key, Tally())
            self._tallies[key] = replace(tally, pending=tally.pending + 1)

    def succeed(self, key: tuple[str, str], times: Times, pictures: int) -> None:
        """Count a request that is answered."""
        with self._lock:
            tally = self._tallies[key]
            self._tallies[key] = replace(
                tally,
                success=tally.success + _once(times.total_ns),
                queue=tally.queue + _once(times.queue_ns),
                input=tally.input + _once(times.input_ns),
                infer=tally.infer + _once(times.infer_ns),
                output=tally.output + _once(times.output_ns),
                inferences=tally.inferences + pictures,
                pending=tally.pending - 1,
                last_ms=time.time_ns() // 1_000_000,
            )

    def fail(self, key: tuple[str, str], reason: Reason, total_ns: int) -> None:
        """Count a request that is refused or has failed."""
        with self._lock:
            tally = self._tallies[key]
            before = tally.failures.get(reason, Duration())
            after = before + _once(total_ns)
            self._tallies[key] = replace(
                tally, failures={**tally.failures, reason: after}, pending=tally.pending - 1
            )

    def count_run(self, key: tuple[str, str], pictures: int, infer_ns: int) -> None:
        """Count a run of the session over so many pictures."""
        with self._lock:
            tally = self._tallies.get(key, Tally())
            before = tally.batches.get(pictures, Duration())
            after = before + _once(infer_ns)
            self._tallies[key] = replace(
                tally,
                executions=tally.executions + 1,
                batches={**tally.batches, pictures: after},
            )


def _once(total_ns: int) -> Duration:
    return Duration(count=1, total_ns=total_ns)
