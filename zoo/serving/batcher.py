"""Several requests in one run of a session, each given its own rows of the answer."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from zoo.errors import ZooError
from zoo.serving.batches import pad_to
from zoo.serving.predictor import CUDA
from zoo.serving.queue import Batch, Piece, Ran


def run_together(
    pieces: Sequence[Piece],
    *,
    watch: Callable[[tuple[str, str], int, int], None],
    clock_ns: Callable[[], int],
) -> None:
    """Run pieces of one kind at once and note with each its rows, or why there are none.

    Where the run fails, each piece is run by itself, so that only those fail that are at fault.
    """
    begun_ns = clock_ns()
    first = pieces[0]
    pictures = first.pictures if len(pieces) == 1 else sum([piece.pictures for piece in pieces])
    try:
        rows = first.predictor.predict(_join(pieces, pictures))
    except BaseException as error:  # noqa: BLE001  # whoever waits raises it
        _fail(pieces, error, watch=watch, clock_ns=clock_ns)
        return
    ended_ns = clock_ns()
    watch(first.key, pictures, ended_ns - begun_ns)
    row = 0
    for piece in pieces:
        piece.ran = Ran(
            rows=rows[row : row + piece.pictures],
            queue_ns=begun_ns - piece.arrived_ns,
            infer_ns=ended_ns - begun_ns,
            output_ns=clock_ns() - ended_ns,
        )
        row += piece.pictures


def _join(pieces: Sequence[Piece], pictures: int) -> Batch:
    """Lay pictures behind each other; on a GPU, up to one of the sizes it has seen before."""
    first = pieces[0]
    lacking = pad_to(pictures) - pictures if first.predictor.provider == CUDA else 0
    if len(pieces) == 1 and not lacking:
        return first.images
    parts: list[Any] = [piece.images for piece in pieces]  # arrays, where there are several
    if lacking:
        parts.append(np.zeros((lacking, *first.images.shape[1:]), np.uint8))
    joined: Batch = np.concatenate(parts)
    return joined


def _fail(
    pieces: Sequence[Piece],
    error: BaseException,
    *,
    watch: Callable[[tuple[str, str], int, int], None],
    clock_ns: Callable[[], int],
) -> None:
    """Tell a piece that it failed; several are tried again one by one."""
    if len(pieces) == 1 or not isinstance(error, ZooError):
        for piece in pieces:
            piece.error = error
        return
    for piece in pieces:
        run_together([piece], watch=watch, clock_ns=clock_ns)
