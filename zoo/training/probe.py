"""The linear probe: logistic regression, or a linear SVM, on standardised codes."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.domain.plan import Classifier, Plan
from zoo.training.calibration import fit_temperature, softmax
from zoo.training.folds import divide, is_held_out
from zoo.training.level import Level
from zoo.training.logistic import Head, Labels, Matrix, fit_logistic
from zoo.training.metrics import Z_95, calibration_error
from zoo.training.spread import spread_of
from zoo.training.svm import fit_svm


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate(Level):
    """One value of C in the cross-validation."""

    c: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What scores are divided by, found on pictures that were held out of the fit in turn."""

    temperature: float
    error_before: float  # expected calibration error of those pictures, without it
    error_after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A fitted head, scores = codes @ weight.T + bias; standardisation, temperature folded in."""

    weight: NDArray[np.float32]  # K x D
    bias: NDArray[np.float32]  # K
    c: float | None  # None where nothing was fitted
    candidates: tuple[Candidate, ...]
    calibration: Calibration | None  # None where nothing could be held out; folded in as well
    stands_for: tuple[str, ...] = ()  # the class of the parent that each class is, of a zero-shot

    def as_json(self) -> dict[str, Any]:
        """Write down how C and the temperature were chosen, as training.json holds it."""
        return {
            "c": self.c,
            "stands_for": list(self.stands_for),
            "candidates": [candidate.as_json() for candidate in self.candidates],
            "calibration": asdict(self.calibration) if self.calibration else None,
        }


def fit_probe(codes: NDArray[np.float32], labels: Labels, plan: Plan) -> Probe:
    """Fit a head on N x D codes and N class indices, which must be 0 .. K-1, each present.

    C is the smallest whose cross-validated accuracy is within one standard error of the best
    (Breiman et al. 1984, section 3.4.3): the simplest model that cannot be told from the best.
    Where the plan weighs classes, that is their balanced accuracy: plain accuracy would undo the
    weights, as it is best where a rare class is never named.
    """
    exact = codes.astype(np.float64)
    held_out = _hold_out(exact, labels, plan) if plan.folds else None
    candidates = held_out.candidates if held_out else ()
    c = choose_c(candidates) if candidates else plan.c_grid[0]
    mean, deviation = _moments(exact)
    (head,) = _fit((exact - mean) / deviation, labels, plan, [c])
    calibration = held_out.calibrate(c, labels) if held_out else None
    # scores = W (x - m) / s + b, so the head that reads raw codes is W / s and b - (W / s) m.
    folded = head.weight / deviation
    sharpness = 1 / calibration.temperature if calibration else 1.0
    return Probe(
        weight=(folded * sharpness).astype(np.float32, order="C"),
        bias=((head.bias - folded @ mean) * sharpness).astype(np.float32),
        c=c,
        candidates=candidates,
        calibration=calibration,
    )


def cross_validate(codes: NDArray[np.float32], labels: Labels, plan: Plan) -> Candidate:
    """Give how good a head on these codes is, with the C that is best on held-out pictures."""
    candidates = _hold_out(codes.astype(np.float64), labels, plan).candidates
    return max(candidates, key=lambda candidate: candidate.judged)


def choose_c(candidates: tuple[Candidate, ...]) -> float:
    """Choose the smallest C within one standard error of the best mean accuracy.

    Where that is balanced accuracy, those are left out whose plain accuracy is significantly below
    another's that is as good: what a few pictures of rare classes cannot tell is not worth a third
    of all.
    """
    best = max(candidates, key=lambda candidate: candidate.judged)
    able = [one for one in candidates if one.judged >= best.judged - best.judged_error]
    plain = max(able, key=lambda candidate: candidate.accuracy)
    return min(
        one.c
        for one in able
        if plain.accuracy - one.accuracy
        <= Z_95 * math.hypot(plain.standard_error, one.standard_error)
    )


def calibrate(scores: Matrix, labels: Labels) -> Calibration:
    """Find the temperature of N x K scores of pictures that were held out."""
    temperature = fit_temperature(scores, labels)
    return Calibration(
        temperature=temperature,
        error_before=calibration_error(softmax(scores), labels),
        error_after=calibration_error(softmax(scores / temperature), labels),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _HeldOut:
    """What heads say of pictures that they were not fitted on."""

    candidates: tuple[Candidate, ...]
    scores: dict[float, Matrix]  # N x K by C
    told: NDArray[np.bool_]  # of which pictures they are; classes too rare are not held out

    def calibrate(self, c: float, labels: Labels) -> Calibration:
        """Find the temperature of one of the heads."""
        return calibrate(self.scores[c][self.told], labels[self.told])


def _hold_out(codes: Matrix, labels: Labels, plan: Plan) -> _HeldOut:
    """Fit a head for every C without each fold in turn, and ask it about that fold."""
    scores = {c: np.empty((len(labels), labels.max() + 1)) for c in plan.c_grid}
    shares, balanced = [], []
    for train, rest in divide(labels, plan.folds, plan.seed):
        mean, deviation = _moments(codes[train])
        scaled = (codes - mean) / deviation
        for c, head in zip(
            plan.c_grid, _fit(scaled[train], labels[train], plan, plan.c_grid), strict=True
        ):
            scores[c][rest] = head.scores(scaled[rest])
        right = [scores[c][rest].argmax(axis=1) == labels[rest] for c in plan.c_grid]
        shares.append(np.mean(right, axis=1))
        if plan.balanced:
            balanced.append(_mean_of_classes(np.array(right), labels[rest]))
    plain, told = _over_folds(shares), is_held_out(labels, plan.folds)
    weighed: Sequence[tuple[float, float] | tuple[None, None]] = [(None, None)] * len(plan.c_grid)
    if plan.balanced:
        least = [_least_error(scores[c][told], labels[told]) for c in plan.c_grid]
        weighed = [
            (mean, max(error, floor))
            for (mean, error), floor in zip(_over_folds(balanced), least, strict=True)
        ]
    return _HeldOut(
        candidates=tuple(
            Candidate(
                c=c,
                accuracy=mean,
                standard_error=error,
                balanced_accuracy=of_classes,
                balanced_error=their_error,
            )
            for c, (mean, error), (of_classes, their_error) in zip(
                plan.c_grid, plain, weighed, strict=True
            )
        ),
        scores=scores,
        told=told,
    )


def _mean_of_classes(right: NDArray[np.bool_], labels: Labels) -> Matrix:
    """Give the mean of each class's share of right answers, for every row of C x N booleans."""
    of_classes = [right[:, labels == one].mean(axis=1) for one in np.unique(labels)]
    means: Matrix = np.mean(of_classes, axis=0)
    return means


