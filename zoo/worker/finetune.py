"""The body of a fine-tune: a head on the codes first, then training, each published when proven."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from zoo.domain.dataset import Split
from zoo.domain.job import Job
from zoo.domain.plan import Classifier as Fitted
from zoo.domain.plan import Strategy
from zoo.domain.retries import TRANSIENT
from zoo.domain.revision import MAIN, Revision
from zoo.domain.training import Overrides
from zoo.domain.weights import Weights
from zoo.errors import Interrupted, LeaseLost, NotFound, RankLost, is_full
from zoo.networks.build import weights_of
from zoo.networks.surgery import find_head, own_head
from zoo.networks.taps import CODES
from zoo.operations import jobs
from zoo.operations.datasets import get_dataset
from zoo.operations.fetch import get_revision
from zoo.operations.opening import Zoo
from zoo.planning import plan_finetune
from zoo.training.finetune import KINDS, Fit, borrow_head, labels_of, learn_head, measure_head
from zoo.training.metrics import measure
from zoo.training.probe import Probe
from zoo.worker.candidate import Candidate, fold, put_layers, write_graph
from zoo.worker.gallery import draw_gallery, list_wrong
from zoo.worker.made import Made, keep_made, prove
from zoo.worker.outcome import Trained
from zoo.worker.parent import open_parent
from zoo.worker.precision import asked_precision
from zoo.worker.progress import Progress
from zoo.worker.proof import read_batches
from zoo.worker.publishing import REQUEST, publish_record, write_files
from zoo.worker.record import Record
from zoo.worker.snapshots import Snapshots
from zoo.worker.subject import Subject
from zoo.worker.tapped import Tapped
from zoo.worker.tapping import take_codes
from zoo.worker.trained import Start, can_hold_out, check_freeze, train
from zoo.worker.unchanged import count_unchanged
from zoo.worker.undone import undo_dense


def run(zoo: Zoo, job: Job, progress: Progress) -> None:
    """Fit a network to a dataset and publish it as a new revision, or as two.

    A strategy that trains publishes a probe first. What the training gives is published after it,
    under the strategy's name; ``main`` moves to it only if it is better on held-out pictures. Where
    none can be held out, it stays at the probe.

    Raises:
        LayerNotFound, Invalid, Unsupported: layers cannot be frozen so; nothing is published.
        NoHead: the network has no classifier that could be replaced.
        ParityBroken: the graph does not compute what the network computes.
        TrainingDiverged, OutOfMemory: the training cannot be gone on with; the probe stays.
    """
    subject, overrides = (
        read_subject(zoo, job, progress),
        Overrides(**job.params.get("training", {})),
    )
    tapped = take_codes(
        zoo,
        subject.parent,
        subject.dataset,
        subject.plan,
        progress,
        asked=asked_precision(job),
    )
    plan = replace(subject.plan, because=(*subject.plan.because, *tapped.chosen.because))
    subject = replace(subject, plan=plan)
    if not subject.plan.strategy.is_trained:
        made = _without_training(subject, tapped, progress)
        _publish_last(zoo, job, progress, made, refs=(MAIN,))
        return
    check_freeze(subject, tapped.taps, overrides.freeze)
    with _snapshots(zoo, job, progress) as snapshots:
        first = _find_first(zoo, job, snapshots)
        if first is None:
            first = _publish_probe(zoo, job, progress, subject, tapped)
        snapshots.keep_first(first)
        start = Start(tapped=tapped, c=first["c"], overrides=overrides)
        trained = train(zoo, subject, start, progress, snapshots)
        verdict, name = trained.verdict, subject.plan.strategy.value
        progress.say("judge", str(verdict))
        made = _with_training(zoo, trained, subject.parent.weights, tapped, progress)
        made = replace(made, spent_s=snapshots.spent_s)
        if verdict.is_better:
            _publish_last(zoo, job, progress, made, refs=(MAIN, name))
            return
        revision, summary = _publish(zoo, job, progress, made, refs=(name,), ends_job=False)
        told = {
            "verdict": str(verdict),
            "trained": revision.address,
            "trained_accuracy": summary["accuracy"],
        }
        _end(zoo, job, progress, subject, {**first["result"], **told})


def _publish_last(
    zoo: Zoo, job: Job, progress: Progress, made: Made, *, refs: tuple[str, ...]
) -> None:
    """Publish what the job ends with, in one transaction with its end where nothing follows."""
    follows = bool(job.params.get("int8"))
    revision, summary = _publish(zoo, job, progress, made, refs=refs, ends_job=not follows)
    if follows:
        result = {"revision": revision.address, **summary}
        _end_with_int8(zoo, job, progress, made.subject, result)


def _end(zoo: Zoo, job: Job, progress: Progress, subject: Subject, result: dict[str, Any]) -> None:
    if job.params.get("int8"):
        _end_with_int8(zoo, job, progress, subject, result)
    else:
        jobs.succeed(zoo, progress.attempt, result)


def _end_with_int8(
    zoo: Zoo, job: Job, progress: Progress, subject: Subject, result: dict[str, Any]
) -> None:
    # Its tools take a while to import, and few fine-tunes ask for it.
    from zoo.worker.quantize import end_with_int8  # noqa: PLC0415

    end_with_int8(zoo, job, progress, subject.dataset, result)


@contextmanager
def _snapshots(zoo: Zoo, job: Job, progress: Progress) -> Iterator[Snapshots]:
    """Give the job's snapshots; they are kept only for a job that will be gone on with."""
    snapshots, is_gone_on_with = Snapshots.of(zoo, job, progress), False
    try:
        yield snapshots
    except BaseException as error:
        kept: tuple[type[Exception], ...] = (Interrupted, LeaseLost, RankLost, *TRANSIENT)
        is_gone_on_with = isinstance(error, kept) or is_full(error)
        raise
    finally:
        if not is_gone_on_with:
            snapshots.clear()


