"""The body of a quantization: fewer bits laid over a graph, judged on held-out pictures."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto

from zoo.domain.config import CARD, CONFIG, DENSE, GRAPH, LAYERS, QUANTIZATION, WEIGHTS
from zoo.domain.dataset import Dataset, Picture, Split
from zoo.domain.job import Job
from zoo.domain.quantization import (
    GATE_POINTS,
    PER_CENT,
    PICTURES,
    SETTINGS,
    Precision,
    Setting,
)
from zoo.domain.revision import MAIN, Blob, Revision
from zoo.errors import GateMissed, NotRunnable, Unsupported
from zoo.export.cost import compare_costs
from zoo.export.fp16 import write_fp16
from zoo.export.int8 import list_values, simplify, write_int8
from zoo.export.ranges import Ranges, measure_ranges
from zoo.images.prepare import Pixels
from zoo.operations import fetch, jobs
from zoo.operations.datasets import get_dataset
from zoo.operations.evaluate import BATCH, read_for
from zoo.operations.opening import Zoo
from zoo.operations.publish import Publication, publish, put_json, put_text
from zoo.serving.dense import open_graph
from zoo.serving.predictor import Opening, Predictor
from zoo.worker.progress import Progress
from zoo.worker.quantized import Answers, Calibration, Quantized, Try, tell_doubt, tell_tries

STEP = "quantize"
COSTED = 2  # pictures that costs are compared on


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is to be made of which revision, and what it may cost."""

    revision: Revision
    dataset: Dataset
    name: str
    precision: Precision
    gate_points: float
    pictures: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A graph of fewer bits."""

    setting: Setting | None
    graph: bytes
    calibration: Calibration | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A revision's graph, opened, and the pictures it is judged by."""

    zoo: Zoo
    request: Request
    graph: bytes
    model: ModelProto
    predictor: Predictor
    progress: Progress

    @classmethod
    def of(cls, zoo: Zoo, request: Request, progress: Progress) -> "Bench":
        """Open a revision's graph, its bytes checked.

        Raises:
            NotRunnable: it is no graph of a classifier.
            DigestMismatch, BlobNotFound: bytes are not those that were published.
        """
        paths = fetch.verified_files(zoo, request.revision)
        graph = paths[GRAPH].read_bytes()
        return cls(
            zoo=zoo,
            request=request,
            graph=graph,
            model=simplify(graph),
            predictor=open_graph(graph, Opening(device="cpu")),
            progress=progress,
        )

    def read(self, pictures: Sequence[Picture], told: str) -> Iterator[Pixels]:
        """Read pictures as the graph takes them."""
        for number, picture in enumerate(pictures, start=1):
            yield read_for(self.zoo, self.predictor, picture)
            self.progress.count(STEP, told, number, len(pictures))

    def answer(self, predictors: Sequence[Predictor]) -> list[Answers]:
        """Have graphs read the held-out pictures, each of which is decoded once.

        Raises:
            NotRunnable: one gives something that is no probability.
        """
        held_out = self.request.dataset.of_split(Split.VAL)
        pixels = self.read(held_out, "held-out pictures")
        rows: list[list[np.ndarray]] = [[] for _ in predictors]
        for start in range(0, len(held_out), BATCH):
            batch = np.stack([next(pixels) for _ in held_out[start : start + BATCH]])
            for row, predictor in zip(rows, predictors, strict=True):
                row.append(predictor.predict(batch))
        next(pixels, None)  # The last one is counted.
        truth = [picture.label for picture in held_out]
        return [_judge(np.concatenate(row), truth, self.predictor.labels) for row in rows]


