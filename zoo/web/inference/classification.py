"""The classification extension: scores as texts of value, index and label, the best first."""

from collections.abc import Sequence

import numpy as np

from zoo.errors import BadRequest
from zoo.web.inference.tensors import Tensor


def classify(scores: Tensor, classes: int, labels: Sequence[str], *, name: str) -> Tensor:
    """Give the best classes of the last axis as texts: ``value:index``, ``:label`` where known.

    Raises:
        BadRequest: the output holds no numbers, or has no axis of classes.
    """
    if scores.dtype.kind not in "fiu" or scores.ndim == 0 or not scores.shape[-1]:
        raise BadRequest(f"The output {name!r} holds no scores that could be classified.")
    count = min(classes, scores.shape[-1])
    order = np.argsort(-scores.astype(np.float64), axis=-1, kind="stable")[..., :count]
    texts = np.empty(order.shape, dtype=object)
    for place in np.ndindex(order.shape):
        index = int(order[place])
        texts[place] = _text(float(scores[(*place[:-1], index)]), index, labels)
    return texts


def _text(value: float, index: int, labels: Sequence[str]) -> bytes:
    label = f":{labels[index]}" if index < len(labels) else ""
    return f"{value:f}:{index}{label}".encode()
