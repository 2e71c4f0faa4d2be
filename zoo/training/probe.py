"""The linear probe: logistic regression, or a linear SVM, on standardised codes."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import LinearSVC

from zoo.domain.plan import Classifier, Plan
from zoo.training.calibration import fit_temperature, softmax
from zoo.training.metrics import calibration_error

Matrix = NDArray[np.float64]
Labels = NDArray[np.int64]
SVM_STEPS = 100_000  # of coordinate descent; the small values of C need some hundred
STEPS = 2000  # of L-BFGS; standardised codes need a few hundred


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One value of C in the cross-validation."""

    c: float
    accuracy: float  # mean over the folds
    standard_error: float  # of that mean


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
            "candidates": [asdict(candidate) for candidate in self.candidates],
            "calibration": asdict(self.calibration) if self.calibration else None,
        }


def fit_probe(codes: NDArray[np.float32], labels: Labels, plan: Plan) -> Probe:
    """Fit a head on N x D codes and N class indices, which must be 0 .. K-1, each present.

    C is the smallest whose cross-validated accuracy is within one standard error of the best
    (Breiman et al. 1984, section 3.4.3): the simplest model that cannot be told from the best.
    """
    exact = codes.astype(np.float64)
    candidates = _cross_validate(exact, labels, plan) if plan.folds else ()
    c = choose_c(candidates) if candidates else plan.c_grid[0]
    mean, deviation = _moments(exact)
    model = _model(plan).set_params(C=c).fit((exact - mean) / deviation, labels)
    weight, bias = _both_sides(model)
    calibration = (
        calibrate(_held_out_scores(exact, labels, plan, c), labels) if candidates else None
    )
    # scores = W (x - m) / s + b, so the head that reads raw codes is W / s and b - (W / s) m.
    folded = weight / deviation
    sharpness = 1 / calibration.temperature if calibration else 1.0
    return Probe(
        weight=(folded * sharpness).astype(np.float32),
        bias=((bias - folded @ mean) * sharpness).astype(np.float32),
        c=c,
        candidates=candidates,
        calibration=calibration,
    )


def cross_validate(codes: NDArray[np.float32], labels: Labels, plan: Plan) -> Candidate:
    """Give how good a head on these codes is, with the C that is best on held-out pictures."""
    candidates = _cross_validate(codes.astype(np.float64), labels, plan)
    return max(candidates, key=lambda candidate: candidate.accuracy)


def choose_c(candidates: tuple[Candidate, ...]) -> float:
    """Choose the smallest C within one standard error of the best mean accuracy."""
    best = max(candidates, key=lambda candidate: candidate.accuracy)
    floor = best.accuracy - best.standard_error
    return min(candidate.c for candidate in candidates if candidate.accuracy >= floor)


def calibrate(scores: Matrix, labels: Labels) -> Calibration:
    """Find the temperature of N x K scores of pictures that were held out."""
    temperature = fit_temperature(scores, labels)
    return Calibration(
        temperature=temperature,
        error_before=calibration_error(softmax(scores), labels),
        error_after=calibration_error(softmax(scores / temperature), labels),
    )


def _held_out_scores(codes: Matrix, labels: Labels, plan: Plan, c: float) -> Matrix:
    """Give every picture the scores of a head that was fitted without its fold, N x K."""
    scores = np.empty((len(labels), labels.max() + 1))
    for train, held_out in _folds(codes, labels, plan):
        mean, deviation = _moments(codes[train])
        model = _model(plan).set_params(C=c)
        model.fit((codes[train] - mean) / deviation, labels[train])
        weight, bias = _both_sides(model)
        scores[held_out] = (codes[held_out] - mean) / deviation @ weight.T + bias
    return scores


def _folds(
    codes: Matrix, labels: Labels, plan: Plan
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Divide the pictures so that each class keeps its share: those to fit on, those held out."""
    splitter = StratifiedKFold(n_splits=plan.folds, shuffle=True, random_state=plan.seed)
    yield from splitter.split(codes, labels)


def _cross_validate(codes: Matrix, labels: Labels, plan: Plan) -> tuple[Candidate, ...]:
    """Measure every C of the plan on folds."""
    scores = np.array(
        [
            _score_fold(codes, labels, train, held_out, plan)
            for train, held_out in _folds(codes, labels, plan)
        ]
    )
    errors = scores.std(axis=0, ddof=1) / np.sqrt(plan.folds)
    return tuple(
        Candidate(c=c, accuracy=float(mean), standard_error=float(error))
        for c, mean, error in zip(plan.c_grid, scores.mean(axis=0), errors, strict=True)
    )


def _score_fold(
    codes: Matrix, labels: Labels, train: NDArray[np.intp], held_out: NDArray[np.intp], plan: Plan
) -> list[float]:
    """Fit on one side of a fold and give the accuracy on the other, for every C in turn."""
    mean, deviation = _moments(codes[train])
    scaled = (codes - mean) / deviation
    model = _model(plan)  # Each fit starts where the one before ended, which saves most steps.
    return [
        float(
            model.set_params(C=c)
            .fit(scaled[train], labels[train])
            .score(scaled[held_out], labels[held_out])
        )
        for c in plan.c_grid
    ]


def _moments(codes: Matrix) -> tuple[Matrix, Matrix]:
    """Give mean and deviation of every code; one that never changes is left as it is."""
    deviation = codes.std(axis=0)
    return codes.mean(axis=0), np.where(deviation > 0, deviation, 1.0)


def _model(plan: Plan) -> LogisticRegression | LinearSVC:
    weights = "balanced" if plan.balanced else None
    if plan.classifier is Classifier.SVM:
        return LinearSVC(class_weight=weights, random_state=plan.seed, max_iter=SVM_STEPS)
    return LogisticRegression(max_iter=STEPS, warm_start=True, class_weight=weights)


def _both_sides(model: LogisticRegression | LinearSVC) -> tuple[Matrix, Matrix]:
    """Give one row of weights a class; for two classes the library keeps only their difference."""
    weight, bias = model.coef_, model.intercept_
    if len(model.classes_) == 2:  # noqa: PLR2004  # the two-class case
        return np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    return weight, bias
