"""How transferable the layers of a network are: the experiment of Yosinski et al., NeurIPS 2014.

A network is trained on task A, another on task B: the bases. Then its first n stages are taken over
from a base, the rest begins anew and is trained on B. ``BnB`` and ``AnB`` keep what was taken over
frozen, ``BnB+`` and ``AnB+`` go on training it. What ``BnB`` loses was adapted to the layers above;
what ``AnB`` loses beyond that was particular to A. ``random`` freezes stages that nobody trained.

Nothing is chosen by the validation pictures: the accuracy after the last epoch counts.
"""

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.fx import GraphModule

from zoo.networks.freezing import freeze_up_to
from zoo.training.schedule import one_cycle

MOMENTUM, WEIGHT_DECAY = 0.9, 5e-4  # the paper's
WARM_UP = 0.1  # share of the steps in which the rate rises
CLIP = 5.0  # norm of all gradients together
MEASURED_AT_ONCE = 64  # pictures

State = Mapping[str, Tensor]


class Treatment(StrEnum):
    """Where the first stages come from, and whether they are trained on."""

    BNB = "BnB"
    ANB = "AnB"
    BNB_PLUS = "BnB+"
    ANB_PLUS = "AnB+"
    RANDOM = "random"

    @property
    def is_frozen(self) -> bool:
        """Tell whether what was taken over stays as it is."""
        return self not in {Treatment.BNB_PLUS, Treatment.ANB_PLUS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How every network of a study is trained."""

    epochs: int
    rate: float  # the highest; it rises over the first tenth and falls to 0 by a cosine
    batch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """Pictures as they are fed, N x H x W x 3 uint8, and their classes by number."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a network is trained on and measured on."""

    training: Labelled
    validation: Labelled
    classes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What all trainings of a study share."""

    draw: Callable[[int, int], GraphModule]  # classes and seed to an untrained network of scores
    preprocess: nn.Module  # uint8 N x H x W x 3 to what the network reads
    course: Course
    check: Callable[[], None] = lambda: None  # after every step; raises where it should stop

    def train_base(self, task: Task, seed: int) -> tuple[State, float]:
        """Train a network from the beginning; give its tensors by name, and its accuracy."""
        network = self.draw(task.classes, seed)
        accuracy = self._train(network, task, seed)
        return network.state_dict(), accuracy

    def transfer(
        self, treatment: Treatment, base: State | None, end: str, task: Task, seed: int
    ) -> float:
        """Take over what lies up to the layer ``end``, train the rest on a task, give its accuracy.

        ``base`` are the tensors it is taken from; None leaves it as it was drawn.

        Raises:
            LayerNotFound: there is no such layer.
            Unsupported: it cannot be frozen alone.
        """
        network = self.draw(task.classes, seed)
        # Freezing tells which tensors lie below; a copy is asked where they go on being trained.
        frozen = network if treatment.is_frozen else copy.deepcopy(network)
        names = freeze_up_to(frozen, end)
        if base is not None:
            state = network.state_dict()
            for name in names:
                state[name].copy_(base[name])
        return self._train(network, task, seed)

    def _train(self, network: GraphModule, task: Task, seed: int) -> float:
        parameters = [tensor for tensor in network.parameters() if tensor.requires_grad]
        descent = torch.optim.SGD(
            parameters, lr=self.course.rate, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY
        )
        total = self.course.epochs * math.ceil(len(task.training.labels) / self.course.batch)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)  # dropout draws from it
            network.train()
            for step, (images, labels) in enumerate(self._batches(task.training, seed)):
                self.check()
                for group in descent.param_groups:
                    group["lr"] = self.course.rate * one_cycle(step, total, warm_up=WARM_UP)
                descent.zero_grad()
                nn.functional.cross_entropy(self._scores(network, images), labels).backward()
                nn.utils.clip_grad_norm_(parameters, CLIP)
                descent.step()
        return self._measure(network, task.validation)

    def _measure(self, network: GraphModule, part: Labelled) -> float:
        network.eval()
        right = 0
        with torch.inference_mode():
            for start in range(0, len(part.labels), MEASURED_AT_ONCE):
                chosen = slice(start, start + MEASURED_AT_ONCE)
                said = self._scores(network, part.images[chosen]).argmax(dim=1).numpy()
                right += int((said == part.labels[chosen]).sum())
        return right / len(part.labels)

    def _batches(self, part: Labelled, seed: int) -> Iterator[tuple[NDArray[np.uint8], Tensor]]:
        count = len(part.labels)
        for epoch in range(self.course.epochs):
            order = np.random.default_rng([seed, epoch]).permutation(count)
            for places in np.array_split(order, math.ceil(count / self.course.batch)):
                yield part.images[places], torch.from_numpy(part.labels[places])

    def _scores(self, network: GraphModule, images: NDArray[np.uint8]) -> Tensor:
        scores: Tensor = network(self.preprocess(torch.from_numpy(images)))
        return scores.flatten(1)
