"""The body of an advice: what a dataset and a network are to each other, measured."""

import math
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zoo.domain.dataset import Dataset, Split
from zoo.domain.job import Job
from zoo.domain.plan import Strategy
from zoo.domain.revision import Revision
from zoo.errors import ModelNotFound, TooFewPictures, ZooError
from zoo.images.alike import find_alike, shrink
from zoo.networks.surgery import own_head
from zoo.networks.taps import CODES
from zoo.operations import jobs
from zoo.operations.accounts import as_asker
from zoo.operations.advise import ALL_MODELS
from zoo.operations.datasets import get_dataset
from zoo.operations.fetch import get_revision, list_models
from zoo.operations.finetune import check_finetune
from zoo.operations.opening import Zoo
from zoo.planning import WHY_NOT_HELD_OUT
from zoo.training.depth import DepthPoint, measure_depth
from zoo.training.learningcurve import measure_curve, predict_gain
from zoo.training.level import Level
from zoo.training.metrics import Z_95, share_error, wilson
from zoo.training.quadrant import count_known, find_quadrant, highest, lowest
from zoo.training.similarity import Similarity, measure_similarity
from zoo.worker.arms import list_arms
from zoo.worker.codes import taps_of
from zoo.worker.depth import (
    measure_distances,
    measure_taps,
    read_codes,
    read_twin_codes,
    tell_depth,
    tell_distance,
)
from zoo.worker.network import choose_device
from zoo.worker.parent import Parent, open_parent
from zoo.worker.progress import Progress
from zoo.worker.sample import MOST_PICTURES, Sample, draw_sample
from zoo.worker.sight import Sight
from zoo.worker.undone import undo_dense

MOST_PAIRS = 20  # of pictures that look alike, by name
TIMED = 16  # pictures that tell what a pass costs
MORE = (200, 1000)  # pictures: what that many more would buy


def run(zoo: Zoo, job: Job, progress: Progress) -> None:
    """Measure, and end the job with all that was found.

    Raises:
        NoHead: the network has no classifier that could be replaced.
        TooFewPictures: models are to be ranked by a dataset where nothing can be held out.
    """
    dataset = get_dataset(zoo, job.params["dataset"])
    sample = draw_sample(dataset, job.params["seed"])
    if job.params["model"] == ALL_MODELS:
        told = _rank(zoo, job, sample, progress)
    else:
        told = _advise(zoo, job.params["model"], sample, progress)
    jobs.succeed(zoo, progress.attempt, told)


def _advise(zoo: Zoo, model: str, sample: Sample, progress: Progress) -> dict[str, Any]:
    parent = undo_dense(open_parent(zoo, model))
    sight = Sight(zoo=zoo, parent=parent, device=choose_device(zoo.settings.device))
    facts = _tell_facts(sight, sample, progress)
    taps = [tap.layer for tap in taps_of(parent)]
    codes = read_codes(zoo, parent, sample, taps, progress)
    if not sample.plan.folds:
        return {"facts": facts, "advised": None, "because": [WHY_NOT_HELD_OUT], "predicted": None}
    points = measure_taps(codes, sample, progress, "trained")
    twin = measure_taps(
        read_twin_codes(zoo, sight, sample, taps, progress), sample, progress, "random"
    )
    similarity = _similarity(parent, sample, codes[CODES])
    quadrant = find_quadrant(
        len(sample.dataset.of_split(Split.TRAIN)),
        points,
        twin,
        looked_at=sample.told,
        known_share=count_known(similarity.judged, points[-1].judged, sample.chance)
        if similarity
        else None,
        chance=sample.chance,
    )
    best = next((point for point in points if point.layer == quadrant.tap), None)
    # What can be learned at all, where no layer is advised.
    shown = best or max(points, key=lambda point: point.judged)
    progress.say("curve", f"accuracy by number of pictures, on the codes of {shown.layer}")
    curve = measure_curve(codes[shown.layer], sample.labels, sample.plan)
    distances = measure_distances(zoo, parent, codes)
    names = _as_asked(zoo, parent.revision), _as_stored(zoo, sample.dataset)
    zero_shot = _level_of(similarity, sample) if similarity else None
    arms, advised = list_arms(
        quadrant,
        names,
        sample.dataset,
        best=best,
        zero_shot=zero_shot,
        is_borrowed=_is_borrowed(zero_shot, best, sample),
        pass_s=_measure_pass(sight, sample),
    )
    # Of classes that could not be measured nothing is known, and so nothing of all of them.
    is_told = len(sample.counts) == len(sample.dataset.classes)
    gains = [predict_gain(curve, more, told=sample.told) for more in MORE] if is_told else []
    because = [
        *sample.tell_unequal(),
        *quadrant.because,
        *_tell_borrowed(zero_shot, best, advised, arms),
        tell_distance(distances, names[0]),
    ]
    predicted = zero_shot if advised and advised["strategy"] == Strategy.ZERO_SHOT else best
    for reason in because:
        progress.say("advise", reason)
    return {
        "facts": facts,
        "looked_at": len(sample.pictures),
        **sample.unequal,
        "depth": tell_depth(points, twin, distances, sample),
        "quadrant": quadrant.as_json(),
        "because": because,
        "similarity": similarity.as_json() if similarity else None,
        "reference_moments": distances and distances.as_json(),
        "learning_curve": [point.as_json() for point in curve],
        "gains": [gain.as_json() for gain in gains if gain is not None],
        "arms": arms,
        "advised": advised,
        "predicted": _interval(predicted, sum(sample.counts.values()))
        if predicted and is_told
        else None,
    }


