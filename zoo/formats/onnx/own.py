"""The zoo's own graphs: their preprocessing, labels, and where the network in them begins."""

import json
from dataclasses import dataclass

from zoo.domain.preprocessing import Preprocessing
from zoo.domain.reading import read_labels, read_object
from zoo.domain.weights import Array
from zoo.formats.onnx.model import OnnxModel

PREPARED = "preprocessing/div"  # the last value of the preprocessing
PROBABILITIES = "probabilities"
LABELS, PREPROCESSING = "zoo.labels", "zoo.preprocessing"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Own:
    """What a graph that the zoo wrote says of itself."""

    start: str  # the value that the network reads
    end: str
    shape: tuple[int, int, int]  # channels, height, width of a prepared picture
    preprocessing: Preprocessing
    labels: tuple[str, ...]
    mean_image: Array | None


def find_own(model: OnnxModel) -> Own | None:
    """Find what a graph of the zoo's own says; None for any other graph, or one that is changed."""
    written = {name for node in model.nodes for name in node.outputs}
    if PREPARED not in written or PROBABILITIES not in written:
        return None
    try:
        stated = read_object(json.loads(model.metadata[PREPROCESSING]), PREPROCESSING)
        preprocessing = Preprocessing.from_json(stated)
        labels = read_labels(json.loads(model.metadata[LABELS]), LABELS)
    except (KeyError, ValueError, TypeError, RecursionError):
        return None
    name = preprocessing.mean_tensor
    mean = model.initializers.get("preprocessing.mean") if name else None
    shape = (preprocessing.channel_count, *preprocessing.crop_px)
    if name and (mean is None or mean.shape != shape or not mean.is_float):
        return None
    return Own(
        start=PREPARED,
        end=PROBABILITIES,
        shape=shape,
        preprocessing=preprocessing,
        labels=labels,
        mean_image=mean.array() if mean else None,
    )
