"""Training a network's layers for a dataset: what comes after the probe."""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.fx import GraphModule

from zoo.domain.dataset import Picture, Split
from zoo.domain.plan import Strategy
from zoo.domain.training import EPOCH, RATES, Beginning, Overrides, Training
from zoo.errors import TooFewPictures
from zoo.filters.scheme import parse_scheme
from zoo.images.resize import pixels_key
from zoo.images.split import draw_split
from zoo.networks.build import build_network
from zoo.networks.freezing import freeze_up_to
from zoo.networks.groups import group_parameters
from zoo.networks.initial import initialise
from zoo.networks.preprocess import Preprocess
from zoo.networks.splitting import split_at
from zoo.networks.taps import CODES, tap_network
from zoo.operations.opening import Zoo
from zoo.planning import ANEW, Facts, plan_training
from zoo.training.finetune import labels_of
from zoo.training.judging import Mix, choose_mix, judge
from zoo.training.learner import Learner
from zoo.training.loop import BATCH_NORMS, Group, Loop, Snapshot
from zoo.training.probe import Calibration, Probe, calibrate, fit_probe
from zoo.training.ranks import ALONE, Ranks
from zoo.worker.boundary import Boundary, choose_boundary
from zoo.worker.helpers import device_of, helped
from zoo.worker.lessons import Part, count_views, examine, teach
from zoo.worker.network import choose_device
from zoo.worker.outcome import Trained
from zoo.worker.parent import Parent
from zoo.worker.progress import Progress
from zoo.worker.sight import Sight
from zoo.worker.snapshots import Snapshots
from zoo.worker.standardised import standardise
from zoo.worker.subject import Subject
from zoo.worker.tapped import Tapped

LOOKED_AT = 64  # pictures that tell scales, or whether mirrored pictures are as good

Matrix = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Start:
    """Where a training begins: the codes, and the probe that was fitted to them."""

    tapped: Tapped
    c: float  # of the probe
    overrides: Overrides


def train(
    zoo: Zoo, subject: Subject, start: Start, progress: Progress, snapshots: Snapshots
) -> Trained:
    """Train a network, from the latest snapshot of the job if there is one.

    A fifth of the training pictures is held out: it tells when to stop, how far to go between the
    weights of before and after, the temperature, and whether the result is better than a probe that
    was fitted to the others. Validation pictures take no part.

    Raises:
        TooFewPictures: nothing can be held out.
        TrainingDiverged, OutOfMemory: it cannot be gone on with.
        LayerNotFound, Invalid, Unsupported: it cannot be frozen up to the layer asked for.
    """
    bench = Bench(zoo, subject, start, progress)
    progress.say(RATES, str(bench.training.rates))
    with deterministic(bench.sight.device), ranks_of(bench, zoo, start, progress) as ranks:
        loop = bench.loop(lambda snapshot: snapshots.write(bench.about, snapshot), ranks)
        begun = {name: tensor.clone() for name, tensor in loop.average.items()}
        # The other ranks may be on machines that cannot read it.
        snapshot = ranks.tell(snapshots.read(bench.about))
        if snapshot is not None:
            loop.resume(snapshot)
            progress.say("train", f"going on at step {loop.counts.step} of {loop.steps}")
        resumed_at = loop.counts.step if snapshot is not None else None
        counts = loop.run()
        state, mixes, share = loop.best, tuple[Mix, ...](), 1.0
        if bench.training.beginning is Beginning.PROBE:
            state, mixes, mix = choose_mix(
                begun,
                loop.best,
                lambda given: loop.measure(given, loop.held_out),
                loop.held_out.labels,
            )
            share = mix.share
        scores = loop.measure(state, loop.held_out)
    right = scores.argmax(axis=1) == loop.held_out.labels
    return Trained(
        subject=bench.subject,
        taps=bench.taps,
        probe=_settle(loop.learner, state, calibrate(scores, loop.held_out.labels)),
        verdict=judge(
            bench.probe_right,
            right,
            loop.held_out.labels if bench.subject.plan.balanced else None,
        ),
        curve=tuple(counts.curve),
        mixes=mixes,
        share=share,
        parts=counts.parts,
        resumed_at=resumed_at,
        device=str(bench.sight.device),
    )


def _settle(learner: Learner, state: dict[str, Tensor], calibration: Calibration) -> Probe:
    """Give the network the chosen weights; give the head that reads its bare codes."""
    own = dict(learner.named_parameters()) | dict(learner.named_buffers())
    with torch.no_grad():
        for name, tensor in state.items():
            own[name].copy_(tensor)
    learner.eval()
    weight, bias = learner.folded()
    sharpness = np.float32(1 / calibration.temperature)
    return Probe(
        weight=weight * sharpness,
        bias=bias * sharpness,
        c=None,
        candidates=(),
        calibration=calibration,
    )


