"""The proof that an exported graph computes what the network computes, picture by picture."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as states

from zoo.domain.weights import Array
from zoo.errors import ParityBroken

TOLERANCE = 1e-4  # of a probability, or of a blob's largest number
TIE = 1e-5  # two classes nearer than this may change places

# ONNX Runtime's errors have no kind in common but Exception.
RUNTIME_ERRORS = (
    states.Fail,
    states.InvalidArgument,
    states.InvalidGraph,
    states.InvalidProtobuf,
    states.NotImplemented,
    states.RuntimeException,
)
INPUT = "images"
OUTPUT = "probabilities"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """How far torch and ONNX Runtime differ over a set of pictures."""

    pictures: int
    whole: int  # of them went through the whole graph, the others' codes through its head alone
    top1_equal: int
    ties: int  # pictures whose two best classes changed places within rounding
    max_abs_difference: float
    max_rel_difference: float  # to the picture's largest probability
    provider: str
    onnxruntime: str  # version

    def as_json(self) -> dict[str, Any]:
        """Write it down as parity.json holds it."""
        return asdict(self)


def check_parity(
    network_probabilities: Callable[[Array], Array],
    graph: bytes | Path,
    batches: Iterable[Array],
    *,
    providers: tuple[str, ...] = ("CPUExecutionProvider",),
) -> Parity:
    """Compare the probabilities of network and graph on every picture.

    Each batch is uint8, N x H x W x 3, prepared; ``network_probabilities`` gives N x K for it.

    Raises:
        ParityBroken: a probability differs by more than 1e-4, a best class differs that is no tie,
            one is not finite, there is no picture, or ONNX Runtime cannot run the graph.
    """
    try:
        session = open_session(graph, providers)
        measured = [
            compare_rows(
                np.asarray(network_probabilities(images), np.float32),
                session.run([OUTPUT], {INPUT: images})[0],
            )
            for images in batches
        ]
    except RUNTIME_ERRORS as error:
        raise ParityBroken(f"ONNX Runtime cannot run the graph: {error}") from error
    return conclude(measured, session)


def conclude(
    measured: Sequence["Agreement"],
    session: onnxruntime.InferenceSession,
    *,
    whole: int | None = None,
) -> Parity:
    """Give the parity over several sets of rows; all went through the whole graph, or so many.

    Raises:
        ParityBroken: as ``check_parity``.
    """
    joined = join_rows(measured)
    parity = Parity(
        pictures=joined.rows,
        whole=joined.rows if whole is None else whole,
        top1_equal=joined.top1_equal,
        ties=joined.ties,
        max_abs_difference=joined.max_abs_difference,
        max_rel_difference=joined.max_rel_difference,
        provider=session.get_providers()[0],
        onnxruntime=onnxruntime.__version__,
    )
    _judge(parity)
    return parity


def open_session(graph: bytes | Path, providers: Sequence[str]) -> onnxruntime.InferenceSession:
    """Open a graph as it is measured here: on every core, whose waiting threads rest.

    Threads that spin between two batches, which are decoded meanwhile, cost as much as the batches.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.load_model_format", "ONNX")
    source = graph if isinstance(graph, bytes) else str(graph)
    return onnxruntime.InferenceSession(source, sess_options=options, providers=list(providers))


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobParity:
    """How far torch and ONNX Runtime differ over a network's outputs."""

    passes: int
    blobs: tuple[str, ...]
    max_rel_difference: float  # to the blob's largest number
    provider: str
    onnxruntime: str  # version

    def as_json(self) -> dict[str, Any]:
        """Write it down as parity.json holds it."""
        return asdict(self) | {"blobs": list(self.blobs)}


def check_blobs(
    network_outputs: Callable[[Mapping[str, Array]], Mapping[str, Array]],
    graph: bytes | Path,
    given: Iterable[Mapping[str, Array]],
    *,
    providers: tuple[str, ...] = ("CPUExecutionProvider",),
) -> BlobParity:
    """Compare all outputs of network and graph, of the file of ``write_graph``.

    Each pass is inputs by name; ``network_outputs`` gives the outputs by name for it.

    Raises:
        ParityBroken: an output differs by more than 1e-4 of its largest number, has another shape,
            or holds no finite number; there is no pass, or ONNX Runtime cannot run the graph.
    """
    differences: dict[str, float] = {}
    passes = 0
    try:
        session = open_session(graph, providers)
        for inputs in given:
            expected = network_outputs(inputs)
            found = session.run(list(expected), dict(inputs))
            for (name, ours), theirs in zip(expected.items(), found, strict=True):
                difference = compare_blob(name, np.asarray(ours, np.float32), theirs)
                differences[name] = max(difference, differences.get(name, 0.0))
            passes += 1
    except RUNTIME_ERRORS as error:
        raise ParityBroken(f"ONNX Runtime cannot run the graph: {error}") from error
    parity = BlobParity(
        passes=passes,
        blobs=tuple(differences),
        max_rel_difference=max(differences.values(), default=0.0),
        provider=session.get_providers()[0],
        onnxruntime=onnxruntime.__version__,
    )
    _judge_blobs(parity, differences)
    return parity