def _level_of(similarity: Similarity, sample: Sample) -> Level:
    """Give how good the network's own classes are, with the error of a share of so many pictures.

    All folds are counted in one: nothing is fitted but which class stands for which.
    """
    share, count = similarity.zero_shot, sum(sample.counts.values())
    balanced = similarity.zero_shot_balanced
    return Level(
        accuracy=share,
        standard_error=share_error(share, count),
        balanced_accuracy=balanced,
        balanced_error=None if balanced is None else share_error(balanced, sample.told),
    )


def _is_borrowed(zero_shot: Level | None, best: DepthPoint | None, sample: Sample) -> bool:
    """Tell whether the network's own classes serve better than a probe at the tap, at 95 %.

    Where no tap is above chance, it is enough that they are.
    """
    if zero_shot is None or lowest(zero_shot, sample.told) <= sample.chance:
        return False
    return best is None or zero_shot.judged > highest(best, sample.told)


def _tell_borrowed(
    zero_shot: Level | None,
    best: DepthPoint | None,
    advised: dict[str, Any] | None,
    arms: Sequence[dict[str, Any]],
) -> list[str]:
    """Say so where the network's own classes are the best of what was measured."""
    if zero_shot is None or (best is not None and zero_shot.judged <= best.judged):
        return []
    if best is None and not advised:
        return [f"its own classes are not clearly above chance either: {zero_shot.judged:.3f}"]
    told = f"its own classes are the best of what was measured: {zero_shot.judged:.3f}"
    if advised and advised["strategy"] == Strategy.ZERO_SHOT:
        return [f"{told}, without any training"]
    command = next(arm["command"] for arm in arms if arm["strategy"] == Strategy.ZERO_SHOT)
    return [f"{told}, without any training: {command}"]


def _similarity(parent: Parent, sample: Sample, codes: NDArray[np.float32]) -> Similarity | None:
    weight, bias = own_head(parent.network)
    scores = codes.astype(np.float64) @ weight.T.astype(np.float64) + bias
    known = parent.config.label_names
    return measure_similarity(scores, sample.labels, sample.dataset.classes, known, sample.plan)


def _tell_facts(sight: Sight, sample: Sample, progress: Progress) -> dict[str, Any]:
    """Tell what the dataset is made of, and which pictures lie on both sides of its division."""
    dataset = sample.dataset
    sides = {split: dataset.of_split(split)[:MOST_PICTURES] for split in (Split.TRAIN, Split.VAL)}
    total = sum(map(len, sides.values()))
    small: dict[Split, list[NDArray[np.float32]]] = {split: [] for split in sides}
    for split, pictures in sides.items():
        for picture in pictures:
            small[split].append(shrink(sight.read_uncropped(picture.digest)))
            progress.count("facts", "pictures", sum(map(len, small.values())), total)
    alike = find_alike(small[Split.TRAIN], small[Split.VAL])
    counts = Counter(picture.digest for picture in dataset.pictures)
    return {
        "classes": list(dataset.classes),
        "counts": dataset.counts(),
        "skipped": [{"path": one.path, "reason": one.reason} for one in dataset.skipped],
        "copies": sum(count - 1 for count in counts.values()),
        "alike_across_splits": len(alike),
        "alike": [
            [sides[Split.TRAIN][one.first].path, sides[Split.VAL][one.second].path]
            for one in alike[:MOST_PAIRS]
        ],
    }


