"""One request: its pictures are cut into pieces, run in their turn, and counted."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoo.errors import (
    BadRequest,
    DeadlinePassed,
    GoneAway,
    NotReady,
    NotRunnable,
    Overloaded,
    TooLarge,
)
from zoo.serving.dense import MOST_NUMBERS, DensePredictor, MapReader
from zoo.serving.dispatcher import Dispatcher
from zoo.serving.figures import Figures, Reason, Times
from zoo.serving.lines import Target
from zoo.serving.network import Feeds, Tensor
from zoo.serving.predictor import Predictor
from zoo.serving.queue import Batch, Piece, Ran, Reader, always
from zoo.serving.shelf import Served

PIECE_PICTURES = 8  # at once, where runs are not shared: more take memory and are no faster
REASONS: dict[type[BaseException], Reason] = {
    Overloaded: Reason.REJECTED,
    TooLarge: Reason.REJECTED,
    NotReady: Reason.REJECTED,
    DeadlinePassed: Reason.REJECTED,
    GoneAway: Reason.CANCELED,
    NotRunnable: Reason.BACKEND,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """On what terms a request is taken in."""

    deadline_s: float | None = None  # from now, until its turn has come
    priority: int = 0  # larger is later: a step is worth ten seconds of waiting
    is_wanted: Callable[[], bool] = always  # asked when its turn has come


PLAIN = Terms()


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where requests are taken in and counted."""

    dispatcher: Dispatcher
    figures: Figures

    def ask(
        self,
        target: Target,
        served: Served,
        images: NDArray[np.uint8],
        terms: Terms = PLAIN,
        *,
        input_ns: int = 0,
    ) -> NDArray[np.float32]:
        """Give the N x K probabilities of N x H x W x 3 uint8 RGB pictures.

        Preparing them took ``input_ns``, which is counted with the rest.

        Raises:
            BadRequest: the pictures are not of the form or size that the network reads.
            TooLarge, Overloaded, NotReady, DeadlinePassed, GoneAway, NotRunnable: as
                `Dispatcher.run`.
        """

        def cut() -> list[Piece]:
            check_images(served.classifier, images)
            return _cut(target, served, served.classifier, images, terms)

        return _joined(self._run(target, cut, input_ns))

    def ask_maps(
        self,
        target: Target,
        served: Served,
        images: NDArray[np.uint8],
        terms: Terms = PLAIN,
        *,
        input_ns: int = 0,
    ) -> NDArray[np.float32]:
        """Give the N x K x h x w maps of N x H x W x 3 uint8 RGB pictures by a dense network.

        Raises:
            BadRequest, TooLarge, Overloaded, NotReady, DeadlinePassed, GoneAway, NotRunnable: as
                `ask`.
            PictureTooSmall: they give no cell.
        """
        dense = served.predictor
        assert isinstance(dense, DensePredictor)

        def cut() -> list[Piece]:
            check_maps(dense, images)
            return _cut(target, served, MapReader(predictor=dense), images, terms)

        return _joined(self._run(target, cut, input_ns))

    def ask_network(
        self,
        target: Target,
        served: Served,
        feeds: Feeds,
        terms: Terms = PLAIN,
        *,
        input_ns: int = 0,
    ) -> list[Tensor]:
        """Give the outputs that are wanted of a network that is served as it is.

        Raises:
            BadRequest: the inputs are not those of the network, or it fails on them.
            TooLarge, Overloaded, NotReady, DeadlinePassed, GoneAway, NotRunnable: as `ask`.
        """

        def cut() -> list[Piece]:
            served.network.check(feeds)
            return [_piece(target, served.network, feeds, terms)]

        (ran,) = self._run(target, cut, input_ns)
        outputs: list[Tensor] = ran.rows[0]
        return outputs

    def _run(self, target: Target, cut: Callable[[], list[Piece]], input_ns: int) -> list[Ran]:
        """Check a request and cut it into pieces, run them, and count how that went."""
        begun_ns, key = time.monotonic_ns(), target.key
        self.figures.begin(key)
        try:
            pieces = cut()
            ran = self.dispatcher.run(pieces)
        except BaseException as error:
            taken_ns = input_ns + time.monotonic_ns() - begun_ns
            self.figures.fail(key, _reason(error), taken_ns)
            raise
        pictures = sum([piece.pictures for piece in pieces])
        self.figures.succeed(key, _times(ran, input_ns), pictures)
        return ran