def compare_blob(name: str, expected: Array, found: Array) -> float:
    """Give the largest difference relative to the largest number; nan and infinity are equal.

    Raises:
        ParityBroken: shapes differ, no number is finite, or other ones are.
    """
    if expected.shape != found.shape:
        raise ParityBroken(
            f"The graph's {name!r} has the shape {found.shape}, the network's {expected.shape}."
        )
    is_finite = np.isfinite(expected)
    if not is_finite.any():
        raise ParityBroken(f"{name!r} holds no number that is finite, which proves nothing.")
    if not np.array_equal(expected[~is_finite], found[~is_finite], equal_nan=True):
        raise ParityBroken(f"{name!r} is not finite at other places in the graph.")
    largest = float(np.abs(expected[is_finite]).max())
    difference = float(np.abs(np.subtract(expected[is_finite], found[is_finite])).max())
    return difference / largest if largest else difference


def _judge_blobs(parity: BlobParity, differences: Mapping[str, float]) -> None:
    broken = [
        f"{name!r} differs by {difference:.2g} of its largest number, more than {TOLERANCE:.0e}"
        for name, difference in differences.items()
        if not difference <= TOLERANCE  # nan is not
    ]
    if not differences:
        broken = ["there is nothing to compare them on"]
    if broken:
        raise ParityBroken(
            "Graph and network are not proven equal: " + "; ".join(broken) + ".",
            parity=parity.as_json(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How far rows of probabilities differ from those expected."""

    rows: int
    top1_equal: int
    ties: int  # rows whose two best classes changed places within rounding
    max_abs_difference: float
    max_rel_difference: float  # to the row's largest probability

    @property
    def top1_differing(self) -> int:
        """Count the rows whose best class is another, and not by rounding."""
        return self.rows - self.top1_equal - self.ties


def compare_rows(expected: Array, found: Array) -> Agreement:
    """Compare N x K probabilities with those expected.

    Raises:
        ParityBroken: shapes differ, or a number is not finite.
    """
    if expected.shape != found.shape:
        raise ParityBroken(
            f"The probabilities found have the shape {found.shape}, the network's {expected.shape}."
        )
    if not (np.isfinite(expected).all() and np.isfinite(found).all()):
        raise ParityBroken("A probability is not a number, or infinite.")
    differences = np.abs(np.subtract(expected, found)).max(axis=1, initial=0)
    ours, theirs = expected.argmax(axis=1), found.argmax(axis=1)
    rows = np.arange(len(expected))
    gaps = expected[rows, ours] - expected[rows, theirs]
    return Agreement(
        rows=len(rows),
        top1_equal=int((ours == theirs).sum()),
        ties=int(((ours != theirs) & (gaps <= TIE)).sum()),
        max_abs_difference=float(differences.max(initial=0)),
        max_rel_difference=float((differences / expected.max(axis=1, initial=0)).max(initial=0)),
    )


def join_rows(measured: Sequence[Agreement]) -> Agreement:
    """Give the agreement over several sets of rows."""
    return Agreement(
        rows=sum(one.rows for one in measured),
        top1_equal=sum(one.top1_equal for one in measured),
        ties=sum(one.ties for one in measured),
        max_abs_difference=max((one.max_abs_difference for one in measured), default=0.0),
        max_rel_difference=max((one.max_rel_difference for one in measured), default=0.0),
    )


def _judge(parity: Parity) -> None:
    differing = parity.pictures - parity.top1_equal - parity.ties
    reasons = {
        "there is no picture to compare them on": parity.pictures == 0,
        f"the best class differs on {differing} of {parity.pictures} pictures": differing > 0,
        f"a probability differs by {parity.max_abs_difference:.2g}, more than {TOLERANCE:.0e}": (
            parity.max_abs_difference > TOLERANCE
        ),
    }
    broken = [reason for reason, holds in reasons.items() if holds]
    if broken:
        raise ParityBroken(
            "Graph and network are not proven equal: " + "; ".join(broken) + ".",
            parity=parity.as_json(),
        )
