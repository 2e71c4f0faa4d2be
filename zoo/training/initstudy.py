"""What filters begin as, compared: one small network trained from each scheme, in the same way.

Everything but the first numbers is equal for a seed: the pictures, their order, the rate. Nothing
is chosen by the accuracy on the validation pictures, so it is an honest one.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.fx import GraphModule

from zoo.filters.scheme import Scheme
from zoo.networks.blobs import run_blobs
from zoo.networks.initial import initialise
from zoo.networks.tracing import trace_network

WIDTHS = (16, 32, 32)  # filters of the three convolutions
WINDOW = 3
SMALLEST_PX = 8  # of a side; two poolings leave a quarter
BATCH = 20
MOMENTUM = 0.9
LOOKED_AT = 256  # training pictures that schemes look at, and that activations are measured on
LAYERS = {"conv1": "relu1", "conv2": "relu2", "conv3": "relu3", "fc": "fc"}  # and their activations


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """What is compared, and how it is trained."""

    schemes: tuple[Scheme, ...]
    epochs: int
    seeds: int  # as many runs a scheme, by the seeds 0, 1, ...
    rate: float
    classes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Prepared pictures, float N x C x side x side, and their classes by number."""

    images: Tensor
    labels: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One training: what it came to, and how it began."""

    accuracies: tuple[float, ...]  # on the validation pictures, after each epoch
    activations: Mapping[str, float]  # standard deviation behind each layer, before training
    gradients: Mapping[str, float]  # standard deviation of each weight's, at the first step
    is_finite: bool  # whether the scores stayed numbers


def run_study(
    study: Study,
    training: Part,
    validation: Part,
    report: Callable[[int, int], None],
) -> dict[str, tuple[Run, ...]]:
    """Train from every scheme with every seed, on the CPU; equal arguments give equal figures.

    ``report`` is told (done, total) epochs.

    Raises:
        Invalid: a scheme has no filters for the network.
    """
    total = len(study.schemes) * study.seeds * study.epochs
    found: dict[str, tuple[Run, ...]] = {}
    for index, scheme in enumerate(study.schemes):
        runs = []
        for seed in range(study.seeds):
            before = (index * study.seeds + seed) * study.epochs
            run = _Run(study, training, validation, seed)
            run.begin(scheme)
            for epoch in range(study.epochs):
                run.train()
                report(before + epoch + 1, total)
            runs.append(run.finish())
        found[str(scheme)] = tuple(runs)
    return found


def build_small(channels: int, side: int, classes: int, *, seed: int) -> GraphModule:
    """Build three convolutions with ReLU, two poolings between, and one fully connected layer.

    Its weights are as PyTorch draws them, by the seed.
    """
    first, second, third = WIDTHS
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = nn.Sequential(
            OrderedDict(
                conv1=nn.Conv2d(channels, first, WINDOW, padding=1),
                relu1=nn.ReLU(),
                pool1=nn.MaxPool2d(2),
                conv2=nn.Conv2d(first, second, WINDOW, padding=1),
                relu2=nn.ReLU(),
                pool2=nn.MaxPool2d(2),
                conv3=nn.Conv2d(second, third, WINDOW, padding=1),
                relu3=nn.ReLU(),
                flatten=nn.Flatten(),
                fc=nn.Linear(third * (side // 4) ** 2, classes),
            )
        )
    return trace_network(module, shape=(channels, side, side))


class _Run:
    """One network from its first numbers on."""

    def __init__(self, study: Study, training: Part, validation: Part, seed: int) -> None:
        self.seed = seed
        self.training, self.validation = training, validation
        _, channels, side, _ = training.images.shape
        self.network = build_small(channels, side, study.classes, seed=seed)
        self.descent = torch.optim.SGD(self.network.parameters(), lr=study.rate, momentum=MOMENTUM)
        self.rng = np.random.default_rng(seed)  # of the order, the same one for every scheme
        self.accuracies: list[float] = []
        self.activations: dict[str, float] = {}
        self.gradients: dict[str, float] = {}
        self.is_finite = True

    def begin(self, scheme: Scheme) -> None:
        """Draw the first numbers and look at what they do."""
        seen = self.training.images[:LOOKED_AT]
        initialise(self.network, scheme, seed=self.seed, inputs=(seen,))
        blobs = run_blobs(self.network, seen)
        self.activations = {
            layer: float(blobs[blob].std(correction=0)) for layer, blob in LAYERS.items()
        }

    def train(self) -> None:
        """Go over the training pictures once, then measure."""
        for images, labels in self._batches():
            self.descent.zero_grad()
            nn.functional.cross_entropy(self.network(images), labels).backward()
            if not self.gradients:
                self.gradients = {layer: self._gradient(layer) for layer in LAYERS}
            self.descent.step()
        with torch.inference_mode():
            scores = self.network(self.validation.images)
        right = int((scores.argmax(dim=1) == self.validation.labels).sum())
        self.is_finite = self.is_finite and bool(scores.isfinite().all())
        self.accuracies.append(right / len(scores))

    def finish(self) -> Run:
        """Give what was found."""
        return Run(
            accuracies=tuple(self.accuracies),
            activations=self.activations,
            gradients=self.gradients,
            is_finite=self.is_finite,
        )

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        count = len(self.training.images)
        order = torch.from_numpy(self.rng.permutation(count))
        for places in order.tensor_split(math.ceil(count / BATCH)):
            yield self.training.images[places], self.training.labels[places]

    def _gradient(self, layer: str) -> float:
        gradient = self.network.get_parameter(f"{layer}.weight").grad
        assert gradient is not None
        return float(gradient.std(correction=0))
