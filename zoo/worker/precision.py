"""What codes of training pictures are computed in: bfloat16 where that is faster and as good.

What the processor can decides, and the codes of some training pictures in both; no clock does, so
the same machine gives the same codes again. Without torch: a fine-tune on kept codes asks too.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from zoo.domain.job import Job
from zoo.domain.plan import CodesPrecision
from zoo.domain.preprocessing import Preprocessing
from zoo.worker.witnesses import WITNESSES

CPU_INFO = Path("/proc/cpuinfo")
FLAGS = frozenset({"avx512_bf16", "amx_bf16"})  # instructions that multiply in bfloat16
LEAST_PX = 96  # side of pictures below which a pass costs little beside all else
ROUNDING = 1e-5  # share of the codes themselves; identical pictures differ by less from their mean
BOUND = 0.05  # most that codes may move, as a share of their spread over pictures


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What codes of training pictures are computed in, and what that rests on."""

    precision: CodesPrecision = CodesPrecision.FP32
    change: float | None = None  # of codes by bfloat16, in their spread; None where not measured
    because: tuple[str, ...] = ()

    @property
    def is_bf16(self) -> bool:
        """Tell whether they are computed in bfloat16."""
        return self.precision is CodesPrecision.BF16

    def as_json(self) -> dict[str, Any]:
        """Write it down as training.json holds it."""
        return {"precision": self.precision.value, "bf16_change": self.change}


def has_bfloat16() -> bool:
    """Tell whether the processor multiplies in bfloat16, as far as Linux on x86 tells."""
    try:
        lines = CPU_INFO.read_text(errors="replace").splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.startswith("flags")), "")
    return not FLAGS.isdisjoint(flags.split())


def asked_precision(job: Job) -> CodesPrecision:
    """Give what a fine-tune was asked to compute codes in."""
    return CodesPrecision(job.params.get("precision", CodesPrecision.AUTO))


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What codes of a network may be computed in here, before any are there."""

    asked: CodesPrecision
    is_weighed: bool  # bfloat16 comes into question, on this machine's processor

    @classmethod
    def of(cls, asked: CodesPrecision, pictures: Preprocessing) -> Self:
        """Tell it of a network that reads such pictures."""
        if asked is CodesPrecision.AUTO:
            is_weighed = min(pictures.crop_px) >= LEAST_PX and has_bfloat16()
        else:
            is_weighed = asked is CodesPrecision.BF16
        return cls(asked=asked, is_weighed=is_weighed)

    def as_json(self) -> dict[str, Any]:
        """Write it down with plain JSON types."""
        return {"asked": self.asked.value, "is_weighed": self.is_weighed}


def choose_precision(
    asked: CodesPrecision,
    exact: Mapping[str, NDArray[np.float32]],
    rough: Mapping[str, NDArray[np.float32]],
) -> Chosen:
    """Choose by the codes of some training pictures, N x D by tap, in fp32 and in bfloat16."""
    change = max(measure_change(exact[tap], rough[tap]) for tap in exact)
    if not math.isfinite(change):
        unknown = f"{WITNESSES} pictures at most have codes too alike to tell how far"
        if asked is CodesPrecision.BF16:
            because = (
                f"codes of training pictures in bfloat16, as asked for: {unknown} it moves them"
            )
            return Chosen(precision=asked, because=(because,))
        return Chosen(because=(f"codes in fp32: {unknown} bfloat16 would move them",))
    told = f"{change:.1%} of their spread on {WITNESSES} pictures at most"
    if asked is CodesPrecision.BF16:
        because = f"codes of training pictures in bfloat16, as asked for: it moves them by {told}"
        return Chosen(precision=asked, change=change, because=(because,))
    if change <= BOUND:
        because = (
            "the processor multiplies in bfloat16: codes of training pictures are computed so, "
            f"which moves them by {told} (allowed: {BOUND:.0%})"
        )
        return Chosen(precision=CodesPrecision.BF16, change=change, because=(because,))
    because = f"codes in fp32: bfloat16 moves them by {told} (allowed: {BOUND:.0%})"
    return Chosen(change=change, because=(because,))


def measure_change(exact: NDArray[np.float32], rough: NDArray[np.float32]) -> float:
    """Give how far N x D codes moved, as a share of how far they lie from their mean.

    Infinite where that is nothing but rounding, or where a number is none.
    """
    spread = float(np.linalg.norm(exact - exact.mean(axis=0)))
    least = ROUNDING * float(np.linalg.norm(exact))
    change = float(np.linalg.norm(rough - exact)) / spread if spread > least else np.inf
    return change if np.isfinite(change) else float("inf")