def _find_first(zoo: Zoo, job: Job, snapshots: Snapshots) -> dict[str, Any] | None:
    """Give what is remembered of this job's probe, as long as the catalog knows of that.

    A catalog that was restored does not, where its backup is older than the probe.
    """
    first = snapshots.find_first()
    try:
        revision = get_revision(zoo, first["result"]["revision"]) if first else None
    except NotFound:
        return None
    return first if revision is not None and revision.job == job.id else None


def _publish_probe(
    zoo: Zoo, job: Job, progress: Progress, subject: Subject, tapped: Tapped
) -> dict[str, Any]:
    """Publish the probe that a training begins with; give what is remembered of it."""
    plan = replace(subject.plan, strategy=Strategy.PROBE)
    made = _without_training(replace(subject, plan=plan), tapped, progress)
    revision, summary = _publish(
        zoo, job, progress, made, refs=(MAIN, Strategy.PROBE.value), ends_job=False
    )
    progress.say("publish", f"{revision.address} is served until something better is there")
    result = {"revision": revision.address, **summary}
    return {"c": made.probe.c, "result": result}


def _without_training(subject: Subject, tapped: Tapped, progress: Progress) -> Made:
    probe = _learn(subject, tapped, progress)
    fit = None if tapped.chosen.is_bf16 else measure_head(probe, tapped.codes, subject.dataset)
    if fit is not None:
        progress.say("fit", f"validation accuracy {fit.told}")
    candidate = fold(subject, tapped.taps, probe)
    return Made(
        subject=subject,
        taps=tapped.taps,
        tapped=tapped,
        probe=probe,
        fit=fit,
        candidate=candidate,
        unchanged=count_unchanged(subject.parent.weights, weights_of(candidate.classifier.network)),
    )


def _learn(subject: Subject, tapped: Tapped, progress: Progress) -> Probe:
    plan, dataset = subject.plan, subject.dataset
    if plan.strategy is Strategy.ZERO_SHOT:
        known = subject.parent.config.label_names
        probe = borrow_head(tapped.codes, dataset, own_head(subject.parent.network), known)
        pairs = zip(dataset.classes, probe.stands_for, strict=True)
        progress.say("fit", "; ".join(f"{other!r} stands for {label!r}" for label, other in pairs))
        return probe
    progress.say("fit", f"{KINDS[plan.classifier]} on the codes of {len(tapped.codes)} pictures")
    probe = learn_head(tapped.codes, dataset, plan)
    progress.say("fit", f"C = {probe.c:g}")
    return probe


def _with_training(
    zoo: Zoo, trained: Trained, before: Weights, tapped: Tapped, progress: Progress
) -> Made:
    candidate = fold(trained.subject, trained.taps, trained.probe)
    fit = _measure(zoo, trained.subject, candidate, trained.probe, progress)
    progress.say("eval", f"validation accuracy {fit.told}")
    return Made(
        subject=trained.subject,
        taps=trained.taps,
        tapped=tapped,
        probe=trained.probe,
        fit=fit,
        candidate=candidate,
        trained=trained,
        unchanged=count_unchanged(before, weights_of(candidate.classifier.network)),
    )


