"""Making the optimised copy of a graph: tried, measured, and the cheaper of two ways kept."""

import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoo.errors import NotRunnable
from zoo.serving.batches import MEASURED, choose_most_together
from zoo.serving.costs import share_of
from zoo.serving.dense import open_graph
from zoo.serving.optimised import TOLERANCE, GraphCache, Note
from zoo.serving.predictor import Opening, Predictor

JOIN = b"Concat"
MOST_REWRITTEN_BYTES = 2**26  # of a graph: a few times that is taken while it is rewritten
LOG = logging.getLogger(__name__)
LEAST_SAVED = 0.02  # of the cost, for which layers are run otherwise than they were published


def optimise(cache: GraphCache, digest: str, graph: Path) -> None:
    """Keep a graph optimised, with what it says and how many pictures its runs should hold.

    One thread runs it meanwhile, whose time is not mixed with that of requests. Where it fails, or
    cannot be written, nothing is kept.
    """
    with cache.adding(digest) as written, contextlib.suppress(NotRunnable):
        if written is not None:
            usual = _open_alone(graph, written)
            note = Note.of(warm(usual), most_together=1)
            alone, path = _open_rewritten(graph, usual, written)
            most = choose_most_together(_measuring(alone))
            cache.keep(digest, path, replace(note, most_together=most))


def warm(predictor: Predictor, count: int = 1) -> NDArray[np.float32]:
    """Run a predictor once over so many pictures, the first of which is always the same.

    Raises:
        NotRunnable: it fails.
    """
    return predictor.predict(_draw_pictures(predictor, count))


def _open_alone(graph: Path | bytes, written: Path) -> Predictor:
    """Open a graph for runs on one thread, and write it down as it is optimised for them.

    Raises:
        NotRunnable: it cannot be opened.
    """
    return open_graph(graph, Opening(device="cpu", threads=1, save_as=written))


def _open_rewritten(graph: Path, usual: Predictor, written: Path) -> tuple[Predictor, Path]:
    """Open a graph rewritten for speed, where that says the same; give where it was written to."""
    if graph.stat().st_size > MOST_REWRITTEN_BYTES:
        return usual, written
    from zoo.serving import folding, parts  # noqa: PLC0415  # slow to import

    best, path, data = usual, written, graph.read_bytes()
    aside = written.parent / "folded" / written.name
    folded = _try(folding.fold_preprocessing, data, usual, aside)
    if folded is not None:  # Whatever it saves, it adds no work.
        best, path, data = folded
    if JOIN in data:
        aside = written.parent / "parted" / written.name
        parted = _try(parts.part_joins, data, usual, aside)
        if parted is not None and _saves(best, parted[0]):
            best, path, _ = parted
    return best, path


def _try(
    rewrite: Callable[[bytes], bytes], data: bytes, usual: Predictor, path: Path
) -> tuple[Predictor, Path, bytes] | None:
    """Rewrite a graph, open it and write it down; None where that fails or says something else."""
    try:
        path.parent.mkdir()
        rewritten = rewrite(data)
        predictor = _open_alone(rewritten, path)
        return (predictor, path, rewritten) if _say_the_same(usual, predictor) else None
    except (NotRunnable, OSError):  # The disk may be full.
        return None
    except Exception:  # It is for speed alone: the graph runs as it is.
        LOG.exception("%s could not be rewritten, and is run as it was published.", path.name)
        return None


def _say_the_same(usual: Predictor, other: Predictor) -> bool:
    """Tell whether two graphs say the same: of noise, and of what is nearly black or white.

    One of which a network is certain would hide how they differ.
    """
    (noise,) = _draw_pictures(usual, 1)
    pictures = np.stack([noise, noise // 64, 255 - noise // 64])
    said, says = usual.predict(pictures), other.predict(pictures)
    return np.allclose(said, says, rtol=TOLERANCE, atol=TOLERANCE**2)


def _saves(usual: Predictor, other: Predictor) -> bool:
    """Tell whether a rewritten graph is worth it."""
    share = share_of(*(partial(_measuring(one), 1) for one in (usual, other)))
    return share <= 1 - LEAST_SAVED


def _draw_pictures(predictor: Predictor, count: int) -> NDArray[np.uint8]:
    height, width = predictor.preprocessing.crop_px
    drawn: NDArray[np.uint8] = np.random.default_rng(0).integers(
        0, 256, (count, height, width, 3), np.uint8
    )
    return drawn


def _measuring(predictor: Predictor) -> Callable[[int], float]:
    """Give what tells the CPU nanoseconds that a picture of so many in a run costs this thread."""
    pictures = _draw_pictures(predictor, MEASURED[-1])

    def measure_ns(count: int) -> float:
        begun_ns = time.thread_time_ns()
        predictor.predict(pictures[:count])
        return (time.thread_time_ns() - begun_ns) / count

    return measure_ns
