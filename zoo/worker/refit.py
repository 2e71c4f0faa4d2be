"""A probe on a body that is known: its codes are kept, its graph was proven; torch has no part.

Everything is published and checked as by ``zoo.worker.finetune``, which does it where something is
not there: codes of a picture, the body under a head of so many classes, or a file's bytes.
"""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from zoo.domain.config import GRAPH, LAYERS, WEIGHTS, ModelConfig
from zoo.domain.dataset import Dataset, Picture, Split
from zoo.domain.job import Job
from zoo.domain.plan import ALL, BEST, CodesPrecision, Plan, Strategy
from zoo.domain.plan import Classifier as Fitted
from zoo.domain.revision import MAIN, Blob, Revision
from zoo.domain.surgery import Convolutionalize
from zoo.domain.weights import Weights
from zoo.errors import BlobNotFound, DigestMismatch, ParityBroken
from zoo.export.halves import HEAD_BIAS, HEAD_WEIGHT, Halves, find_halves
from zoo.export.parity import Parity
from zoo.formats.safetensors import read_safetensors, write_safetensors
from zoo.operations.datasets import get_dataset
from zoo.operations.fetch import get_revision, read_config
from zoo.operations.opening import Zoo
from zoo.operations.prints import warm_prints
from zoo.planning import plan_finetune
from zoo.training.cache import Codes, CodesCache
from zoo.training.finetune import KINDS, SPLITS, Fit, learn_head, measure_head, predict_codes
from zoo.training.probe import Probe
from zoo.worker.bodies import Body, body_of, find_body, runtime_codes
from zoo.worker.gallery import draw_gallery, list_wrong
from zoo.worker.precision import Choice, Chosen, asked_precision, choose_precision
from zoo.worker.progress import Progress
from zoo.worker.proof import Proof
from zoo.worker.publishing import REQUEST, publish_record, write_files
from zoo.worker.record import Record
from zoo.worker.tapped import Tapped
from zoo.worker.unchanged import count_unchanged
from zoo.worker.witnessed import Witnessed
from zoo.worker.witnesses import choose_witnesses


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Known:
    """What is there for a probe, all of it."""

    parent: Revision
    before: Weights  # the parent's
    config: ModelConfig  # of what is made
    dataset: Dataset
    plan: Plan
    body: Body
    weights: Weights  # of the body under some head
    halves: Halves  # of its graph
    layers: Blob | None
    tapped: Tapped
    val_codes: Codes  # ONNX Runtime's, N x D
    witnesses: Codes | None  # torch's, in fp32, where those of all pictures are not


def run(zoo: Zoo, job: Job, progress: Progress) -> bool:
    """Fit a probe to kept codes and publish it; tell whether all it takes was there."""
    known = _find(zoo, job)
    if known is None:
        return False
    for reason in known.plan.because:
        progress.say("plan", reason)
    pictures = len(known.tapped.codes)
    progress.say("fit", f"{KINDS[known.plan.classifier]} on the kept codes of {pictures} pictures")
    probe = learn_head(known.tapped.codes, known.dataset, known.plan)
    progress.say("fit", f"C = {probe.c:g}")
    try:
        _publish(zoo, job, progress, known, probe)
    except ParityBroken as error:
        progress.say("export", f"{error} All is computed anew.")
        return False
    return True


