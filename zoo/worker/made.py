"""A head and its network, before they are published: proven, and kept for the next head."""

from dataclasses import dataclass

import numpy as np

from zoo.domain.config import GRAPH, LAYERS, WEIGHTS
from zoo.domain.dataset import Split
from zoo.domain.plan import CodesPrecision
from zoo.domain.revision import Blob
from zoo.domain.weights import Array
from zoo.export.parity import Parity
from zoo.operations.opening import Zoo
from zoo.training.cache import Codes
from zoo.training.codes import apply_head
from zoo.training.finetune import Fit, measure_head
from zoo.training.probe import Probe
from zoo.worker.bodies import Body, body_of, keep_body, runtime_codes
from zoo.worker.candidate import Candidate, answer_with_codes
from zoo.worker.codes import Kind, codes_cache
from zoo.worker.outcome import Trained
from zoo.worker.precision import Choice
from zoo.worker.progress import Progress
from zoo.worker.proof import Proof, keep_codes
from zoo.worker.record import Record
from zoo.worker.subject import Subject
from zoo.worker.tapped import Tapped
from zoo.worker.unchanged import Unchanged
from zoo.worker.witnessed import Witnessed
from zoo.worker.witnesses import choose_witnesses


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A head that was fitted, and the network it belongs to."""

    subject: Subject
    taps: tuple[str, ...]
    tapped: Tapped
    probe: Probe
    fit: Fit | None  # None where the graph has to be asked about the validation pictures first
    candidate: Candidate
    unchanged: Unchanged
    trained: Trained | None = None
    spent_s: float = 0.0  # CPU seconds of earlier attempts that this one went on from


def prove(zoo: Zoo, progress: Progress, made: Made, graph: bytes) -> tuple[Fit, Parity]:
    """Compare the graph with the network; give how good it is, and the comparison.

    Raises:
        ParityBroken: the graph does not compute what the network computes.
    """
    if made.fit is None:
        return _prove_on_witnesses(zoo, progress, made, graph)
    proof = Proof(
        zoo=zoo,
        progress=progress,
        pictures=made.subject.dataset.of_split(Split.VAL),
        preprocessing=made.candidate.config.preprocessing,
        graph=graph,
        rows=_rows(made, made.fit),
        kept=runtime_codes(zoo, _about(made)) if made.trained is None else None,
    )
    return made.fit, proof.anew(made.candidate.classifier.probabilities)


def _prove_on_witnesses(
    zoo: Zoo, progress: Progress, made: Made, graph: bytes
) -> tuple[Fit, Parity]:
    dataset, parent = made.subject.dataset, made.subject.parent
    pictures = dataset.of_split(Split.VAL)

    def answer(images: Array) -> Array:
        probabilities, codes = answer_with_codes(made.candidate, images)
        if len(made.taps) == 1:
            kept = codes_cache(zoo, parent, made.taps[0], kind=Kind.WITNESS)
            keep_codes(zoo, kept, choose_witnesses(pictures), codes)
        return probabilities

    witnessed = Witnessed(
        zoo=zoo,
        progress=progress,
        pictures=pictures,
        preprocessing=made.candidate.config.preprocessing,
        graph=graph,
    )
    parity, said = witnessed.anew(answer, runtime_codes(zoo, _about(made)))
    fit = measure_head(made.probe, made.tapped.codes, dataset, val_probabilities=said)
    progress.say("eval", f"validation accuracy {fit.told}")
    return fit, parity


def _rows(made: Made, fit: Fit) -> Codes:
    """Give what torch says of the validation pictures: a probe's head on the body's codes."""
    if made.trained is not None:
        return fit.val_probabilities
    pictures = made.subject.dataset.of_split(Split.VAL)
    codes = np.stack([made.tapped.codes[picture.digest] for picture in pictures])
    return apply_head(codes, made.probe.weight, made.probe.bias)


def _about(made: Made) -> dict[str, object]:
    return body_of(made.subject.parent.revision, made.subject.parent.config, made.taps)


def keep_made(
    zoo: Zoo, asked: CodesPrecision, made: Made, record: Record, files: dict[str, Blob]
) -> None:
    """Keep what another head on the same codes can do without torch with, once it is published.

    ``asked`` is what the codes were to be computed in.
    """
    if len(made.taps) > 1:
        return
    layers, chosen = files.get(LAYERS), made.tapped.chosen
    kinds = (Kind.BF16 if chosen.is_bf16 else Kind.FP32, Kind.WITNESS, Kind.BF16)
    folder, *compared = (
        codes_cache(zoo, made.subject.parent, made.taps[0], kind=kind).folder.name for kind in kinds
    )
    body = Body(
        recipe=record.config.recipe,
        weights=files[WEIGHTS].digest,
        graph=files[GRAPH].digest,
        layers=layers.digest if layers else None,
        parameters=record.parameters,
        folder=folder,
        precision=chosen.precision,
        compared=None if chosen.change is None else (compared[0], compared[1]),
    )
    choice = Choice.of(asked, made.subject.parent.config.preprocessing)
    keep_body(zoo, _about(made), len(record.config.label_names), choice, body)
