"""How a network is trained by gradient descent: the decisions of it, as values."""

import re
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

from zoo.errors import Invalid

EPOCH = "epoch"  # the step of a job whose messages are what `Measured` writes
RATES = "rates"  # the step whose message is what `Rates` writes


class Beginning(StrEnum):
    """What the new head is before the first step."""

    PROBE = "probe"  # a linear classifier fitted to the codes
    ZERO = "zero"  # every class equally likely


MOST_DEVICES = 64  # of one machine
# What a user may decide about a training, from the least to the most; doors say the same.
WHOLE_LIMITS: dict[str, tuple[int, int]] = {
    "epochs": (1, 10_000),
    "batch": (1, 4096),
    "devices": (1, MOST_DEVICES),
}
REAL_LIMITS: dict[str, tuple[float, float]] = {
    "lr": (0, 100),
    "head_lr": (0, 100),
    "mixup": (0, 10),
}
LONGEST_WORD = 256  # characters of a layer's name or a scheme


def check_decision(name: str, value: object) -> None:
    """Refuse a value that a decision about a training cannot have.

    Raises:
        Invalid: it is out of range, no number where one is needed, or no name; the option is named.
    """
    if name in WHOLE_LIMITS or name in REAL_LIMITS:
        low, high = WHOLE_LIMITS[name] if name in WHOLE_LIMITS else REAL_LIMITS[name]
        kinds = int if name in WHOLE_LIMITS else int | float
        fits = isinstance(value, kinds) and not isinstance(value, bool) and low <= value <= high
        needed = f"a {'whole' if name in WHOLE_LIMITS else 'finite'} number of {low} to {high}"
    else:
        fits = isinstance(value, str) and 0 < len(value) <= LONGEST_WORD and "\0" not in value
        needed = f"a name of 1 to {LONGEST_WORD} characters"
    if not fits:
        told = repr(value) if isinstance(value, str) else str(value)
        raise Invalid(
            f"{name!r} has to be {needed}, not {told[:LONGEST_WORD]}.",
            hint="Leave it out to have the plan decide.",
            option=name,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """What a user decided about a training; None leaves it to the plan."""

    epochs: int | None = None
    batch: int | None = None
    lr: float | None = None  # of the body
    head_lr: float | None = None
    freeze: str | None = None  # up to this layer
    init: str | None = None  # what a network that is trained from scratch begins as
    mixup: float | None = None  # alpha of the blending of pictures in pairs
    devices: int | None = None  # GPUs, or processes on CPUs, that share every batch

    def as_json(self) -> dict[str, Any]:
        """Write down what was decided, and nothing else."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def check(self) -> None:
        """Refuse what no training can have, whoever asks for it.

        Raises:
            Invalid: a value is out of its range; the option is named.
        """
        for name, value in self.as_json().items():
            check_decision(name, value)


_NUMBER = r"(-?[0-9.]+(?:e[+-]?[0-9]+)?)"
_MEASURED = re.compile(
    rf"epoch ([0-9]+): (?:training loss {_NUMBER}, )?held-out loss {_NUMBER}, "
    rf"held-out accuracy {_NUMBER}, {_NUMBER} of the highest rates"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """How an epoch ended."""

    epoch: int  # 0 is before the first step
    rate: float  # share of the highest rates
    training_loss: float | None  # mean over the steps of the epoch
    held_out_loss: float
    held_out_accuracy: float

    def __str__(self) -> str:
        """Say it in a sentence, which ``read`` understands."""
        loss = "" if self.training_loss is None else f"training loss {self.training_loss:.6g}, "
        return (
            f"epoch {self.epoch}: {loss}held-out loss {self.held_out_loss:.6g}, held-out accuracy "
            f"{self.held_out_accuracy:.6g}, {self.rate:.3g} of the highest rates"
        )

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Read such a sentence; None where it is another one."""
        match = _MEASURED.fullmatch(text)
        if match is None:
            return None
        epoch, training, held_out, accuracy, rate = match.groups()
        return cls(
            epoch=int(epoch),
            rate=float(rate),
            training_loss=None if training is None else float(training),
            held_out_loss=float(held_out),
            held_out_accuracy=float(accuracy),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """A training by stochastic gradient descent with Nesterov's momentum.

    Rates rise over the first steps and fall to 0 by a cosine; those given here are the highest.
    The head reads codes that are standardised, so that its rate does not depend on their scale.
    """

    epochs: int
    batch: int
    head_lr: float
    body_lr: float  # of the uppermost stage
    layer_decay: float  # the rate of a stage as a share of that of the one above it
    frozen_up_to: str  # a layer; empty where nothing is frozen
    views: int  # of each picture, kept at the frozen boundary; 0 draws one anew in every epoch
    beginning: Beginning
    init: str  # the scheme of the first weights; empty where they are the parent's
    flip: bool  # mirror pictures at random
    crop_least: float  # the least share of a picture that a random crop keeps
    has_statistics: bool  # batch normalisation counts anew what it sees; otherwise it stays
    has_dropout: bool
    weight_decay: float
    mixup: float = 0.0  # alpha of the shares by which pictures are blended in pairs; 0 is never
    warm_up: float = 0.25  # share of the steps in which rates rise
    momentum: float = 0.9
    clip: float = 5.0  # most that the norm of all gradients together may be
    averaging: float = 0.99  # of the moving average of the weights, which is what is measured
    patience: float = 0.2  # share of the epochs without a gain after which training ends

    def as_json(self) -> dict[str, Any]:
        """Write it down with plain JSON types."""
        return asdict(self) | {"beginning": self.beginning.value}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read what ``as_json`` wrote."""
        return cls(**data | {"beginning": Beginning(data["beginning"])})

    @property
    def rates(self) -> "Rates":
        """What is told of it before its first step."""
        return Rates(
            epochs=self.epochs,
            head=self.head_lr,
            body=self.body_lr,
            layer_decay=self.layer_decay,
            frozen_up_to=self.frozen_up_to,
        )


_RATES = re.compile(
    rf"([0-9]+) epochs at most; the head learns at {_NUMBER}, the body at {_NUMBER}, each stage "
    rf"below at {_NUMBER} of that(?:; frozen up to (.+))?",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """How long a training is, how fast its parts learn at most, and which do not."""

    epochs: int
    head: float
    body: float  # of the uppermost stage
    layer_decay: float  # the rate of a stage as a share of that of the one above it
    frozen_up_to: str  # a layer; empty where nothing is frozen

    def __str__(self) -> str:
        """Say it in a sentence, which ``read`` understands."""
        frozen = f"; frozen up to {self.frozen_up_to}" if self.frozen_up_to else ""
        return (
            f"{self.epochs} epochs at most; the head learns at {self.head:.6g}, the body at "
            f"{self.body:.6g}, each stage below at {self.layer_decay:.6g} of that{frozen}"
        )

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Read such a sentence; None where it is another one."""
        match = _RATES.fullmatch(text)
        if match is None:
            return None
        epochs, head, body, decay, frozen = match.groups()
        return cls(
            epochs=int(epochs),
            head=float(head),
            body=float(body),
            layer_decay=float(decay),
            frozen_up_to=frozen or "",
        )
