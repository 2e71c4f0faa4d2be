"""`zoo sweep-params`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import click

from zoo.commands.console import ProgressLine, json_option, show_accuracy, show_json, show_table
from zoo.commands.datasets import address_at
from zoo.commands.remote import at_option, opened_at
from zoo.domain.dataset import Split
from zoo.domain.job import Job, JobKind, JobState, JobWish
from zoo.domain.plan import Classifier, CodesPrecision, Strategy
from zoo.domain.training import WHOLE_LIMITS, Overrides
from zoo.domain.trials import Choice, Halving, best_of, draw_trials
from zoo.errors import Invalid, JobFailed, TooFewPictures
from zoo.operations.verbs import Verbs

TRAINED = [one.value for one in Strategy if one.is_trained]


@click.command()
@click.argument("model")
@click.argument("dataset")
@click.option(
    "--grid",
    "choices",
    metavar="NAME=VALUES",
    multiple=True,
    required=True,
    help="What to try: lr=0.1,0.01, or a range to draw from, lr=1e-4..1e-1.",
)
@click.option(
    "--random", "count", type=click.IntRange(1), help="Draw so many trials, not all combinations."
)
@click.option("--asha", is_flag=True, help="End trials that fall behind, at rungs of epochs.")
@click.option(
    "--rung", type=click.IntRange(1), default=1, show_default=True, help="Epochs of the first rung."
)
@click.option(
    "--factor", type=click.IntRange(2), default=3, show_default=True, help="One in so many goes on."
)
@click.option(
    "--strategy", type=click.Choice(TRAINED), default=Strategy.LP_FT.value, show_default=True
)
@click.option(
    "--epochs", type=click.IntRange(*WHOLE_LIMITS["epochs"]), help="Epochs of every trial."
)
@click.option("--name", help="What trials are called, with a number; MODEL-DATASET otherwise.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True)
@at_option
@json_option
def command(
    *,
    model: str,
    dataset: str,
    choices: tuple[str, ...],
    count: int | None,
    asha: bool,
    rung: int,
    factor: int,
    strategy: str,
    epochs: int | None,
    name: str | None,
    seed: int,
    url: str | None,
    is_json: bool,
) -> None:
    r"""Fine-tune MODEL on DATASET with several rates, and name the best.

    Each trial is a fine-tune as zoo finetune asks for, an ordinary job whose model is called
    NAME-1, NAME-2 and so on. What can be tried: epochs, batch, lr, head_lr, mixup, freeze, init,
    within the limits of zoo finetune. All trials are checked before the first is queued.

    Trials are compared by their lowest loss on pictures held out of the training ones. Validation
    pictures take no part in the choice, so the accuracy that is shown for the best is still fair.
    With --asha a trial goes on at 1, 3, 9 ... epochs only if it is among the best third of those
    that came so far.

    A command that was interrupted goes on when it is given again; what had ended is not run twice,
    and a trial that was put aside (zoo jobs pause) is resumed.

    \b
    Examples:
      zoo sweep-params squeezenet ./flowers --grid lr=0.1,0.01,0.001 --grid batch=16,32
      zoo sweep-params squeezenet ./flowers --grid lr=1e-4..1 --random 20 --asha --epochs 27
    """
    read = [Choice.read(text) for text in choices]
    if epochs is not None or asha:
        _check_epochs(read)
    if epochs is not None:
        read.append(Choice(name="epochs", values=(epochs,)))
    trials = draw_trials(read, count=count, seed=seed)
    _check(trials, Strategy(strategy))
    with opened_at(url) as at:
        line = ProgressLine()
        address = address_at(at, dataset, line)
        revision = at.get_revision(model)
        sweep = Sweep(
            at=at,
            model=revision.address,
            dataset=address,
            name=name or _name(revision.model, address),
            strategy=Strategy(strategy),
            seed=seed,
            halving=Halving(least=rung, factor=factor) if asha else None,
        )
        sweep.check(trials)
        sweep.begin(trials)
        sweep.finish()
        best = sweep.best
    show_json(sweep.as_json()) if is_json else _show(sweep)
    if best is None:
        raise JobFailed("No trial came to its end.", hint="See why: zoo jobs show NUMBER")


@dataclass(slots=True, kw_only=True)
class Trial:
    """One fine-tune, and how far it is."""

    decided: Overrides
    job: Job
    is_behind: bool = False

    @property
    def name(self) -> str:
        """The model that comes of it."""
        return str(self.job.params["name"])

    @property
    def address(self) -> str:
        """Where what was trained is: beside the probe, where that stayed."""
        is_beside = "trained" in (self.job.result or {})
        return f"{self.name}:{self.job.params['strategy']}" if is_beside else self.name

    @property
    def state(self) -> str:
        """What became of it."""
        is_over = self.job.state is JobState.CANCELLED
        return "behind" if is_over and self.is_behind else self.job.state.value

    def as_json(self) -> dict[str, Any]:
        """Write it down with plain JSON types."""
        best, curve, result = best_of(self.job.curve), self.job.curve, self.job.result or {}
        return {
            "name": self.name,
            "job": self.job.id,
            "state": self.state,
            "training": self.decided.as_json(),
            "epochs": curve[-1].epoch if curve else 0,
            "held_out_loss": best and best.held_out_loss,
            "held_out_accuracy": best and best.held_out_accuracy,
            # Where the probe stayed, the trained network has a revision of its own.
            "accuracy": result.get("trained_accuracy", result.get("accuracy")),
            "revision": result.get("trained", result.get("revision")),
            "verdict": result.get("verdict"),
        }


@dataclass(slots=True, kw_only=True)
class Sweep:
    """The trials of a command."""

    at: Verbs
    model: str
    dataset: str
    name: str
    strategy: Strategy
    seed: int
    halving: Halving | None
    trials: list[Trial] = field(default_factory=list)

    def check(self, decided: Sequence[Overrides]) -> None:
        """Check every trial with the model and the pictures, so that none is queued if one is bad.

        Raises:
            TooFewPictures: nothing can be held out, by which trials are compared.
            As ``enqueue_finetune``.
        """
        counts = self.at.get_dataset(self.dataset).counts.get(Split.TRAIN.value, {})
        if max(counts.values(), default=0) == 1:
            raise TooFewPictures(
                f"Dataset {self.dataset!r} has one training picture a class, so none can be held"
                " out, and trials could not be compared.",
                hint="Add pictures, or fit a probe: zoo finetune MODEL DATASET",
                dataset=self.dataset,
            )
        for number, overrides in enumerate(decided, start=1):
            self.at.check_finetune(
                self.model,
                self.dataset,
                name=f"{self.name}-{number}",
                strategy=self.strategy,
                overrides=overrides,
            )

    def begin(self, decided: Sequence[Overrides]) -> None:
        """Queue what has not ended yet in an earlier run of the same command."""
        known = self._find_ended(f"{self.name}-{number}" for number in range(1, len(decided) + 1))
        for number, overrides in enumerate(decided, start=1):
            name = f"{self.name}-{number}"
            ended = (job for job in known.get(name, ()) if self._is_same(job, name, overrides))
            job = next(ended, None) or self._enqueue(name, overrides)
            self.trials.append(Trial(decided=overrides, job=job))

    def finish(self) -> None:
        """Have all trials come to their ends, or end those that fall behind."""
        for trial in self.trials:
            if trial.job.state.is_final:
                self._look(self.at.get_job(trial.job.id))
        open_ = [one.job.id for one in self.trials if not one.job.state.is_final]
        self.at.finish_jobs(open_, self._look)
        for trial in self.trials:
            if trial.job.state is JobState.PAUSED:
                click.echo(f"note: {trial.name} was put aside (job {trial.job.id})", err=True)
                click.echo("  next: run the same command again to have it go on", err=True)

    @property
    def best(self) -> Trial | None:
        """The trial of the lowest held-out loss among those that came to their ends."""
        ended = [one for one in self.trials if one.job.state is JobState.SUCCEEDED]
        measured = [(best.held_out_loss, one) for one in ended if (best := best_of(one.job.curve))]
        return min(measured, key=lambda pair: pair[0], default=(0.0, None))[1]

    def as_json(self) -> dict[str, Any]:
        """Write it down with plain JSON types."""
        best = self.best
        return {"best": best and best.name, "trials": [one.as_json() for one in self.trials]}

    def _look(self, job: Job) -> None:
        trial = next(one for one in self.trials if one.job.id == job.id)
        told = job.curve[-1] if job.curve else None
        if told is not None and told != (trial.job.curve or (None,))[-1]:
            click.echo(f"{trial.name} {_decisions(trial)}: {told}", err=True)
        trial.job = job
        if self.halving is None or not self.halving.is_behind(job.id, job.curve):
            return
        trial.is_behind = True
        if not job.state.is_final:
            click.echo(f"{trial.name} falls behind and is ended", err=True)
            self.at.cancel_job(job.id)

    def _find_ended(self, names: Iterable[str]) -> dict[str, list[Job]]:
        """Find the ended jobs that made models of some names of these pictures, newest first."""
        found: dict[str, list[Job]] = {name: [] for name in names}
        wish = JobWish(kind=JobKind.FINETUNE, model=self.model, dataset=self.dataset)
        for job in self.at.go_through_jobs(wish):
            if job.state.is_final and job.params.get("name") in found:
                found[job.params["name"]].append(job)
        return found

    def _is_same(self, job: Job, name: str, decided: Overrides) -> bool:
        """Tell whether a job is this trial, ended as one that is given again would end."""
        wished = {
            "name": name,
            "model": self.model,
            "dataset": self.dataset,
            "strategy": self.strategy.value,
            "seed": self.seed,
            "training": decided.as_json(),
        }
        has_ended = job.state is JobState.SUCCEEDED or (
            job.state is JobState.CANCELLED and self.halving is not None
        )
        return has_ended and wished.items() <= job.params.items()

    def _enqueue(self, name: str, decided: Overrides) -> Job:
        return self.at.enqueue_finetune(
            self.model,
            self.dataset,
            name=name,
            seed=self.seed,
            layer="codes",
            classifier=Classifier.LOGISTIC,
            strategy=self.strategy,
            overrides=decided,
            precision=CodesPrecision.AUTO,
            int8=False,
        )


def _check(trials: Sequence[Overrides], strategy: Strategy) -> None:
    """Check every trial as the zoo will, so that none is queued if one is refused."""
    from zoo.operations.finetune import check_options  # noqa: PLC0415  # not before --help is told

    for decided in trials:
        check_options(strategy, decided)


def _check_epochs(choices: Sequence[Choice]) -> None:
    if any(choice.name == "epochs" for choice in choices):
        raise Invalid(
            "Trials of different lengths cannot be held against each other on the way.",
            hint="Give all of them the same: --epochs N",
        )


def _name(model: str, dataset: str) -> str:
    from zoo.operations.surgery import join_name  # noqa: PLC0415  # not before --help is told

    return join_name(model, dataset.partition("@")[0].rpartition("/")[2], otherwise="trial")


def _decisions(trial: Trial) -> str:
    return " ".join(f"{name}={value}" for name, value in trial.decided.as_json().items())


def _show(sweep: Sweep) -> None:
    told = [one.as_json() for one in sweep.trials]
    show_table(
        ["trial", "decided", "epochs", "held-out loss", "validation accuracy", "state"],
        [
            [
                one["name"],
                _decisions(trial),
                one["epochs"],
                "" if one["held_out_loss"] is None else f"{one['held_out_loss']:.4f}",
                show_accuracy(one["accuracy"]),
                one["state"],
            ]
            for one, trial in zip(told, sweep.trials, strict=True)
        ],
    )
    if sweep.best is not None:
        click.echo(f"best: {sweep.best.name}  {_decisions(sweep.best)}")
        click.echo(f"  next: zoo predict {sweep.best.address} PICTURE...", err=True)
