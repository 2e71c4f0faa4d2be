"""Probabilities that mean what they say: one temperature for all scores of a classifier."""

import numpy as np
from numpy.typing import NDArray

STEEPEST, FLATTEST = 100.0, 0.01  # what scores are multiplied by at most and at least
HALVINGS = 60  # of that range on a logarithmic scale; far below the precision of a score


def fit_temperature(scores: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Find the temperature T whose softmax(scores / T) has the least log loss.

    For N x K scores of pictures that the classifier was not fitted on, and N class indices (Guo et
    al. 2017, section 4.2). True classes count as probable by (N + 1) / (N + 2), not 1, the others
    share the rest (Platt 1999, section 2.2): few pictures that are all right are no proof of
    certainty. The loss is convex in 1 / T, so its slope's sign tells on which side the least is.
    """
    count, classes = scores.shape
    rest = 1 / (count + 2) / (classes - 1)
    picked = scores[np.arange(count), labels]
    truth = float((picked * (1 - classes * rest) + scores.sum(axis=1) * rest).mean())
    low, high = np.log(FLATTEST), np.log(STEEPEST)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        probabilities = softmax(scores * np.exp(middle))
        expected = float((probabilities * scores).sum(axis=1).mean())
        low, high = (middle, high) if expected < truth else (low, middle)
    return float(np.exp(-(low + high) / 2))


def softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the probabilities of N x K scores."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return shares