def _publish(zoo: Zoo, job: Job, progress: Progress, known: Known, probe: Probe) -> None:
    head = {HEAD_WEIGHT: probe.weight, HEAD_BIAS: probe.bias}
    weights = dict(known.weights) | head
    blob = zoo.blobs.put(write_safetensors(weights))
    warm_prints(zoo, blob.digest)
    labels = json.dumps(known.dataset.classes, ensure_ascii=False)
    properties = {"zoo.labels": labels, "zoo.weights": blob.digest}
    graph = known.halves.with_head(probe.weight, probe.bias, properties)
    fit, parity = _prove(zoo, progress, known, probe, graph)
    wrong = list_wrong(known.dataset, fit.val_probabilities)
    record = Record(
        parent=known.parent,
        dataset=known.dataset,
        plan=known.plan,
        tapped=known.tapped,
        config=known.config,
        fit=fit,
        parity=parity,
        parameters=known.body.parameters,
        cpu_s=time.process_time(),
        digest=blob.digest,
        unchanged=count_unchanged(known.before, weights),
        request={name: job.params.get(name) for name in REQUEST},
        wrong=wrong,
        gallery=draw_gallery(zoo, known.config.preprocessing, wrong),
    )
    files = write_files(zoo, record, weights=blob, graph=graph, layers=known.layers)
    publish_record(zoo, job, progress, record, files, refs=(MAIN,), ends_job=True)


def _prove(
    zoo: Zoo, progress: Progress, known: Known, probe: Probe, graph: bytes
) -> tuple[Fit, Parity]:
    """Compare the graph with what torch gave before; give how good it is, and the comparison."""
    halves = find_halves(graph)
    assert halves is not None
    pictures = known.dataset.of_split(Split.VAL)
    preprocessing, codes = known.config.preprocessing, known.tapped.codes
    if known.witnesses is None:
        fit = measure_head(probe, codes, known.dataset)
        progress.say("fit", f"validation accuracy {fit.told}")
        proof = Proof(
            zoo=zoo,
            progress=progress,
            pictures=pictures,
            preprocessing=preprocessing,
            graph=graph,
            rows=fit.val_probabilities,
            kept=None,
        )
        return fit, proof.of_kept(halves, known.val_codes)
    witnessed = Witnessed(
        zoo=zoo, progress=progress, pictures=pictures, preprocessing=preprocessing, graph=graph
    )
    expected = predict_codes(probe, known.witnesses)
    parity, said = witnessed.of_kept(halves, known.val_codes, expected)
    fit = measure_head(probe, codes, known.dataset, val_probabilities=said)
    progress.say("eval", f"validation accuracy {fit.told}")
    return fit, parity


def _find(zoo: Zoo, job: Job) -> Known | None:
    """Find all that a probe takes; None where something is missing."""
    strategy = Strategy(job.params.get("strategy", Strategy.PROBE))
    layer = job.params.get("layer", "codes")
    is_more = job.params.get("int8") or job.params.get("anew")  # than a head on what is kept
    if strategy is not Strategy.PROBE or layer in {BEST, ALL} or is_more:
        return None
    revision = get_revision(zoo, job.params["model"])
    config = read_config(zoo, revision)
    if any(isinstance(surgery, Convolutionalize) for surgery in config.recipe.surgeries):
        return None
    dataset = get_dataset(zoo, job.params["dataset"])
    about = body_of(revision, config, (layer,))
    asked = asked_precision(job)
    choice = Choice.of(asked, config.preprocessing)
    body = find_body(zoo, about, len(dataset.classes), choice)
    chosen = None if body is None else _choose(zoo, body, asked, dataset)
    if body is None or chosen is None:
        return None
    splits = (Split.TRAIN,) if chosen.is_bf16 else SPLITS
    pictures = [picture for split in splits for picture in dataset.of_split(split)]
    codes = _read_codes(CodesCache(folder=zoo.codes_folder / body.folder), pictures)
    val_codes = _read_codes(runtime_codes(zoo, about), dataset.of_split(Split.VAL))
    witnesses = _read_witnesses(zoo, body, dataset) if chosen.is_bf16 else None
    files = _read_files(zoo, revision, body)
    if codes is None or val_codes is None or files is None:
        return None
    if chosen.is_bf16 and witnesses is None:
        return None
    before, weights, halves, layers = files
    plan = plan_finetune(
        dataset,
        seed=job.params["seed"],
        layer=layer,
        classifier=Fitted(job.params.get("classifier", Fitted.LOGISTIC)),
        strategy=strategy,
    )
    return Known(
        parent=revision,
        before=before,
        config=ModelConfig(
            architecture=config.architecture,
            label_names=dataset.classes,
            pictures=config.preprocessing,
            recipe=body.recipe,
            lineage={"parent": revision.address, "dataset": dataset.address},
        ),
        dataset=dataset,
        plan=replace(plan, because=(*plan.because, *chosen.because)),
        body=body,
        weights=weights,
        halves=halves,
        layers=layers,
        tapped=Tapped(taps=(layer,), codes=codes, depth=(), chosen=chosen),
        val_codes=np.stack([val_codes[one.digest] for one in dataset.of_split(Split.VAL)]),
        witnesses=witnesses,
    )