@contextlib.contextmanager
def ranks_of(bench: "Bench", zoo: Zoo, start: Start, progress: Progress) -> Iterator[Ranks]:
    """Start the other ranks of a training, where it has several, and tell them what to do."""
    count = start.overrides.devices or 1
    if count == 1:
        yield ALONE
        return
    with helped(zoo, progress, count, bench.sight.device) as ranks:
        ranks.tell(
            {
                "c": start.c,
                "training": bench.training.as_json(),
                "precision": start.tapped.chosen.precision.value,
            }
        )
        yield ranks


class Bench:
    """The pictures, the network and the plan of a training.

    ``training`` is given where it is planned already: to the ranks but the first.
    """

    def __init__(  # noqa: PLR0913  # what is trained, and as which rank
        self,
        zoo: Zoo,
        subject: Subject,
        start: Start,
        progress: Progress,
        *,
        rank: int = 0,
        training: Training | None = None,
    ) -> None:
        self.progress, self.seed = progress, subject.plan.seed
        self.devices = start.overrides.devices or 1
        device = device_of(choose_device(zoo.settings.device), rank, self.devices)
        self.fitted, self.held = _divide(subject)
        codes, held_codes = (
            np.stack([start.tapped.codes[one.digest] for one in part.pictures])
            for part in (self.fitted, self.held)
        )
        fixed = replace(subject.plan, folds=0, c_grid=(start.c,))
        self.probe = fit_probe(codes, self.fitted.labels, fixed)
        self.probe_right = _right(self.probe, held_codes, self.held.labels)
        can_flip = self._can_flip(
            Sight(zoo=zoo, parent=subject.parent, device=device), subject, start
        )
        self.taps = start.tapped.taps
        strategy = subject.plan.strategy
        if strategy is Strategy.SCRATCH:
            self.taps = (CODES,)
            scheme = start.overrides.init or ANEW
            seen = [one.digest for one in self.fitted.pictures[:LOOKED_AT]]
            anew = _begin_anew(zoo, subject.parent, scheme, self.seed, seen)
            subject = replace(subject, parent=anew)
        self.sight = Sight(zoo=zoo, parent=subject.parent, device=device)
        body = tap_network(subject.parent.network, self.taps, subject.shape).to(device)
        if strategy is Strategy.SCRATCH:
            codes = self._first_codes(body)
        boundary = choose_boundary(subject, body, self.taps, start.overrides.freeze)
        self.lower, self.upper = self._divided(body, boundary)
        self.codes = codes
        facts = Facts(
            codes=codes.shape[1],
            norm=float(np.linalg.norm(codes, axis=1).mean()),
            crop_px=self.sight.pictures.crop_px,
            can_flip=can_flip,
            boundary=boundary.layer,
            views=count_views(self.sight, self.lower, self.fitted) if self.lower else 0,
            has_batch_norm=any(isinstance(one, BATCH_NORMS) for one in self.upper.modules()),
        )
        count = len(self.fitted.pictures) + len(self.held.pictures)
        self.training, reasons = plan_training(strategy, count, facts, start.overrides)
        self.training = training or self.training
        reasons = (*boundary.because, *reasons)
        for reason in reasons:
            progress.say("plan", reason)
        because = (*subject.plan.because, *reasons)
        plan = replace(subject.plan, training=self.training, because=because)
        self.subject = replace(subject, plan=plan)

    @property
    def about(self) -> str:
        """Name this training: plan, pictures, weights and versions."""
        told = {
            "plan": self.subject.plan.as_json(),
            "dataset": self.subject.dataset.address,
            "parent": self.subject.parent.revision.address,
            "versions": [str(torch.__version__), np.__version__],
            "pixels": pixels_key(),
            **({"devices": self.devices} if self.devices > 1 else {}),
        }
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    def loop(self, save: Callable[[Snapshot], None], ranks: Ranks = ALONE) -> Loop:
        """Give the training before its first step; all ranks begin with what the first one has."""
        classes, training = len(self.subject.dataset.classes), self.training
        learner = Learner(self.upper, self.codes, classes)
        if training.beginning is Beginning.PROBE:
            learner.begin_with(self.probe.weight, self.probe.bias)
        device = self.sight.device
        learner.to(device)
        ranks.copy([*learner.parameters(), *learner.buffers()])
        body = [
            Group(parameters=parameters, rate=training.body_lr * training.layer_decay**depth)
            for depth, parameters in group_parameters(self.upper)
        ]
        head = Group(parameters=list(learner.head.parameters()), rate=training.head_lr)
        return Loop(
            learner=learner,
            groups=[head, *body],
            training=training,
            lesson=teach(
                self.sight,
                self.fitted,
                training,
                seed=self.seed,
                lower=self.lower,
                progress=self.progress,
            ),
            held_out=examine(self.sight, self.held, lower=self.lower, progress=self.progress),
            weights=self._class_weights(classes).to(device) if self.subject.plan.balanced else None,
            seed=self.seed,
            save=save,
            check=self.progress.check,
            report=lambda done, total: self.progress.count("train", "steps", done, total),
            measured=lambda one: self.progress.say(EPOCH, str(one)),
            ranks=ranks,
        )

    def _class_weights(self, classes: int) -> Tensor:
        counts = np.bincount(self.fitted.labels, minlength=classes)
        return torch.from_numpy(counts.sum() / classes / np.maximum(counts, 1)).float()

    def _divided(
        self, body: GraphModule, boundary: Boundary
    ) -> tuple[nn.Module | None, GraphModule]:
        """Freeze the body up to a boundary; what lies below may be a network of its own."""
        if boundary.layer:
            freeze_up_to(body, boundary.layer)
        return split_at(body, boundary.layer) if boundary.is_divided else (None, body)

    def _first_codes(self, body: GraphModule) -> Matrix:
        pictures = self.fitted.pictures[:LOOKED_AT]
        return self.sight.codes(body, [self.sight.read(one.digest) for one in pictures])

    def _can_flip(self, sight: Sight, subject: Subject, start: Start) -> bool:
        """Tell whether the probe is as good on mirrored pictures, within one standard error."""
        body = tap_network(subject.parent.network, start.tapped.taps, subject.shape)
        body = body.to(sight.device)
        pixels = [sight.read(one.digest) for one in self.held.pictures[:LOOKED_AT]]
        mirrored = [np.ascontiguousarray(one[:, ::-1]) for one in pixels]
        labels = self.held.labels[:LOOKED_AT]
        before = self.probe_right[:LOOKED_AT]
        after = _right(self.probe, sight.codes(body, mirrored), labels)
        lost, gained = int((before & ~after).sum()), int((after & ~before).sum())
        return bool(lost - gained <= np.sqrt(lost + gained))


