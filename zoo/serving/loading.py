"""Loading a graph: opened, tried once, and measured, before the first request sees it."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.serving.dense import open_graph
from zoo.serving.memory import used_bytes
from zoo.serving.predictor import Predictor
from zoo.serving.shelf import Served


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """How graphs are loaded here."""

    device: str = "auto"
    cache: Path | None = None  # where optimised graphs are kept

    def load(self, digest: str, graph: Path) -> Served:
        """Open a graph and warm it.

        Raises:
            NotRunnable: it is no graph of the zoo's, or fails on the first picture.
            Unsupported: CUDA was asked for and the session came up without it.
        """
        del digest
        begun_ns, before_bytes = time.monotonic_ns(), used_bytes()
        predictor = open_graph(graph, device=self.device)
        warm(predictor)
        return Served(
            predictor=predictor,
            size_bytes=max(used_bytes() - before_bytes, graph.stat().st_size),
            load_ns=time.monotonic_ns() - begun_ns,
        )


def warm(predictor: Predictor) -> np.ndarray:
    """Run a predictor once over a picture that is always the same.

    Raises:
        NotRunnable: it fails.
    """
    height, width = predictor.preprocessing.crop_px
    noise = np.random.default_rng(0).integers(0, 256, (1, height, width, 3), np.uint8)
    return predictor.predict(noise)
