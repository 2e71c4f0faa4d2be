"""Training by gradient descent that can stop at any step and go on to the same bits.

Everything random follows from the seed and the step, so what a snapshot holds is tensors and
counts. What is measured and kept is the moving average of the weights, on pictures held out of the
training ones.
"""

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call

from zoo.domain.training import Measured, Training
from zoo.errors import Interrupted, OutOfMemory, TrainingDiverged
from zoo.training.learner import Learner
from zoo.training.mixing import draw_blend
from zoo.training.ranks import ALONE, Ranks
from zoo.training.schedule import one_cycle

MEASURED_AT_ONCE = 32
SNAPSHOT_S = 30.0
NAMED = 4  # pictures of a batch that an error names
AVERAGING_BEGINS = 10  # the average of t steps forgets no faster than t / (t + 10)
MEMORY_RAN_OUT = ("out of memory", "not enough memory", "can't allocate memory")

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)

Labels = NDArray[np.int64]
State = dict[str, Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """Pictures to learn from, or to be measured on."""

    labels: Labels
    names: Sequence[str]
    read: Callable[[Sequence[int], int], Tensor]  # places and epoch to what the body reads


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Parameters that share a rate."""

    parameters: list[nn.Parameter]
    rate: float  # the highest


@dataclass(slots=True)
class Counts:
    """Where a training stands, beside its tensors."""

    step: int = 0
    parts: int = 1  # that a batch is divided into, so that it fits into memory
    loss: float = 0.0  # sum over the steps of this epoch
    best: int = 0  # epoch
    curve: list[Measured] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Write it down with plain JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Counts":
        """Read what ``as_json`` wrote."""
        return cls(**data | {"curve": [Measured(**one) for one in data["curve"]]})


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All that a training needs to go on."""

    counts: dict[str, Any]
    tensors: State  # by "kind/name": now, average, speed, best


@dataclass(slots=True, kw_only=True)
class Loop:
    """One training."""

    learner: Learner
    groups: Sequence[Group]
    training: Training
    lesson: Lesson
    held_out: Lesson
    weights: Tensor | None  # of the classes
    seed: int
    save: Callable[[Snapshot], None]
    check: Callable[[], None] = lambda: None  # raises where it should stop
    report: Callable[[int, int], None] = lambda *_: None
    measured: Callable[[Measured], None] = lambda _: None  # after every epoch
    ranks: Ranks = ALONE
    counts: Counts = field(default_factory=Counts)
    average: State = field(default_factory=dict)
    best: State = field(default_factory=dict)
    _descent: torch.optim.SGD = field(init=False)
    _saved: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        """Begin, before the first step."""
        training = self.training
        self._descent = torch.optim.SGD(
            [{"params": group.parameters, "lr": group.rate} for group in self.groups],
            momentum=training.momentum,
            nesterov=training.momentum > 0,
            weight_decay=training.weight_decay,
        )
        self.average = _copies(self._now())
        self.best = _copies(self.average)
        self._saved = time.monotonic()

    @property
    def steps(self) -> int:
        """How many steps all epochs have."""
        return self.training.epochs * self._steps_an_epoch

    def resume(self, snapshot: Snapshot) -> None:
        """Go on where a snapshot was taken."""
        self.counts = Counts.from_json(snapshot.counts)
        kinds: dict[str, State] = {"now": {}, "average": {}, "speed": {}, "best": {}}
        for name, tensor in snapshot.tensors.items():
            kind, _, rest = name.partition("/")
            kinds[kind][rest] = tensor
        now = self._now()
        with torch.no_grad():
            for name, tensor in now.items():
                tensor.copy_(kinds["now"][name])
        for kind in ("average", "best"):
            kept = getattr(self, kind)
            for name, tensor in kinds[kind].items():
                kept[name].copy_(tensor)
        for name, parameter in self._trained():
            if name in kinds["speed"]:
                speed = kinds["speed"][name].to(parameter.device)
                self._descent.state[parameter]["momentum_buffer"] = speed

    def run(self) -> Counts:
        """Train to the end; ``best`` holds the weights that are best on the held-out pictures.

        Raises:
            TrainingDiverged: a loss or a gradient is no number any more.
            OutOfMemory: not even single pictures fit.
        """
        try:
            while True:
                epoch, inside = divmod(self.counts.step, self._steps_an_epoch)
                if inside == 0 and epoch == len(self.counts.curve):
                    self._measure(epoch)
                    self._save()
                if self.counts.step >= self.steps or self._is_over:
                    break
                self.ranks.check(self.check)
                self._step()
                if time.monotonic() - self._saved > SNAPSHOT_S:
                    self._save()
                self.report(self.counts.step, self.steps)
        except Interrupted:
            self._save()
            raise
        return self.counts

    def measure(self, state: Mapping[str, Tensor], lesson: Lesson) -> NDArray[np.float64]:
        """Give the scores of pictures with some weights, N x K."""
        batches = range(0, len(lesson.labels), MEASURED_AT_ONCE)
        return np.concatenate([self._scores(state, lesson, start) for start in batches])

    def _scores(
        self, state: Mapping[str, Tensor], lesson: Lesson, start: int
    ) -> NDArray[np.float64]:
        if self.ranks.is_first:
            self.check()
        self.learner.eval()
        places = range(start, min(start + MEASURED_AT_ONCE, len(lesson.labels)))
        with torch.inference_mode():
            scores = functional_call(self.learner, dict(state), (lesson.read(places, 0),))
            found: NDArray[np.float64] = scores.double().cpu().numpy()
        return found

    def _measure_together(self, state: Mapping[str, Tensor], lesson: Lesson) -> NDArray[np.float64]:
        """Give what ``measure`` gives, each rank having had its share of the batches."""
        if self.ranks.count == 1:
            return self.measure(state, lesson)
        device = self.learner.mean.device
        together = torch.zeros(
            (len(lesson.labels), self.learner.head.out_features), dtype=torch.float64, device=device
        )
        starts = range(0, len(lesson.labels), MEASURED_AT_ONCE)
        for start in starts[self.ranks.rank :: self.ranks.count]:
            scores = torch.from_numpy(self._scores(state, lesson, start))
            together[start : start + len(scores)] = scores.to(device)
        self.ranks.add([together])
        return together.cpu().numpy()

    @property
    def _steps_an_epoch(self) -> int:
        return math.ceil(len(self.lesson.labels) / self.training.batch)

    @property
    def _is_over(self) -> bool:
        """Tell whether the held-out loss has not fallen for too long."""
        waited = len(self.counts.curve) - 1 - self.counts.best
        return waited > max(2, round(self.training.patience * self.training.epochs))

    def _trained(self) -> Iterator[tuple[str, nn.Parameter]]:
        for name, parameter in self.learner.named_parameters():
            if parameter.requires_grad:
                yield name, parameter

    def _now(self) -> State:
        """Give what training changes, by name: parameters, and statistics where they count."""
        found = {name: parameter.data for name, parameter in self._trained()}
        if self.training.has_statistics:
            found |= {f"body.{name}": each for name, each in self.learner.body.named_buffers()}
        return found

    def _step(self) -> None:
        epoch, place = divmod(self.counts.step, self._steps_an_epoch)
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.lesson.labels))
        places = np.array_split(order, self._steps_an_epoch)[place].tolist()
        share = one_cycle(self.counts.step, self.steps, warm_up=self.training.warm_up)
        for group, own in zip(self._descent.param_groups, self.groups, strict=True):
            group["lr"] = own.rate * share
        loss = self._gradients(places, epoch)
        if self.ranks.count > 1:
            loss = self._gather(loss)
        self._refuse_divergence(loss, places, share)
        self._descent.step()
        self.counts.step += 1
        self.counts.loss += loss
        self._follow()

    def _gradients(self, places: list[int], epoch: int) -> float:
        """Fill in the gradients of a batch, in as many parts as memory asks for; give the loss."""
        while True:
            try:
                return self._gradients_in_parts(places, epoch)
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                if self.counts.parts >= len(places):
                    raise OutOfMemory(
                        f"Memory ran out at step {self.counts.step + 1}, on a single picture.",
                        step=self.counts.step + 1,
                    ) from error
            # The batch stays what it is; it is only gone through in smaller parts.
            self.counts.parts *= 2
            self._descent.zero_grad(set_to_none=True)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def _gather(self, loss: float) -> float:
        """Add up what all ranks found of a batch, so that each takes the same step."""
        gradients = []
        for _, parameter in self._trained():
            if parameter.grad is None:  # It had none of the pictures.
                parameter.grad = torch.zeros_like(parameter)
            gradients.append(parameter.grad)
        self.ranks.add(gradients)
        if self.training.has_statistics:
            statistics = [one for one in self.learner.body.buffers() if one.is_floating_point()]
            self.ranks.add(statistics)
            for one in statistics:
                one.div_(self.ranks.count)
        total = torch.tensor([loss], dtype=torch.float64, device=self.learner.mean.device)
        self.ranks.add([total])
        return float(total)

    def _gradients_in_parts(self, places: list[int], epoch: int) -> float:
        _set_modes(self.learner, self.training)
        self._descent.zero_grad(set_to_none=True)
        labels = torch.from_numpy(self.lesson.labels[places])
        total = float(len(places) if self.weights is None else self.weights.cpu()[labels].sum())
        loss = 0.0
        seed, step = self.seed, self.counts.step
        blend = draw_blend(len(places), alpha=self.training.mixup, seed=seed, step=step)
        devices = [self.learner.mean.device] if self.learner.mean.is_cuda else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(_mix(seed, step) + self.ranks.rank)  # dropout draws from it
            own = self.ranks.share(np.arange(len(places)))
            for part in np.array_split(own, min(self.counts.parts, len(own))) if len(own) else ():
                x = blend.read(lambda some: self.lesson.read(some, epoch), places, part)
                with _precision(x):
                    scores = self.learner(x)
                share = blend.loss(scores, labels, part, self.weights)
                (share / total).backward()
                loss += float(share.detach()) / total
        return loss

    def _refuse_divergence(self, loss: float, places: list[int], share: float) -> None:
        parameters = [parameter for _, parameter in self._trained()]
        norm = float(nn.utils.clip_grad_norm_(parameters, self.training.clip))
        if math.isfinite(loss) and math.isfinite(norm):
            return
        names = [self.lesson.names[place] for place in places]
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        rates = sorted({group["lr"] for group in self._descent.param_groups}, reverse=True)
        raise TrainingDiverged(
            f"At step {self.counts.step + 1} of {self.steps} the loss is {loss:g} and the norm of "
            f"the gradients {norm:g}, at rates of {rates[0]:.2g} (the head) down to "
            f"{rates[-1]:.2g}, {share:.0%} of the highest. The batch: "
            f"{', '.join(names[:NAMED])}{more}.",
            step=self.counts.step + 1,
            pictures=names,
            rates=rates,
        )

    def _follow(self) -> None:
        """Let the average take a step after the weights; statistics are their own average."""
        step = self.counts.step
        keeps = min(self.training.averaging, step / (step + AVERAGING_BEGINS))
        trained = {name for name, _ in self._trained()}
        for name, tensor in self._now().items():
            if name in trained:
                self.average[name].lerp_(tensor, 1 - keeps)
            else:
                self.average[name].copy_(tensor)

    def _measure(self, epoch: int) -> None:
        scores = self._measure_together(self.average, self.held_out)
        loss, accuracy = held_out_loss(scores, self.held_out.labels)
        steps = self._steps_an_epoch
        self.counts.curve.append(
            Measured(
                epoch=epoch,
                rate=one_cycle(self.counts.step, self.steps, warm_up=self.training.warm_up),
                training_loss=self.counts.loss / steps if epoch else None,
                held_out_loss=loss,
                held_out_accuracy=accuracy,
            )
        )
        self.counts.loss = 0.0
        self.measured(self.counts.curve[-1])
        if loss <= min(one.held_out_loss for one in self.counts.curve):
            self.counts.best = epoch
            for name, tensor in self.average.items():
                self.best[name].copy_(tensor)

    def _save(self) -> None:
        speeds = {
            name: self._descent.state[parameter]["momentum_buffer"]
            for name, parameter in self._trained()
            if "momentum_buffer" in self._descent.state.get(parameter, {})
        }
        kinds = {"now": self._now(), "average": self.average, "speed": speeds, "best": self.best}
        tensors = {
            f"{kind}/{name}": tensor
            for kind, state in kinds.items()
            for name, tensor in state.items()
        }
        self.save(Snapshot(counts=self.counts.as_json(), tensors=tensors))
        self._saved = time.monotonic()


def held_out_loss(scores: NDArray[np.float64], labels: Labels) -> tuple[float, float]:
    """Give the log loss of N x K scores, and the accuracy."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    right = scores.argmax(axis=1) == labels
    return float(-logs[np.arange(len(labels)), labels].mean()), float(right.mean())


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that a device has no memory left."""
    told = str(error).lower()
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(
        words in told for words in MEMORY_RAN_OUT
    )


def _set_modes(learner: Learner, training: Training) -> None:
    """Put modules into the mode they train in; frozen ones stay as they are by themselves."""
    learner.eval()
    for module in learner.body.modules():
        if isinstance(module, BATCH_NORMS):
            module.train(training.has_statistics)
        elif training.has_dropout and not list(module.children()):
            module.train()


def _precision(x: Tensor) -> contextlib.AbstractContextManager[object]:
    """Compute in bfloat16 on GPUs; on CPUs that trains no faster."""
    if x.is_cuda:
        return torch.autocast("cuda", dtype=torch.bfloat16)
    return contextlib.nullcontext()


def _mix(seed: int, step: int) -> int:
    return int(np.random.SeedSequence([seed, step]).generate_state(1)[0])


def _copies(state: State) -> State:
    return {name: tensor.detach().clone() for name, tensor in state.items()}
