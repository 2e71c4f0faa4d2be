"""A linear support vector machine for each of a path of penalties."""

from collections.abc import Iterator, Sequence

import numpy as np

from zoo.training.logistic import Head, Labels, Matrix

STEPS = 100_000  # of coordinate descent; the small values of C need some hundred


def fit_svm(
    codes: Matrix, labels: Labels, strengths: Sequence[float], shares: Matrix, *, seed: int
) -> Iterator[Head]:
    """Fit a head for each C in turn, on N x D codes and N class indices, 0 .. K-1.

    ``shares`` are how much each picture counts. One class against the rest, squared hinge loss.
    """
    # It takes a second, which those who ask for no such machine save.
    from sklearn.svm import LinearSVC  # noqa: PLC0415

    for c in strengths:
        model = LinearSVC(C=c, random_state=seed, max_iter=STEPS)
        model.fit(codes, labels, sample_weight=shares)
        weight, bias = model.coef_, model.intercept_
        if len(weight) == 1:  # For two classes the library keeps only their difference.
            weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
        yield Head(weight=weight, bias=bias)