def check_images(predictor: Predictor, images: NDArray[np.uint8]) -> None:
    """Check that pictures are of the form and the size that a network reads.

    Raises:
        BadRequest: they are not.
        PictureTooSmall, TooLarge: a dense network gives no map of them, or too large a one.
    """
    height, width = predictor.preprocessing.crop_px
    is_dense = isinstance(predictor, DensePredictor)
    sides = "height x width" if is_dense else f"{height} x {width}"
    fits = images.dtype == np.uint8 and images.ndim == 4 and images.shape[3] == 3  # noqa: PLR2004  # N H W 3
    if not fits or not len(images) or (not is_dense and images.shape[1:3] != (height, width)):
        raise BadRequest(
            f"The pictures are {images.dtype} of {' x '.join(map(str, images.shape))};"
            f" this network reads uint8 of N x {sides} x 3.",
            hint="Resize and crop them as its preprocessing says, or send JPEG or PNG files.",
        )
    if isinstance(predictor, DensePredictor):
        predictor.check_size(images.shape[1:3])


def check_maps(predictor: DensePredictor, images: NDArray[np.uint8]) -> None:
    """Check that pictures are of the form that a dense network reads, and their maps not too large.

    Raises:
        BadRequest, PictureTooSmall, TooLarge: they are not.
    """
    check_images(predictor, images)
    rows, columns = predictor.check_size(images.shape[1:3])
    numbers = len(images) * len(predictor.labels) * rows * columns
    if numbers > MOST_NUMBERS:
        raise TooLarge(
            f"The maps would have {numbers} numbers; at most {MOST_NUMBERS} are computed.",
            hint="Send fewer or smaller pictures at once.",
        )


def _cut(
    target: Target, served: Served, reader: Reader, images: NDArray[np.uint8], terms: Terms
) -> list[Piece]:
    size = max(served.most_together, PIECE_PICTURES)
    if len(images) <= size:  # as most often; a list made piece by piece costs more
        return [_piece(target, reader, images, terms, served.most_together)]
    return [
        _piece(target, reader, images[start : start + size], terms, served.most_together)
        for start in range(0, len(images), size)
    ]


def _piece(
    target: Target, reader: Reader, images: Batch, terms: Terms, most_together: int = 1
) -> Piece:
    seconds = terms.deadline_s
    return Piece(
        predictor=reader,
        images=images,
        key=target.key,
        most_together=most_together,
        priority=terms.priority,
        deadline_ns=None if seconds is None else time.monotonic_ns() + int(seconds * 1e9),
        is_wanted=terms.is_wanted,
    )


def _joined(ran: list[Ran]) -> NDArray[np.float32]:
    rows: NDArray[np.float32] = (
        ran[0].rows if len(ran) == 1 else np.concatenate([one.rows for one in ran])
    )
    return rows


def _reason(error: BaseException) -> Reason:
    return next((why for kind, why in REASONS.items() if isinstance(error, kind)), Reason.OTHER)


def _times(ran: list[Ran], input_ns: int) -> Times:
    """Add up what the pieces of a request took; they waited side by side."""
    queue_ns = infer_ns = output_ns = 0
    for one in ran:
        queue_ns = max(queue_ns, one.queue_ns)
        infer_ns += one.infer_ns
        output_ns += one.output_ns
    return Times(input_ns=input_ns, queue_ns=queue_ns, infer_ns=infer_ns, output_ns=output_ns)
