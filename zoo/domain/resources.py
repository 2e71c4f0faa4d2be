"""What jobs need of a machine, and what a machine has."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

from zoo.domain.job import JobKind

GIB = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a job asks of a machine; None is what is usual for its kind."""

    threads: int | None = None
    memory_bytes: int | None = None
    gpus: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The part of a machine that an attempt was given."""

    threads: int
    memory_bytes: int
    gpus: tuple[int, ...] = ()  # which of the machine's, from 0

    def as_json(self) -> dict[str, Any]:
        """Write it down with plain JSON types."""
        return {
            "threads": self.threads,
            "memory_bytes": self.memory_bytes,
            "gpus": list(self.gpus),
        }

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Self:
        """Read what ``as_json`` wrote."""
        return cls(
            threads=told["threads"],
            memory_bytes=told["memory_bytes"],
            gpus=tuple(told["gpus"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What a machine has for jobs, all of it or what is left beside those that run."""

    slots: int  # jobs side by side
    threads: int
    memory_bytes: int
    gpus: tuple[int, ...] = ()

    def beside(self, shares: Iterable[Share]) -> Self:
        """Give what is left beside attempts that run."""
        taken = list(shares)
        used = {gpu for share in taken for gpu in share.gpus}
        return type(self)(
            slots=self.slots - len(taken),
            threads=self.threads - sum(share.threads for share in taken),
            memory_bytes=self.memory_bytes - sum(share.memory_bytes for share in taken),
            gpus=tuple(gpu for gpu in self.gpus if gpu not in used),
        )

    def find_lacking(self, needs: Needs) -> tuple[str, ...]:
        """Say what is asked for that all of this cannot give: ``64 threads, of which it has 2``.

        A machine without GPUs does all jobs without.
        """
        asked = (
            (needs.threads, self.threads, "threads"),
            (needs.memory_bytes, self.memory_bytes, "bytes of memory"),
            (needs.gpus if self.gpus else None, len(self.gpus), "GPUs"),
        )
        return tuple(
            f"{wanted:,} {what}, of which it has {there:,}"
            for wanted, there, what in asked
            if wanted is not None and wanted > there
        )

    def usual(self, kind: JobKind) -> Share:
        """Give what a job of a kind takes here where it asks for nothing else.

        That is never more than a slot's part of the machine, so that all slots can be used.
        """
        slots, most = max(1, self.slots), USUAL[kind]
        threads = max(1, self.threads // slots)
        return Share(
            threads=threads if most.threads is None else min(most.threads, threads),
            memory_bytes=min(most.memory_bytes or 0, self.memory_bytes // slots),
            gpus=self.gpus[: most.gpus],
        )


# What a job of a kind takes of a machine at most, unless it asks for more; None is a slot's part.
USUAL: dict[JobKind, Needs] = {
    JobKind.IMPORT: Needs(memory_bytes=2 * GIB, gpus=1),
    JobKind.FINETUNE: Needs(memory_bytes=4 * GIB, gpus=1),
    JobKind.ADVISE: Needs(memory_bytes=3 * GIB, gpus=1),
    JobKind.PREDICT: Needs(memory_bytes=2 * GIB, gpus=1),
    JobKind.SURGERY: Needs(memory_bytes=2 * GIB, gpus=1),
    JobKind.QUANTIZE: Needs(memory_bytes=3 * GIB, gpus=1),
    JobKind.EVALUATE: Needs(memory_bytes=2 * GIB, gpus=1),
    JobKind.CODES: Needs(memory_bytes=2 * GIB, gpus=1),
    JobKind.INIT_STUDY: Needs(memory_bytes=3 * GIB, gpus=1),
    JobKind.TRANSFER_STUDY: Needs(memory_bytes=4 * GIB, gpus=1),
    JobKind.REFERENCE: Needs(memory_bytes=2 * GIB, gpus=1),
    JobKind.VERIFY: Needs(memory_bytes=2 * GIB, gpus=1),
    JobKind.ALIAS: Needs(threads=1, memory_bytes=GIB // 4, gpus=0),
}
