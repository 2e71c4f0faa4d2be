"""Logistic regression with a quadratic penalty, to its optimum, for a whole path of penalties.

What is minimised is that of scikit-learn's ``LogisticRegression``: C times the sum of the losses of
all pictures plus half the squared length of the weights, the biases left free. Importing that
library takes as long as thirty such paths on some hundred pictures; those are what a probe needs.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoo.training.calibration import softmax

Matrix = NDArray[np.float64]
Labels = NDArray[np.int64]

TURNED = 2048  # numbers up to which codes are turned to their own axes, a matter of seconds there
TOLERANCE = 1e-7  # of the largest slope, where losses are averaged over the pictures
STEPS = 200  # of Newton; some ten are needed for a C, most of them for the largest
INNER_STEPS = 250  # of conjugate gradients in each of them
HALVINGS = 40  # of a step that leads too far
LEAST_FALL = 1e-4  # of what the slope promises, for a step to be taken
NOTHING = 1e-12  # of the largest axis: directions in which codes do not differ


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Scores are codes @ weight.T + bias."""

    weight: Matrix  # K x D
    bias: Matrix  # K

    def scores(self, codes: Matrix) -> Matrix:
        """Give the N x K scores of N x D codes."""
        found: Matrix = codes @ self.weight.T + self.bias
        return found


def fit_logistic(
    codes: Matrix, labels: Labels, strengths: Sequence[float], shares: Matrix
) -> Iterator[Head]:
    """Fit a head for each C in turn, on N x D codes and N class indices, 0 .. K-1.

    ``shares`` are how much each picture counts, 1 on average. Each fit begins where the one before
    ended, so ``strengths`` should rise.

    For two classes the weights of one are those of the other with their sign changed, and the
    penalty is that of their difference.
    """
    classes = int(labels.max()) + 1
    turned, back = _turn(codes)
    task = _Task(
        codes=np.column_stack([turned, np.ones(len(turned))]),
        truth=np.eye(classes)[labels],
        shares=shares[:, None] / shares.sum(),
        sizes=np.append(shares @ turned**2, shares.sum())[:, None] / shares.sum(),
    )
    held = np.zeros((turned.shape[1] + 1, classes))
    for c in strengths:
        # Two classes of opposite weights have half the penalty of their difference.
        halved = c / 2 if classes == 2 else c  # noqa: PLR2004  # the two-class case
        penalty = np.full((len(held), 1), 1 / (halved * shares.sum()))
        penalty[-1] = 0
        held = _minimise(task, held, penalty)
        yield Head(weight=back(held[:-1]).T, bias=held[-1] - held[-1].mean())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """Codes with a column of ones, and what they should be told to be."""

    codes: Matrix  # N x R + 1
    truth: Matrix  # N x K
    shares: Matrix  # N x 1, 1 together
    sizes: Matrix  # R + 1 x 1, mean square of each number


def _turn(codes: Matrix) -> tuple[Matrix, Callable[[Matrix], Matrix]]:
    """Turn codes to the axes along which they differ, and give what turns weights back.

    A penalty on the length of the weights does not see such a turn, and there are at most as many
    axes as pictures. Along them the curvature of the loss is nearly that of each axis alone.
    """
    count, width = codes.shape
    if min(count, width) > TURNED:
        return codes, lambda weights: weights
    if count < width:
        squares, places = np.linalg.eigh(codes @ codes.T)
        kept = squares > NOTHING * max(squares[-1], np.finfo(float).tiny)
        lengths = np.sqrt(squares[kept])
        axes = codes.T @ (places[:, kept] / lengths)
        return places[:, kept] * lengths, lambda weights: axes @ weights
    axes = np.linalg.eigh(codes.T @ codes)[1]
    return codes @ axes, lambda weights: axes @ weights


def _minimise(task: _Task, start: Matrix, penalty: Matrix) -> Matrix:
    """Go down by Newton's steps, each found by conjugate gradients and no longer than it serves."""
    held, scores = start, task.codes @ start
    loss = _loss(task, scores) + _cost(held, penalty)
    for _ in range(STEPS):
        probable = softmax(scores)
        slope = task.codes.T @ (task.shares * (probable - task.truth)) + penalty * held
        steepest = float(np.abs(slope).max())
        if steepest <= TOLERANCE:
            break
        step = _newton_step(task, probable, slope, penalty, reduction=min(0.1, steepest**0.5))
        moved, promised = task.codes @ step, float((slope * step).sum())
        for halving in range(HALVINGS):
            share = 0.5**halving
            further, beyond = held + share * step, scores + share * moved
            lower = _loss(task, beyond) + _cost(further, penalty)
            if lower <= loss + LEAST_FALL * share * promised:
                break
        else:
            break  # What is left of the slope is rounding.
        held, scores, loss = further, beyond, lower
    return held


def _newton_step(
    task: _Task, probable: Matrix, slope: Matrix, penalty: Matrix, *, reduction: float
) -> Matrix:
    """Solve curvature x step = -slope by conjugate gradients, until so little of it is left.

    Each axis is scaled by the curvature that it has alone (Jacobi's preconditioner).
    """
    weighed = task.shares * probable
    alone = (weighed * (1 - probable)).sum(axis=0)
    scale = task.sizes * alone + penalty + np.finfo(float).eps
    step, rest = np.zeros_like(slope), -slope
    scaled = rest / scale
    way, size = scaled, float((rest * scaled).sum())
    enough = size * reduction**2
    for _ in range(INNER_STEPS):
        change = weighed * (task.codes @ way)
        change -= probable * change.sum(axis=1, keepdims=True)
        bent = task.codes.T @ change + penalty * way
        curvature = float((way * bent).sum())
        if curvature <= 0:
            break  # The direction in which all biases rise, and nothing changes.
        step = step + size / curvature * way
        rest = rest - size / curvature * bent
        scaled = rest / scale
        before, size = size, float((rest * scaled).sum())
        if size <= enough:
            break
        way = scaled + size / before * way
    return step


def _loss(task: _Task, scores: Matrix) -> float:
    top = scores.max(axis=1, keepdims=True)
    logs = top[:, 0] + np.log(np.exp(scores - top).sum(axis=1))
    return float((task.shares[:, 0] * (logs - (scores * task.truth).sum(axis=1))).sum())


def _cost(held: Matrix, penalty: Matrix) -> float:
    return float((penalty * held**2).sum() / 2)
