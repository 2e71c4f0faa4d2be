"""What waits to be run: in the order it came, bounded in pictures and in bytes."""

import heapq
import itertools
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from zoo.errors import Overloaded, TooLarge

PRIORITY_NS = 10_000_000_000  # one step of priority is worth so long a wait


class Batch(Protocol):
    """What a predictor reads: pictures, or the inputs of a network that is served as it is."""

    def __len__(self) -> int:
        """Count what is in it; the answer has as many rows."""

    @property
    def nbytes(self) -> int:
        """Count its bytes."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Give the sides; batches that differ behind the first cannot be joined."""


class Reader(Protocol):
    """What runs: a predictor, or whatever else gives a row for each row of a batch."""

    @property
    def provider(self) -> str:
        """Tell which execution provider really runs."""

    def predict(self, batch: Any, /) -> Any:  # noqa: ANN401  # each reads and gives its own kind
        """Give the rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What came of a piece of work."""

    rows: Any  # as the predictor gives them: of pictures, N x K probabilities
    queue_ns: int
    infer_ns: int
    output_ns: int


def always() -> bool:
    """Say that an answer is still wanted."""
    return True


@dataclass(slots=True, kw_only=True, eq=False)
class Piece:
    """Pictures of one request that are run in one go."""

    predictor: Reader
    images: Batch
    key: tuple[str, str]  # whose figures it counts for
    most_together: int = 1  # pictures that one run may hold, of this request and others
    priority: int = 0  # larger is later
    deadline_ns: int | None = None  # of the monotonic clock
    is_wanted: Callable[[], bool] = always  # whether its client still waits
    arrived_ns: int = 0
    is_begun: bool = False  # and no longer in the queue
    ran: Ran | None = None  # what came of it, once it is done
    error: BaseException | None = None  # or why nothing did
    pictures: int = field(init=False)

    def __post_init__(self) -> None:
        self.pictures = len(self.images)

    @property
    def kind(self) -> Hashable:
        """Say what it can share a run with: the same predictor, pictures of one size."""
        return id(self.predictor), self.images.shape[1:]


@dataclass(slots=True, kw_only=True)
class Queue:
    """Pieces that wait; whoever uses it holds a lock."""

    most_pictures: int
    most_bytes: int
    pictures: int = 0
    size_bytes: int = 0
    _heap: list[tuple[int, int, Piece]] = field(default_factory=list)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def __bool__(self) -> bool:
        return bool(self._heap)

    def could_take(self, piece: Piece) -> bool:
        """Tell whether a piece fits into the empty queue."""
        return piece.pictures <= self.most_pictures and piece.images.nbytes <= self.most_bytes

    def add(self, pieces: Iterable[Piece]) -> None:
        """Take all pieces of a request, or none.

        Raises:
            TooLarge: they would not fit into an empty queue.
            Overloaded: they do not fit beside what waits.
        """
        given = list(pieces)
        pictures = sum([piece.pictures for piece in given])
        size_bytes = sum([piece.images.nbytes for piece in given])
        if pictures > self.most_pictures or size_bytes > self.most_bytes:
            raise TooLarge(
                f"{pictures} pictures of {size_bytes} bytes are more than ever wait here:"
                f" {self.most_pictures} pictures, {self.most_bytes} bytes.",
                hint="Send fewer at once, or raise ZOO_QUEUE_PICTURES and ZOO_QUEUE_BYTES.",
            )
        if (
            self.pictures + pictures > self.most_pictures
            or self.size_bytes + size_bytes > self.most_bytes
        ):
            raise Overloaded(f"{self.pictures} pictures wait already.", retry_after_s=1)
        self.pictures += pictures
        self.size_bytes += size_bytes
        for piece in given:
            place = piece.arrived_ns + piece.priority * PRIORITY_NS
            heapq.heappush(self._heap, (place, next(self._numbers), piece))

    def pop(self) -> Piece:
        """Take the piece that is next."""
        *_, piece = heapq.heappop(self._heap)
        self._forget(piece)
        return piece

    def pop_alike(self, first: Piece) -> list[Piece]:
        """Take what waits and can share a run with a piece, as much of it as fits."""
        room = first.most_together - first.pictures
        taken, left = list[Piece](), list[tuple[int, int, Piece]]()
        for entry in sorted(self._heap):
            piece = entry[-1]
            if piece.kind == first.kind and piece.pictures <= room:
                room -= piece.pictures
                taken.append(piece)
                self._forget(piece)
            else:
                left.append(entry)
        self._heap = left  # sorted, so still a heap
        return taken

    def drop(self, piece: Piece) -> None:
        """Take a piece out that nobody waits for any more, where it is still here."""
        left = [entry for entry in self._heap if entry[-1] is not piece]
        if len(left) < len(self._heap):
            self._heap = left
            heapq.heapify(self._heap)
            self._forget(piece)

    def _forget(self, piece: Piece) -> None:
        self.pictures -= piece.pictures
        self.size_bytes -= piece.images.nbytes