def can_hold_out(subject: Subject) -> bool:
    """Tell whether a training picture can be held out: some class has another one."""
    pictures = subject.dataset.of_split(Split.TRAIN)
    return Split.VAL in _draw(pictures, subject.plan.seed)


def check_freeze(subject: Subject, taps: Sequence[str], freeze: str | None) -> None:
    """Refuse what cannot be frozen before anything comes of a job.

    Raises:
        LayerNotFound, Invalid, Unsupported: as ``choose_boundary``.
    """
    if freeze:
        body = tap_network(subject.parent.network, taps, subject.shape)
        choose_boundary(subject, body, taps, freeze)


def _draw(pictures: Sequence[Picture], seed: int) -> tuple[Split, ...]:
    return draw_split([(one.label, one.digest) for one in pictures], seed=seed)


def _divide(subject: Subject) -> tuple[Part, Part]:
    """Hold a fifth of the training pictures out, class by class."""
    pictures = subject.dataset.of_split(Split.TRAIN)
    labels = labels_of(subject.dataset, Split.TRAIN)
    sides = _draw(pictures, subject.plan.seed)
    if Split.VAL not in sides:
        raise TooFewPictures(
            f"Dataset {subject.dataset.name!r} has one training picture a class: a training has "
            "nothing to be judged by.",
            hint="Fit a probe: --strategy probe",
            dataset=subject.dataset.name,
        )
    fitted, held = (
        Part(
            pictures=[one for one, side in zip(pictures, sides, strict=True) if side is wanted],
            labels=labels[[side is wanted for side in sides]],
        )
        for wanted in (Split.TRAIN, Split.VAL)
    )
    return fitted, held


def _begin_anew(zoo: Zoo, parent: Parent, scheme: str, seed: int, digests: list[str]) -> Parent:
    """Give a network of the same recipe with new weights, which reads numbers around 0.

    The numbers that its own weights were meant for do not matter to new ones, which learn hardly at
    all from 0..255.
    """
    sight = Sight(zoo=zoo, parent=parent, device=torch.device("cpu"))
    seen = [sight.read(digest) for digest in digests]
    pictures = standardise(parent.config.preprocessing, seen)
    network = build_network(parent.config.recipe, parent.paths)
    inputs = Preprocess(pictures)(torch.from_numpy(np.stack(seen)))
    initialise(network, parse_scheme(scheme), seed=seed, inputs=(inputs,))
    return replace(parent, config=replace(parent.config, pictures=pictures), network=network)


def _right(probe: Probe, codes: Matrix, labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (codes @ probe.weight.T + probe.bias).argmax(axis=1) == labels
    return found


@contextlib.contextmanager
def deterministic(device: torch.device) -> Iterator[None]:
    """Have torch compute the same bits each time; on GPUs that costs too much."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(device.type == "cpu", warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