def run(zoo: Zoo, job: Job, progress: Progress) -> None:
    """Lay fewer bits over a revision's graph and publish what stays within the gate.

    Raises:
        GateMissed: nothing does; every try is told.
        Unsupported: the graph has nothing that fewer bits would do for.
        NotRunnable: the graph cannot be run on a picture of the dataset.
    """
    params = job.params
    request = Request(
        revision=fetch.get_revision(zoo, params["model"]),
        dataset=get_dataset(zoo, params["dataset"]),
        name=params["name"],
        precision=Precision(params["precision"]),
        gate_points=params["gate"],
        pictures=params["pictures"],
        seed=params["seed"],
    )
    made, graph = quantize(zoo, request, progress)
    publish_quantized(zoo, request, made, graph, progress)


def quantize(zoo: Zoo, request: Request, progress: Progress) -> tuple[Quantized, bytes]:
    """Make a graph of fewer bits; give what there is to tell of it, and its bytes.

    Raises:
        As ``run``.
    """
    bench = Bench.of(zoo, request, progress)
    before: Answers | None = None
    tries: list[Try] = []
    for candidate in _candidates(bench):
        predictor = open_graph(candidate.graph, Opening(device="cpu"))
        known = [] if before else [bench.predictor]
        *first, after = _answer(bench, [*known, predictor])
        before = before or first[0]
        tries.append(Try.of(candidate.setting, before, after))
        progress.say(STEP, str(tries[-1]))
        if tries[-1].is_within(request.gate_points):
            return _complete(bench, before, tries, candidate), candidate.graph
    raise _missed(request, tries)


def publish_quantized(  # noqa: PLR0913  # what is published, as what
    zoo: Zoo,
    request: Request,
    made: Quantized,
    graph: bytes,
    progress: Progress,
    *,
    ends_job: bool = True,
) -> Revision:
    """Publish a graph of fewer bits as a revision of its own."""
    parent, precision = request.revision, request.precision.value
    same = [path for path in (WEIGHTS, LAYERS) if parent.find_file(path)]
    files = fetch.carried_files(zoo, parent)
    files |= {path: _blob(parent, path) for path in same}
    files |= {
        GRAPH: zoo.blobs.put([graph]),
        CONFIG: put_json(zoo, made.config.as_json()),
        QUANTIZATION: put_json(zoo, made.as_json()),
        CARD: put_text(zoo, made.card()),
    }
    if parent.find_file(DENSE):
        files[DENSE] = put_json(zoo, _geometry(fetch.get_file(zoo, parent, DENSE)[1]))
    progress.check()
    return publish(
        zoo,
        Publication(
            model=request.name,
            files=files,
            message=f"{parent.model} in {precision}, judged on {request.dataset.name}",
            summary=made.summary(),
            parent=parent.address,
            dataset=request.dataset.address,
            refs=(precision,) if request.name == parent.model else (MAIN, precision),
            attempt=progress.attempt,
            ends_job=ends_job,
        ),
    )


def end_with_int8(
    zoo: Zoo, job: Job, progress: Progress, dataset: Dataset, result: dict[str, Any]
) -> None:
    """End a fine-tune with a graph of 8 bits of what it published, where the gate lets one by.

    The fine-tune has succeeded either way; why there is no such graph is told in its result.
    """
    revision = fetch.get_revision(zoo, result["revision"])
    request = Request(
        revision=revision,
        dataset=dataset,
        name=revision.model,
        precision=Precision.INT8,
        gate_points=GATE_POINTS,
        pictures=PICTURES,
        seed=job.params["seed"],
    )
    try:
        made, graph = quantize(zoo, request, progress)
        published = publish_quantized(zoo, request, made, graph, progress, ends_job=False)
        told = {"revision": published.address, **made.summary()}
    except (GateMissed, Unsupported) as error:
        progress.say(STEP, str(error))
        told = error.as_json()
    jobs.succeed(zoo, progress.attempt, {**result, Precision.INT8.value: told})


def draw_pictures(dataset: Dataset, count: int, seed: int) -> tuple[Picture, ...]:
    """Draw training pictures to measure ranges on; the same ones every time."""
    there = dataset.of_split(Split.TRAIN)
    chosen = np.random.default_rng(seed).permutation(len(there))[:count]
    return tuple(there[index] for index in sorted(chosen.tolist()))