def _as_asked(zoo: Zoo, revision: Revision) -> str:
    """Name a revision in a command: by its model where that is what the name means."""
    try:
        is_newest = get_revision(zoo, revision.model).id == revision.id
    except ModelNotFound:  # Nothing is on main.
        is_newest = False
    return revision.model if is_newest else revision.address


def _as_stored(zoo: Zoo, dataset: Dataset) -> str:
    """Name a dataset in a command, likewise."""
    is_newest = get_dataset(zoo, dataset.name).address == dataset.address
    return dataset.name if is_newest else dataset.address


def _interval(point: Level, looked_at: int) -> dict[str, float]:
    """Give the accuracy with its 95 % interval; folds that happen to agree do not make it narrow.

    It is no narrower than Wilson's for so many pictures.
    """
    half = Z_95 * point.standard_error
    least = wilson(round(point.accuracy * looked_at), looked_at)
    found = {
        "accuracy": point.accuracy,
        "low": max(0.0, min(point.accuracy - half, least.low)),
        "high": min(1.0, max(point.accuracy + half, least.high)),
    }
    if point.balanced_accuracy is not None:
        found["balanced_accuracy"] = point.balanced_accuracy
    return found


def _measure_pass(sight: Sight, sample: Sample) -> float:
    """Measure the CPU seconds that reading a picture and running the network on it takes."""
    started = time.process_time()
    x = sight.prepare([sight.read(digest) for digest in sample.digests[:TIMED]])
    with torch.inference_mode():
        sight.parent.network.to(sight.device)(x)
    return (time.process_time() - started) / len(x)


def _rank(zoo: Zoo, job: Job, sample: Sample, progress: Progress) -> dict[str, Any]:
    """Measure a probe of the codes of each model that the asker may see, the best first."""
    if not sample.plan.folds:
        name = sample.dataset.name
        raise TooFewPictures(f"Dataset {name!r} ranks no models: {WHY_NOT_HELD_OUT}.", dataset=name)
    rows, skipped = [], []
    models = list_models(as_asker(zoo, job), limit=MOST_PICTURES)
    for done, model in enumerate(models, 1):
        progress.count("rank", "models", done, len(models))
        if model.head is None:
            continue
        try:
            rows.append(_rank_one(zoo, model.head.address, sample, progress))
        except ZooError as error:
            progress.check()
            skipped.append({"model": model.name, "reason": str(error)})
    rows.sort(key=lambda row: -row.get("balanced_accuracy", row["accuracy"]))
    return {
        "models": rows,
        "skipped": skipped,
        "looked_at": len(sample.pictures),
        "because": sample.tell_unequal(),
        **sample.unequal,
    }


def _rank_one(zoo: Zoo, address: str, sample: Sample, progress: Progress) -> dict[str, Any]:
    parent = undo_dense(open_parent(zoo, address))
    check_finetune(zoo, parent.revision, parent.config)
    sight = Sight(zoo=zoo, parent=parent, device=choose_device(zoo.settings.device))
    codes = read_codes(zoo, parent, sample, (CODES,), progress, what=parent.revision.model)
    (point,) = measure_depth(codes, sample.labels, sample.plan)
    own = parent.revision.summary.get("accuracy") or {}
    return {
        "model": parent.revision.model,
        **_interval(point, sum(sample.counts.values())),
        "codes": point.codes,
        "parameters": sum(each.numel() for each in parent.network.parameters()),
        "pass_s": _measure_pass(sight, sample),
        "has_seen": parent.revision.dataset == sample.dataset.address,
        "own_accuracy": own.get("value") if math.isfinite(own.get("value", math.nan)) else None,
    }
