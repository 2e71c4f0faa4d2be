"""Whether a trained network takes the place of the probe, and how much of the training it keeps."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from zoo.training.loop import held_out_loss
from zoo.training.metrics import compare

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
SIGNIFICANT = 0.05

Scores = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """Weights on the way from those before the training to those after it."""

    share: float  # 1 is after
    loss: float
    accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Two heads on the same held-out pictures."""

    is_better: bool  # the trained one than the probe
    pictures: int
    probe_right: int
    trained_right: int
    gain: float  # of accuracy
    standard_error: float  # of that gain
    p: float  # McNemar's, exact

    def as_json(self) -> dict[str, Any]:
        """Write it down with plain JSON types."""
        return asdict(self)

    def __str__(self) -> str:
        """Say it in a sentence."""
        figures = (
            f"on {self.pictures} held-out training pictures the trained network has "
            f"{self.trained_right} right, the probe {self.probe_right}: "
            f"{self.gain * 100:+.1f} +- {self.standard_error * 100:.1f} points "
            f"(McNemar's exact p = {self.p:.2g})"
        )
        answer = "the trained network takes its place" if self.is_better else "the probe stays"
        return f"{figures}; {answer}"


def choose_mix(
    before: Mapping[str, Tensor],
    after: Mapping[str, Tensor],
    score: Callable[[Mapping[str, Tensor]], Scores],
    labels: Labels,
) -> tuple[dict[str, Tensor], tuple[Mix, ...], Mix]:
    """Choose what lies between two sets of weights by the log loss of held-out pictures.

    Averages of fine-tuned weights with those they began as are often better than both, and more
    robust (Wortsman et al. 2022, WiSE-FT). Gives the weights, what was tried, and the chosen one.
    """
    tried = []
    for share in SHARES:
        loss, accuracy = held_out_loss(score(_between(before, after, share)), labels)
        tried.append(Mix(share=share, loss=loss, accuracy=accuracy))
    chosen = min(tried, key=lambda mix: mix.loss)
    return _between(before, after, chosen.share), tuple(tried), chosen


def judge(probe: NDArray[np.bool_], trained: NDArray[np.bool_]) -> Verdict:
    """Judge by which held-out pictures each has right, N booleans each.

    The trained one is better if it has more right, and either McNemar's exact p is below 0.05 or
    the gain is over one standard error of a difference of paired shares, which is computed with
    half a picture more on either side (Agresti and Min 2005): one picture is no proof.
    """
    found = compare(probe, trained)
    total = len(probe)
    gain = (found.only_second - found.only_first) / total
    differing = (found.only_second + found.only_first + 1) / total
    error = float(np.sqrt(max(differing - gain**2, 0.0) / total))
    return Verdict(
        is_better=gain > 0 and (found.p < SIGNIFICANT or gain > error),
        pictures=total,
        probe_right=int(probe.sum()),
        trained_right=int(trained.sum()),
        gain=gain,
        standard_error=error,
        p=found.p,
    )


def _between(
    before: Mapping[str, Tensor], after: Mapping[str, Tensor], share: float
) -> dict[str, Tensor]:
    """Give what lies between two sets of weights; counters are those of after."""
    return {
        name: before[name].lerp(tensor, share) if tensor.is_floating_point() else tensor
        for name, tensor in after.items()
    }