def _least_error(scores: Matrix, labels: Labels) -> float:
    """Give the standard error of a mean of classes' shares by their numbers of pictures alone.

    Folds with a picture or two of a rare class may happen to agree, which makes nothing certain.
    Each share is that of half a picture more on either side, so that none is 0 or 1.
    """
    right = scores.argmax(axis=1) == labels
    totals = np.bincount(labels)
    known = totals > 0
    shares = (np.bincount(labels, right)[known] + 0.5) / (totals[known] + 1)
    return float(np.sqrt((shares * (1 - shares) / totals[known]).sum()) / known.sum())


def _over_folds(values: list[Matrix]) -> list[tuple[float, float]]:
    """Give the mean over the folds for each C, and the standard error of that mean."""
    errors = np.std(values, axis=0, ddof=1) / np.sqrt(len(values))
    return [
        (float(mean), float(error))
        for mean, error in zip(np.mean(values, axis=0), errors, strict=True)
    ]


def _moments(codes: Matrix) -> tuple[Matrix, Matrix]:
    return codes.mean(axis=0), spread_of(codes)


def _fit(codes: Matrix, labels: Labels, plan: Plan, strengths: Sequence[float]) -> Iterator[Head]:
    """Fit what the plan says for each C in turn, on standardised codes."""
    counts = np.bincount(labels)
    by_class = len(labels) / (len(counts) * counts) if plan.balanced else np.ones(len(counts))
    if plan.classifier is Classifier.SVM:
        return fit_svm(codes, labels, strengths, by_class[labels], seed=plan.seed)
    return fit_logistic(codes, labels, strengths, by_class[labels])