def _candidates(bench: Bench) -> Iterator[Candidate]:
    """Make graphs of fewer bits, one after the other as they are asked for."""
    request = bench.request
    if request.precision is Precision.FP16:
        yield Candidate(setting=None, graph=write_fp16(bench.model), calibration=None)
        return
    drawn = draw_pictures(request.dataset, request.pictures, request.seed)
    text = "\n".join(picture.digest for picture in drawn)
    values = list_values(bench.model)
    ranges: Ranges = measure_ranges(bench.model, values, bench.read(drawn, "training pictures"))
    for setting in SETTINGS:
        calibration = Calibration(
            pictures=len(drawn),
            digest=hashlib.sha256(text.encode()).hexdigest(),
            seed=request.seed,
            ranges=dict(ranges[setting.method]),
        )
        graph = write_int8(bench.model, calibration.ranges, setting.kept)
        yield Candidate(setting=setting, graph=graph, calibration=calibration)


def _answer(bench: Bench, predictors: Sequence[Predictor]) -> list[Answers]:
    """Have graphs read the held-out pictures; one whose numbers overflow is no candidate."""
    try:
        return bench.answer(predictors)
    except NotRunnable as error:
        raise GateMissed(
            f"{bench.request.revision.address} cannot be run in {bench.request.precision.value}:"
            f" {error}",
            hint="Its numbers do not fit in so few bits. Serve it as it is.",
        ) from error


def _complete(bench: Bench, before: Answers, tries: list[Try], kept: Candidate) -> Quantized:
    """Measure what the kept graph costs, and put all together."""
    request = bench.request
    bench.progress.say(STEP, "comparing what both graphs cost")
    shown = request.dataset.of_split(Split.VAL)[:COSTED]
    pixels = np.stack([read_for(bench.zoo, bench.predictor, picture) for picture in shown])
    config = fetch.read_config(bench.zoo, request.revision)
    lineage = {"parent": request.revision.address, "dataset": request.dataset.address}
    return Quantized(
        parent=request.revision,
        dataset=request.dataset,
        config=replace(config, lineage=lineage),
        precision=request.precision,
        gate_points=request.gate_points,
        before=before.accuracy,
        tries=tuple(tries),
        calibration=kept.calibration,
        costs=compare_costs(bench.graph, kept.graph, pixels),
        made_of=_blob(request.revision, GRAPH).digest,
        sizes_bytes=(len(bench.graph), len(kept.graph)),
    )


def _judge(rows: np.ndarray, truth: Sequence[str], labels: Sequence[str]) -> Answers:
    best = [labels[index] for index in rows.argmax(axis=1)]
    return Answers(probabilities=rows, right=np.array(best) == np.array(truth))


def _missed(request: Request, tries: Sequence[Try]) -> GateMissed:
    nearest = min(tries, key=lambda one: one.fall_points)
    doubt = " ".join(tell_doubt(nearest, request.gate_points))
    allowed = max(0.0, nearest.fall_points)
    return GateMissed(
        f"In {request.precision.value} {request.revision.address} loses more than"
        f" {request.gate_points:g} points of accuracy, so nothing was published. {doubt}".strip(),
        hint=f"The nearest try lost {allowed:.2f} points: give more held-out pictures, or allow"
        f" that: --gate {np.ceil(allowed * PER_CENT) / PER_CENT:g}",
        told=tell_tries(tries),
        tried=[one.as_json() for one in tries],
    )


def _blob(revision: Revision, path: str) -> Blob:
    file = revision.find_file(path)
    assert file is not None
    return Blob(digest=file.digest, size_bytes=file.size_bytes)


def _geometry(path: Path) -> dict[str, object]:
    """Keep how a dense network's map lies; the certificate is of the graph as it was."""
    return {"geometry": json.loads(path.read_bytes())["geometry"]}