def _measure(
    zoo: Zoo, subject: Subject, candidate: Candidate, probe: Probe, progress: Progress
) -> Fit:
    """Measure a network on the validation pictures."""
    pictures = subject.dataset.of_split(Split.VAL)
    rows = []
    for done, batch in read_batches(zoo, pictures, candidate.config.preprocessing):
        rows.append(candidate.classifier.probabilities(batch).astype(np.float32))
        progress.count("eval", "validation pictures", done, len(pictures))
    probabilities = np.concatenate(rows)
    labels = labels_of(subject.dataset, Split.VAL)
    found = measure(probabilities, labels, list(subject.dataset.classes))
    return Fit(probe=probe, metrics={Split.VAL: found}, val_probabilities=probabilities)


def _publish(  # noqa: PLR0913  # what is published, as what
    zoo: Zoo, job: Job, progress: Progress, made: Made, *, refs: tuple[str, ...], ends_job: bool
) -> tuple[Revision, dict[str, Any]]:
    """Prove a network and publish it; give the revision and its summary."""
    if (earlier := _find_published(zoo, job, refs[-1])) is not None:
        return earlier, dict(earlier.summary)
    subject, candidate = made.subject, made.candidate
    blob, graph = write_graph(zoo, candidate)
    fit, parity = prove(zoo, progress, made, graph)
    wrong = list_wrong(subject.dataset, fit.val_probabilities)
    record = Record(
        parent=subject.parent.revision,
        dataset=subject.dataset,
        plan=subject.plan,
        tapped=replace(made.tapped, taps=made.taps),
        config=candidate.config,
        fit=fit,
        parity=parity,
        parameters=sum(each.numel() for each in candidate.classifier.network.parameters()),
        cpu_s=time.process_time() + _helpers_s() + made.spent_s,
        digest=blob.digest,
        unchanged=made.unchanged,
        request={name: job.params.get(name) for name in REQUEST},
        trained=made.trained,
        wrong=wrong,
        gallery=draw_gallery(zoo, candidate.config.preprocessing, wrong),
    )
    layers = put_layers(zoo, candidate)
    files = write_files(zoo, record, weights=blob, graph=graph, layers=layers)
    revision = publish_record(zoo, job, progress, record, files, refs=refs, ends_job=ends_job)
    if made.trained is None:
        keep_made(zoo, asked_precision(job), made, record, files)
    return revision, record.summary()


def _find_published(zoo: Zoo, job: Job, ref: str) -> Revision | None:
    """Find what an attempt at this job published under a ref, and was killed before it noted that.

    It is what would be published now.
    """
    try:
        revision = get_revision(zoo, f"{job.params['name']}:{ref}")
    except NotFound:
        return None
    return revision if revision.job == job.id else None


def _helpers_s() -> float:
    """Give the CPU seconds of the other ranks, which have ended by now."""
    told = os.times()
    return told.children_user + told.children_system


def read_subject(zoo: Zoo, job: Job, progress: Progress) -> Subject:
    """Read the parent revision and the dataset, build the network and plan."""
    parent = undo_dense(open_parent(zoo, job.params["model"]))
    dataset = get_dataset(zoo, job.params["dataset"])
    plan = plan_finetune(
        dataset,
        seed=job.params["seed"],
        layer=job.params.get("layer", CODES),
        classifier=Fitted(job.params.get("classifier", Fitted.LOGISTIC)),
        strategy=Strategy(job.params.get("strategy", Strategy.PROBE)),
    )
    for reason in plan.because:
        progress.say("plan", reason)
    find_head(parent.network)
    return _as_can_be_judged(Subject(parent=parent, dataset=dataset, plan=plan), progress)


def _as_can_be_judged(subject: Subject, progress: Progress) -> Subject:
    """Leave it at the probe where no training picture could be held out to judge a training by."""
    plan = subject.plan
    if not plan.strategy.is_trained or can_hold_out(subject):
        return subject
    reason = (
        "every class has one training picture, so none can be held out and nothing would tell"
        f" whether the strategy {plan.strategy.value} gains anything: it stays at the probe"
    )
    progress.say("plan", reason)
    plan = replace(plan, strategy=Strategy.PROBE, because=(*plan.because, reason))
    return replace(subject, plan=plan)
