"""Fitting a linear head on codes and measuring it on the pictures it has not seen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoo.domain.dataset import Dataset, Split
from zoo.domain.plan import Classifier, Plan
from zoo.errors import Invalid
from zoo.training.cache import Codes
from zoo.training.calibration import softmax
from zoo.training.metrics import Metrics, measure
from zoo.training.probe import Probe, calibrate, fit_probe
from zoo.training.zeroshot import map_classes

SPLITS = (Split.TRAIN, Split.VAL)
KINDS = {Classifier.LOGISTIC: "logistic regression", Classifier.SVM: "a linear SVM"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A head and how good it is."""

    probe: Probe
    metrics: Mapping[Split, Metrics]
    val_probabilities: NDArray[np.float32]  # N x K, in the order of the VAL pictures

    @property
    def told(self) -> str:
        """Tell the accuracy on the validation pictures, with its interval."""
        accuracy = self.metrics[Split.VAL].accuracy
        return f"{accuracy.value:.3f} ({accuracy.low:.3f}..{accuracy.high:.3f} at 95 %)"


def fit_head(codes: Mapping[str, Codes], dataset: Dataset, plan: Plan) -> Fit:
    """Fit a head on the codes of the training pictures, given by digest, and measure it.

    The validation pictures take no part in any choice.
    """
    return measure_head(learn_head(codes, dataset, plan), codes, dataset)


def learn_head(codes: Mapping[str, Codes], dataset: Dataset, plan: Plan) -> Probe:
    """Fit a head on the codes of the training pictures, given by digest."""
    training = _stack(codes, dataset, Split.TRAIN)
    return fit_probe(training, labels_of(dataset, Split.TRAIN), plan)


def measure_head(
    probe: Probe,
    codes: Mapping[str, Codes],
    dataset: Dataset,
    *,
    val_probabilities: NDArray[np.float32] | None = None,
) -> Fit:
    """Measure a head on the codes of pictures, given by digest.

    Where the exported graph has answered for the validation pictures, N x K in their order, their
    codes are not needed.
    """
    if val_probabilities is None:
        val_probabilities = predict_codes(probe, _stack(codes, dataset, Split.VAL))
    probabilities = {
        Split.TRAIN: predict_codes(probe, _stack(codes, dataset, Split.TRAIN)),
        Split.VAL: val_probabilities,
    }
    classes = list(dataset.classes)
    return Fit(
        probe=probe,
        metrics={
            split: measure(probabilities[split], labels_of(dataset, split), classes)
            for split in SPLITS
        },
        val_probabilities=val_probabilities,
    )


def _stack(codes: Mapping[str, Codes], dataset: Dataset, split: Split) -> NDArray[np.float32]:
    return np.stack([codes[picture.digest] for picture in dataset.of_split(split)])


def borrow_head(
    codes: Mapping[str, Codes],
    dataset: Dataset,
    head: tuple[NDArray[np.float32], NDArray[np.float32]],
    known: Sequence[str],
) -> Probe:
    """Take the rows of a network's own head that stand for the classes of a dataset.

    ``head`` is the weight, M x D, and the bias of the scores over the ``known`` classes. Which one
    stands for which is told by names, else by training pictures (``map_classes``), and so is the
    temperature; nothing else is learned.

    Raises:
        Invalid: the network knows fewer classes than the dataset has.
    """
    if len(known) < len(dataset.classes):
        raise Invalid(
            f"The network knows {len(known)} classes, dataset {dataset.name!r} has "
            f"{len(dataset.classes)}; there is none to stand for some of them.",
            hint="Fit a classifier: --strategy probe",
        )
    labels = labels_of(dataset, Split.TRAIN)
    weight, bias = head
    training = _stack(codes, dataset, Split.TRAIN)
    scores = training.astype(np.float64) @ weight.T.astype(np.float64) + bias
    rows = map_classes(scores, labels, dataset.classes, known)
    calibration = calibrate(scores[:, rows], labels)
    return Probe(
        weight=(weight[rows] / calibration.temperature).astype(np.float32),
        bias=(bias[rows] / calibration.temperature).astype(np.float32),
        c=None,
        candidates=(),
        calibration=calibration,
        stands_for=tuple(known[row] for row in rows),
    )


def labels_of(dataset: Dataset, split: Split) -> NDArray[np.int64]:
    """Give the class index of every picture of a split, by the dataset's order of names."""
    index = {label: number for number, label in enumerate(dataset.classes)}
    return np.array([index[picture.label] for picture in dataset.of_split(split)])


def predict_codes(probe: Probe, codes: Codes) -> NDArray[np.float32]:
    """Give N x K probabilities for N x D codes, as the network's head does, but for rounding."""
    scores = codes.astype(np.float64) @ probe.weight.T.astype(np.float64) + probe.bias
    return softmax(scores).astype(np.float32)
