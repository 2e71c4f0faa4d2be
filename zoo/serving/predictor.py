"""One ONNX Runtime session with the preprocessing and labels its graph carries."""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.domain.preprocessing import Preprocessing
from zoo.domain.reading import read_labels
from zoo.errors import NotRunnable, TooLarge, Unsupported, ZooError
from zoo.serving.cores import count_cores
from zoo.serving.dividing import guard_divisions
from zoo.serving.external import refuse_external_data
from zoo.serving.signature import IMAGES, PROBABILITIES, check_signature

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")
# A place in the runtime's source, and the function there where the place is a whole path.
BUILT_AT = re.compile(
    r"/\S+\.(?:h|cc|cpp|cu|cuh):\d+ (?:[\w:*&<>~, ]+\([^()]*\)(?: const)? )?"
    r"|\b\w+\.(?:h|cc|cpp|cu|cuh):\d+ "
)
# What it says where memory is refused: by the bound of an arena, or by the system.
NO_ROOM = ("is smaller than requested bytes", "Failed to allocate memory", "bad_alloc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A session and what its graph says of itself, which nothing has checked against it yet."""

    session: Any
    provider: str  # the one that really runs
    labels: tuple[str, ...]
    preprocessing: Preprocessing
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictor:
    """A session that is ready to run; safe to be used by many threads."""

    session: Any  # of ONNX Runtime, or a `Pair` of them
    labels: tuple[str, ...]
    preprocessing: Preprocessing
    provider: str  # the one that really runs

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Give N x K probabilities for N x H x W x 3 uint8 RGB pictures of the crop's size.

        Raises:
            NotRunnable: the graph fails on them, or gives something else.
            TooLarge: it needs more memory for them than its runs may take.
        """
        return self._run(images, (len(images), len(self.labels)))

    def _run(self, images: NDArray[np.uint8], expected: tuple[int, ...]) -> NDArray[np.float32]:
        """Give the probabilities, which are of the shape expected and finite.

        Raises:
            NotRunnable: they are not, or the graph fails.
        """
        (answer,) = run_session(self.session, [PROBABILITIES], {IMAGES: images})
        probabilities = np.asarray(answer, dtype=np.float32)
        if probabilities.shape != expected:
            raise NotRunnable(
                f"The graph gives probabilities of the shape {probabilities.shape}, not {expected}."
            )
        if not np.isfinite(probabilities).all():
            raise NotRunnable("The graph gives probabilities that are infinite or no numbers.")
        return probabilities


def open_predictor(graph: Path | bytes, *, device: str = "auto") -> Predictor:
    """Open a classifier's graph that the zoo exported.

    Raises:
        NotRunnable: the file is no graph that ONNX Runtime takes, or not of the form of the zoo's.
        Unsupported: CUDA was asked for and the session came up without it.
    """
    return as_classifier(open_session(graph, Opening(device=device)))


def as_classifier(opened: Opened) -> Predictor:
    """Take a session for a classifier.

    Raises:
        NotRunnable: the graph is none.
    """
    check_signature(opened.session, opened.labels, opened.preprocessing)
    return Predictor(
        session=opened.session,
        labels=opened.labels,
        preprocessing=opened.preprocessing,
        provider=opened.provider,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """How a session is opened."""

    device: str = "auto"
    threads: int | None = None  # None: one for each core
    is_optimised: bool = False  # whether the graph has been optimised before
    save_as: Path | None = None  # where the optimised graph is written to, its weights beside it
    provider_options: Mapping[str, str] = field(default_factory=dict)  # where that is CUDA
    is_in_arena: bool = False  # of `opening_arena`, instead of one of its own without a bound


AUTO = Opening()


def open_session(graph: Path | bytes, how: Opening) -> Opened:
    """Open a graph and read its metadata.

    Raises:
        NotRunnable: the file is no graph that ONNX Runtime takes, or one of others.
        Unsupported: CUDA was asked for and the session came up without it.
    """
    if not how.is_optimised:  # These keep their weights beside them.
        refuse_external_data(graph)
    session = open_bare(graph, how)
    provider = session.get_providers()[0]
    check_provider(how.device, provider)
    metadata = session.get_modelmeta().custom_metadata_map
    labels, preprocessing = _read_metadata(metadata)
    return Opened(
        session=session,
        provider=provider,
        labels=labels,
        preprocessing=preprocessing,
        metadata=metadata,
    )


def open_raw(graph: Path | bytes, *, device: str) -> Any:  # noqa: ANN401  # the library has no types
    """Open a graph, whatever it reads and gives.

    Raises:
        NotRunnable: the file is no graph that ONNX Runtime takes.
        Unsupported: CUDA was asked for and the session came up without it.
    """
    refuse_external_data(graph)
    session = open_bare(graph, Opening(device=device))
    check_provider(device, session.get_providers()[0])
    return session


def open_bare(graph: Path | bytes, how: Opening) -> Any:  # noqa: ANN401  # the library has no types
    """Open a session, whatever its graph is; what would end the process is computed otherwise.

    Raises:
        NotRunnable: ONNX Runtime does not take it.
    """
    if not how.is_optimised:  # These are written by sessions opened here.
        graph = guard_divisions(graph)
    # onnxruntime takes some tenths of a second and 60 MB, which a server without requests saves.
    import onnxruntime  # noqa: PLC0415

    source = graph if isinstance(graph, bytes) else str(graph)
    try:
        session = onnxruntime.InferenceSession(
            source,
            sess_options=_options(how, onnxruntime),
            providers=_with_options(_providers(how.device, onnxruntime), how.provider_options),
            # Options that it does not take are an error, not a reason to go on without them.
            enable_fallback=int(not how.provider_options),
        )
        session.disable_fallback()  # to another provider, unasked
    except list_refusals() as error:
        raise NotRunnable(f"ONNX Runtime does not take the graph: {_reason(error)}") from error
    return session


def check_provider(device: str, provider: str) -> None:
    """Refuse a session that came up elsewhere than it was asked to.

    Raises:
        Unsupported: CUDA was asked for, and this is not it.
    """
    if device == "cuda" and provider != CUDA:
        raise Unsupported(
            f"CUDA was asked for, but ONNX Runtime came up on {provider}.",
            hint="It needs NVIDIA's driver, CUDA 13, cuDNN 9 and the package onnxruntime-gpu"
            " (without onnxruntime beside it); or set ZOO_DEVICE=cpu.",
            provider=provider,
        )


def _read_metadata(metadata: Mapping[str, str]) -> tuple[tuple[str, ...], Preprocessing]:
    try:
        labels = read_labels(json.loads(metadata["zoo.labels"]), "labels")
        return labels, Preprocessing.from_json(json.loads(metadata["zoo.preprocessing"]))
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise NotRunnable(
            "The graph does not say how pictures are prepared for it and what its outputs mean:"
            f" {error}.",
            hint="Export it with the zoo: `zoo import` or `zoo finetune`.",
        ) from error


def run_session(
    session: Any,  # noqa: ANN401  # the library has no types
    outputs: Sequence[str],
    inputs: Mapping[str, NDArray[Any]],
) -> list[Any]:
    """Run a session.

    Raises:
        NotRunnable: the graph fails on these inputs.
        TooLarge: it needs more memory for them than its runs may take.
    """
    try:
        answer: list[Any] = session.run(list(outputs), inputs)
    except list_refusals() as error:
        if lacks_room(error):
            raise TooLarge(
                f"The graph needs more memory for this than its runs may take: {_reason(error)}",
                hint="Send less at once, or raise ZOO_RUN_BYTES.",
            ) from error
        raise NotRunnable(f"ONNX Runtime cannot run the graph: {_reason(error)}") from error
    return answer


def _reason(error: Exception) -> str:
    """Tell what ONNX Runtime says, without the places in its source where it was built."""
    return BUILT_AT.sub("", str(error)).rstrip(". \n") + "."


def lacks_room(error: Exception) -> bool:
    """Tell whether ONNX Runtime fails because its arena may take no more memory, or gets none."""
    said = str(error)
    return any(one in said for one in NO_ROOM)


def list_faults() -> tuple[type[Exception], ...]:
    """List what comes of a way to run a graph that does not work here.

    Buffers and options are refused by errors of Python's own, which `run_session` does not raise.
    """
    return (ZooError, RuntimeError, ValueError, TypeError, MemoryError, *list_refusals())


def list_refusals() -> tuple[type[Exception], ...]:
    """List what ONNX Runtime raises over a graph; these errors share no kind of their own."""
    from onnxruntime.capi import onnxruntime_pybind11_state as faults  # noqa: PLC0415  # slow

    return (
        faults.EPFail,  # of a GPU
        faults.Fail,
        faults.InvalidArgument,
        faults.InvalidGraph,
        faults.InvalidProtobuf,
        faults.NotImplemented,
        faults.RuntimeException,
    )


def _options(how: Opening, onnxruntime: Any) -> Any:  # noqa: ANN401  # the library has no types
    """Use every core this process may use, and none of them while nothing is asked."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = how.threads or count_cores()
    if how.is_optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    if how.save_as is not None:
        options.optimized_model_filepath = str(how.save_as)
        # Weights in a file of their own are mapped when the graph is opened, neither read nor
        # copied: ResNet-18 opens in a sixth of the time, and any number of sessions share them.
        for name, value in (
            ("file_name", weights_of(how.save_as).name),
            ("min_size_in_bytes", 1024),
        ):
            key = f"session.optimized_model_external_initializers_{name}"
            options.add_session_config_entry(key, str(value))
    # Waiting threads that spin cost four times the work itself between two requests.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if how.is_in_arena:
        options.add_session_config_entry("session.use_env_allocators", "1")
    options.log_severity_level = 3
    # Else a file may also be of the runtime's own format, which the checks before cannot read.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    return options


def weights_of(optimised: Path) -> Path:
    """Name the file of the weights of an optimised graph."""
    return optimised.with_suffix(".bin")


def wants_cuda(device: str) -> bool:
    """Tell whether CUDA is tried: only where a driver is, as the library lists it anywhere."""
    return device == "cuda" or (device == "auto" and NVIDIA_DRIVER.exists())


def _providers(device: str, onnxruntime: Any) -> Sequence[str]:  # noqa: ANN401  # no types
    if not wants_cuda(device):
        return [CPU]
    with redirect_stdout(sys.stderr):  # which it complains to, where answers of commands go
        onnxruntime.preload_dlls()
    return [CUDA, CPU]


def _with_options(
    providers: Sequence[str], options: Mapping[str, str]
) -> list[str | tuple[str, Mapping[str, str]]]:
    """Give CUDA its options; the CPU has none."""
    return [(name, options) if options and name == CUDA else name for name in providers]
