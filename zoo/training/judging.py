"""Whether a trained network takes the place of the probe, and how much of the training it keeps."""

import math
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
    balanced_gain: float | None = None  # mean over the classes of the gain in each, where weighed
    balanced_error: float | None = None  # standard error of that

    def as_json(self) -> dict[str, Any]:
        """Write it down with plain JSON types."""
        told = asdict(self)
        if self.balanced_gain is None:
            del told["balanced_gain"], told["balanced_error"]
        return told

    def __str__(self) -> str:
        """Say it in a sentence."""
        figures = (
            f"on {self.pictures} held-out training pictures the trained network has "
            f"{self.trained_right} right, the probe {self.probe_right}: "
            f"{self.gain * 100:+.1f} +- {self.standard_error * 100:.1f} points "
            f"(McNemar's exact p = {self.p:.2g})"
        )
        if self.balanced_gain is not None and self.balanced_error:  # 0 where all agree
            figures += (
                f", {self.balanced_gain * 100:+.1f} +- {self.balanced_error * 100:.1f} of balanced "
                "accuracy"
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


def judge(
    probe: NDArray[np.bool_], trained: NDArray[np.bool_], labels: Labels | None = None
) -> Verdict:
    """Judge by which held-out pictures each has right, N booleans each.

    The trained one is better if it has more right, and either McNemar's exact p is below 0.05 or
    the gain is over one standard error of a difference of paired shares, which is computed with
    half a picture more on either side (Agresti and Min 2005): one picture is no proof.

    Where classes are weighed, ``labels`` are given, and the gain is that of balanced accuracy: the
    mean of the gains in each class. It has to be over its own standard error, or above 0 where
    there are significantly more right; and never with significantly fewer right, lest two pictures
    of a rare class outweigh twenty of another.
    """
    found = compare(probe, trained)
    gain, error = _gain(probe, trained)
    is_sure = found.p < SIGNIFICANT
    balanced_gain = balanced_error = None
    if labels is None:
        is_better = gain > 0 and (is_sure or gain > error)
    else:
        balanced_gain, balanced_error = _balanced_gain(probe, trained, labels)
        is_better = balanced_gain > 0 and (gain > 0 if is_sure else balanced_gain > balanced_error)
    return Verdict(
        is_better=is_better,
        pictures=len(probe),
        probe_right=int(probe.sum()),
        trained_right=int(trained.sum()),
        gain=gain,
        standard_error=error,
        p=found.p,
        balanced_gain=balanced_gain,
        balanced_error=balanced_error,
    )


def _gain(probe: NDArray[np.bool_], trained: NDArray[np.bool_]) -> tuple[float, float]:
    """Give the difference of two paired shares, and its standard error."""
    only_trained, only_probe = int((trained & ~probe).sum()), int((probe & ~trained).sum())
    total = len(probe)
    gain = (only_trained - only_probe) / total
    differing = (only_trained + only_probe + 1) / total
    return gain, float(np.sqrt(max(differing - gain**2, 0.0) / total))


def _balanced_gain(
    probe: NDArray[np.bool_], trained: NDArray[np.bool_], labels: Labels
) -> tuple[float, float]:
    """Give the mean over the classes of the difference in each, and its standard error.

    Classes in which both have the same pictures right add nothing to that.
    """
    classes = np.unique(labels)
    of_classes = [
        _gain(probe[labels == one], trained[labels == one])
        for one in np.unique(labels[probe != trained])
    ]
    gain = sum(one for one, _ in of_classes) / len(classes)
    return gain, math.sqrt(sum(error**2 for _, error in of_classes)) / len(classes)


def _between(
    before: Mapping[str, Tensor], after: Mapping[str, Tensor], share: float
) -> dict[str, Tensor]:
    """Give what lies between two sets of weights; counters are those of after."""
    return {
        name: before[name].lerp(tensor, share) if tensor.is_floating_point() else tensor
        for name, tensor in after.items()
    }
