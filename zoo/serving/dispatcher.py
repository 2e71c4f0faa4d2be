"""Running sessions in the order they were asked: one queue, a fixed set of runners.

A semaphore would let whoever comes just then go first. Here nobody does: a request waits for those
before it and for nothing else. What is taken in is answered, also while the process ends.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from zoo.errors import DeadlinePassed, GoneAway, NotReady
from zoo.serving.batcher import run_together
from zoo.serving.queue import Piece, Queue, Ran

Watch = Callable[[tuple[str, str], int, int], None]
"""Hears of each run: whose it was, its pictures, its nanoseconds."""


@dataclass(slots=True, kw_only=True, eq=False)
class Dispatcher:
    """Runs pieces of work; safe to be used by many threads. Its runners start with the first."""

    runners: int
    queue: Queue
    watch: Watch = lambda *_: None
    clock_ns: Callable[[], int] = time.monotonic_ns
    _threads: list[threading.Thread] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _is_closed: bool = False

    def run(self, pieces: Sequence[Piece]) -> list[Ran]:
        """Run the pieces of a request and wait for them.

        Raises:
            Overloaded: too much waits already.
            TooLarge: there are more pictures than ever may wait.
            NotReady: the process ends.
            DeadlinePassed: a deadline passed before all of them were begun.
            GoneAway: the client did not wait.
            NotRunnable: the graph failed.
        """
        self._add(pieces)
        try:
            return [self._wait(piece) for piece in pieces]
        except BaseException:
            self._give_up(pieces)
            raise

    def close(self) -> None:
        """Take nothing more, and return when all that was taken is done."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    @property
    def waiting(self) -> int:
        """Count the pictures that wait."""
        with self._changed:
            return self.queue.pictures

    @property
    def waiting_bytes(self) -> int:
        """Count the bytes of the pictures that wait."""
        with self._changed:
            return self.queue.size_bytes

    def _add(self, pieces: Sequence[Piece]) -> None:
        now_ns = self.clock_ns()
        with self._changed:
            if self._is_closed:
                raise NotReady
            for piece in pieces:
                piece.arrived_ns = now_ns
            self.queue.add(pieces)
            if not self._threads:
                self._start()
            self._changed.notify(len(pieces))

    def _give_up(self, pieces: Sequence[Piece]) -> None:
        """Make room for others where pieces have not begun yet."""
        with self._changed:
            for piece in pieces:
                if piece.future.cancel():
                    self.queue.drop(piece)

    def _start(self) -> None:
        for number in range(self.runners):
            # A thread that is no daemon would keep the interpreter from ending.
            thread = threading.Thread(target=self._work, name=f"runner-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _wait(self, piece: Piece) -> Ran:
        """Wait for a piece; one whose deadline passes in the queue is not waited for."""
        if piece.deadline_ns is None:
            return piece.future.result()
        left_ns = piece.deadline_ns - self.clock_ns()
        try:
            return piece.future.result(max(left_ns, 0) / 1e9)
        except TimeoutError:
            if piece.future.cancel():
                raise DeadlinePassed from None
        return piece.future.result()

    def _work(self) -> None:
        while pieces := self._take():
            run_together(pieces, watch=self.watch, clock_ns=self.clock_ns)

    def _take(self) -> list[Piece]:
        """Wait for work and take what one run can hold; nothing when all is done and closed."""
        while True:
            with self._changed:
                while not self.queue:
                    if self._is_closed:
                        return []
                    self._changed.wait()
                first = self.queue.pop()
                more = self.queue.pop_alike(first) if first.most_together > first.pictures else []
            if pieces := [piece for piece in (first, *more) if self._begin(piece)]:
                return pieces

    def _begin(self, piece: Piece) -> bool:
        """Tell whether a piece is still to be run; whoever waits for another is told why not."""
        if not piece.future.set_running_or_notify_cancel():
            return False
        if piece.deadline_ns is not None and self.clock_ns() > piece.deadline_ns:
            piece.future.set_exception(DeadlinePassed())
            return False
        if not piece.is_wanted():
            piece.future.set_exception(GoneAway())
            return False
        return True
