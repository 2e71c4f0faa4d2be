"""Fitting a linear head on codes and measuring it on the pictures it has not seen."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from zoo.domain.dataset import Dataset, Split
from zoo.domain.plan import Plan
from zoo.training.codes import Codes
from zoo.training.metrics import Metrics, measure
from zoo.training.probe import Probe, fit_probe

SPLITS = (Split.TRAIN, Split.VAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A head and how good it is."""

    probe: Probe
    metrics: Mapping[Split, Metrics]
    val_probabilities: NDArray[np.float32]  # N x K, torch's, in the order of the VAL pictures


def fit_head(codes: Mapping[str, Codes], dataset: Dataset, plan: Plan) -> Fit:
    """Fit a head on the codes of the training pictures, given by digest, and measure it.

    The validation pictures take no part in any choice.
    """
    stacked = {
        split: np.stack([codes[picture.digest] for picture in dataset.of_split(split)])
        for split in SPLITS
    }
    labels = {split: labels_of(dataset, split) for split in SPLITS}
    probe = fit_probe(stacked[Split.TRAIN], labels[Split.TRAIN], plan)
    probabilities = {split: predict_codes(probe, stacked[split]) for split in SPLITS}
    classes = list(dataset.classes)
    return Fit(
        probe=probe,
        metrics={split: measure(probabilities[split], labels[split], classes) for split in SPLITS},
        val_probabilities=probabilities[Split.VAL],
    )


def labels_of(dataset: Dataset, split: Split) -> NDArray[np.int64]:
    """Give the class index of every picture of a split, by the dataset's order of names."""
    index = {label: number for number, label in enumerate(dataset.classes)}
    return np.array([index[picture.label] for picture in dataset.of_split(split)])


def predict_codes(probe: Probe, codes: Codes) -> NDArray[np.float32]:
    """Give N x K probabilities for N x D codes, as the network's head does."""
    with torch.inference_mode():
        scores = torch.nn.functional.linear(
            torch.from_numpy(codes), torch.from_numpy(probe.weight), torch.from_numpy(probe.bias)
        )
        probabilities: NDArray[np.float32] = scores.softmax(dim=1).numpy()
    return probabilities
