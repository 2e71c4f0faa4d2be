"""The ranges of a graph's values, measured on pictures: what 8 bits are laid over."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper

from zoo.domain.quantization import Method
from zoo.errors import NotRunnable
from zoo.export.parity import RUNTIME_ERRORS, open_session
from zoo.export.pictures import IMAGES

SHARE = (1e-4, 1 - 1e-4)  # quantiles of a picture that a range reaches to, by percentiles
SAMPLE = 2**16  # numbers of a value that quantiles are taken of, spread evenly over it
PROVIDERS = ("CPUExecutionProvider",)

Range = tuple[float, float]
Ranges = Mapping[Method, Mapping[str, Range]]


def measure_ranges(
    model: ModelProto, values: Sequence[str], pictures: Iterable[NDArray[np.uint8]]
) -> Ranges:
    """Measure how far values of a graph reach, by every method in one pass.

    ``pictures`` are H x W x 3, uint8, prepared; they are run one by one, so that no more than one
    picture's values are held at once.

    Raises:
        NotRunnable: ONNX Runtime cannot run the graph, or a value is infinite or no number.
    """
    names = list(values)
    least, most = np.full(len(names), np.inf), np.full(len(names), -np.inf)
    quantiles: list[NDArray[np.float64]] = []
    try:
        session = open_session(_with_outputs(model, names).SerializeToString(), PROVIDERS)
        for pixels in pictures:
            found = session.run(names, {IMAGES: pixels[np.newaxis]})
            ends = np.array([[value.min(), value.max()] for value in found])
            if not np.isfinite(ends).all():
                bad = names[int(np.argmin(np.isfinite(ends).all(axis=1)))]
                raise NotRunnable(f"The graph's {bad!r} is infinite or no number on a picture.")
            least, most = np.minimum(least, ends[:, 0]), np.maximum(most, ends[:, 1])
            quantiles.append(np.array([np.quantile(_sample(value), SHARE) for value in found]))
    except RUNTIME_ERRORS as error:
        raise NotRunnable(f"ONNX Runtime cannot run the graph: {error}") from error
    return {
        Method.MINMAX: _by_name(names, np.stack([least, most], axis=1)),
        Method.PERCENTILE: _by_name(names, np.mean(quantiles, axis=0)),
    }


def _with_outputs(model: ModelProto, names: Sequence[str]) -> ModelProto:
    """Give the graph with these values among its outputs."""
    wider = ModelProto()
    wider.CopyFrom(model)
    there = {one.name for one in (*model.graph.output, *model.graph.input)}
    wider.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        for name in names
        if name not in there
    )
    return wider


def _sample(value: NDArray[np.float32]) -> NDArray[np.float32]:
    return value.reshape(-1)[:: max(1, value.size // SAMPLE)]


def _by_name(names: Sequence[str], ends: NDArray[np.float64]) -> dict[str, Range]:
    """Give ranges as numbers of 32 bits, which is what the graph holds."""
    return {
        name: (float(np.float32(low)), float(np.float32(high)))
        for name, (low, high) in zip(names, ends, strict=True)
    }