def _choose(zoo: Zoo, body: Body, asked: CodesPrecision, dataset: Dataset) -> Chosen | None:
    """Choose what codes are in as the body's were chosen; None where it would be another choice."""
    if body.compared is None:
        return Chosen()
    witnesses = choose_witnesses(dataset.of_split(Split.TRAIN))
    both = [
        _read_codes(CodesCache(folder=zoo.codes_folder / folder), witnesses)
        for folder in body.compared
    ]
    if both[0] is None or both[1] is None:
        return None
    exact, rough = ({"": np.stack(list(codes.values()))} for codes in both if codes)
    chosen = choose_precision(asked, exact, rough)
    return chosen if chosen.precision is body.precision else None


def _read_witnesses(zoo: Zoo, body: Body, dataset: Dataset) -> Codes | None:
    """Give torch's codes in fp32 of the validation pictures that go through all of the network."""
    assert body.compared is not None
    witnesses = choose_witnesses(dataset.of_split(Split.VAL))
    found = _read_codes(CodesCache(folder=zoo.codes_folder / body.compared[0]), witnesses)
    return None if found is None else np.stack([found[one.digest] for one in witnesses])


def _read_codes(cache: CodesCache, pictures: Sequence[Picture]) -> dict[str, Codes] | None:
    """Give the codes of pictures by digest; None where those of one are missing."""
    wanted = dict.fromkeys(picture.digest for picture in pictures)
    found = cache.read(wanted)
    return {digest: found[digest] for digest in wanted} if len(found) == len(wanted) else None


def _read_files(
    zoo: Zoo, revision: Revision, body: Body
) -> tuple[Weights, Weights, Halves, Blob | None] | None:
    """Give the parent's weights, the body's, its graph and its layers, their bytes checked."""
    before = revision.find_file(WEIGHTS)
    try:
        if before is None:
            return None
        own = read_safetensors(_checked(zoo, before.digest, WEIGHTS))
        weights = read_safetensors(_checked(zoo, body.weights, WEIGHTS))
        halves = find_halves(_checked(zoo, body.graph, GRAPH).read_bytes())
        layers = None
        if body.layers is not None:
            size_bytes = _checked(zoo, body.layers, LAYERS).stat().st_size
            layers = Blob(digest=body.layers, size_bytes=size_bytes)
    except (BlobNotFound, DigestMismatch):
        return None  # Whoever computes all anew says what is wrong, if anything is.
    return None if halves is None else (own, weights, halves, layers)


def _checked(zoo: Zoo, digest: str, path: str) -> Path:
    """Give where bytes of the store lie, once they are seen to be those of the digest.

    Raises:
        BlobNotFound: they are gone.
        DigestMismatch: they are damaged.
    """
    if not zoo.blobs.has(digest):
        raise BlobNotFound(f"The store does not hold {digest}.", digest=digest)
    found = zoo.blobs.local_path(digest)
    with found.open("rb") as opened:
        if hashlib.file_digest(opened, "sha256").hexdigest() != digest:
            raise DigestMismatch(f"{path} is damaged in the store.", path=path, expected=digest)
    return found
